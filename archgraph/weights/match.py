"""Whether the tensors of a file are those of a network: all of them, or a report and nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from archgraph.errors import Diagnostic, WeightsError
from archgraph.ir.op import Shape
from archgraph.weights.tensors import grouped, is_optional, within

# How many groups of tensors one line of a report names.
SHOWN = 6


@dataclass(frozen=True)
class Match:
    """What is wrong between the tensors that are wanted and those that are there.

    Attributes:
        missing: wanted and not there, in groups.
        extra: there and not wanted, in groups.
        misshapen: there in another shape: name, shape, wanted shape.
    """

    missing: Sequence[tuple[str, int]]
    extra: Sequence[tuple[str, int]]
    misshapen: Sequence[tuple[str, Shape, Shape]]

    @property
    def is_complete(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.extra or self.misshapen)


def match(
    wanted: Mapping[str, Shape], given: Mapping[str, Shape], left_out: Collection[str] = ()
) -> Match:
    """Compare by name and shape.

    Args:
        wanted: the tensors of the network.
        given: the tensors of the file, by the same names.
        left_out: modules whose tensors may be missing.
    """
    missing = [
        name
        for name in wanted
        if name not in given and not is_optional(name) and not within(name, left_out)
    ]
    # A group counts what somebody looks for.
    counted = [name for name in wanted if not is_optional(name)]
    extra = [name for name in given if name not in wanted]
    misshapen = [
        (name, given[name], shape)
        for name, shape in wanted.items()
        if name in given and given[name] != shape
    ]
    return Match(grouped(missing, counted), grouped(extra, list(given)), misshapen)


def report(found: Match, file: str, network: str, origin: str = "") -> WeightsError:
    """The exception that says all of it, each kind of mistake in a line.

    Args:
        found: what is wrong.
        file: the file, as its user calls it.
        network: what does not fit it.
        origin: what the file says it is for; empty if it says nothing.
    """
    said: list[str] = []
    if found.missing:
        said.append(f"{_total(found.missing)} missing: {_groups(found.missing)}")
    if found.extra:
        said.append(f"{_total(found.extra)} too many: {_groups(found.extra)}")
    if found.misshapen:
        shown = [
            f"{name} is {list(shape)}, not {list(wanted)}"
            for name, shape, wanted in found.misshapen[:SHOWN]
        ]
        words = _listed(shown, len(found.misshapen))
        said.append(f"{_tensors(len(found.misshapen))} of another shape: {words}")
    made = f"the file was made for {origin}" if origin else "choose what the file was made for"
    hint = f"{made}: model, variant and --set; nothing was loaded or written"
    # Diagnostics without a place are sorted by what they say; the way out stands at the end.
    hints = {max(said): hint}
    fits = f"'{file}' does not fit {network}"
    return WeightsError(
        Diagnostic("E432", f"{fits}: {line}", None, hints.get(line, "")) for line in said
    )


def changed_predictor(found: Match, predictor: str) -> bool:
    """Whether all that is wrong is how many numbers one convolution gives for a pixel."""
    if found.missing or found.extra or not found.misshapen or not predictor:
        return False
    return all(
        name.rpartition(".")[0] == predictor and shape[1:] == wanted[1:]
        for name, shape, wanted in found.misshapen
    )


def _total(groups: Iterable[tuple[str, int]]) -> str:
    return _tensors(sum(count for _, count in groups))


def _tensors(count: int) -> str:
    return f"{count:,} tensors are" if count != 1 else "1 tensor is"


def _groups(groups: Sequence[tuple[str, int]]) -> str:
    shown = [name if count == 1 else f"{name} ({count:,})" for name, count in groups[:SHOWN]]
    return _listed(shown, len(groups))


def _listed(shown: Sequence[str], total: int) -> str:
    rest = total - len(shown)
    return "; ".join([*shown, f"and {rest:,} more"] if rest > 0 else shown)
