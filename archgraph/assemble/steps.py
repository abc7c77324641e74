"""Steps of a topology with its names filled in and their blocks looked up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from archgraph.assemble.binding import bind_step, insert_step, step_faults, with_defaults
from archgraph.assemble.blocks import Blocks
from archgraph.errors import Diagnostic, Location, SpecError
from archgraph.expressions import Names, Step
from archgraph.expressions.step import NONE
from archgraph.ir import EdgeSteps
from archgraph.ir.signature import argument_kinds
from archgraph.spec import Document, EdgeDefaults, EdgeModel, Located, steps_of
from archgraph.spec.forms import Form

# Names that only an edge knows, so a policy keeps them open until `resolve-edges`.
EDGE_NAMES = frozenset({"x", "channels", "level", "distance", "scale"})
# What a step knows of the value that it is applied to.
VALUE = frozenset({"x"})
# Arguments that the steps of `fuse` nodes and of edges get from the node.
IMPLIED = ("channels",)


class StepReader:
    """Reads the steps of one topology.

    Args:
        blocks: where blocks are looked up.
        document: the topology, for its `defaults.<block>`.
        places: where the steps stand that parameters hold.
    """

    def __init__(
        self, blocks: Blocks, document: Document, places: Mapping[str, Location | None]
    ) -> None:
        self.blocks = blocks
        self.document = document
        self.places = places

    def read(
        self,
        form: Form | None,
        owner: Located,
        names: Names,
        key: str,
        keep: frozenset[str] = VALUE,
        implied: Iterable[str] = (),
    ) -> tuple[Step, ...] | None:
        """The chain under `key` of `owner`; None where nothing is said.

        Raises:
            SpecError: everything that is wrong with the steps.
        """
        chain = steps_of(form, owner, key)
        return None if chain is None else self.bound(chain, names, keep, implied)

    def bound(
        self,
        chain: Sequence[Step],
        names: Names,
        keep: frozenset[str] = VALUE,
        implied: Iterable[str] = (),
    ) -> tuple[Step, ...]:
        """Steps with the names of the document filled in; those in `keep` stay open."""
        done: list[Step] = []
        found: list[Diagnostic] = []
        for step in chain:
            try:
                step = insert_step(step, names, self.places)
                if step.use == NONE:
                    continue
                step = self.blocks.resolve(with_defaults(step, self.document), ())
                kinds = argument_kinds(step, self.blocks.known)
                if kinds is not None:
                    found.extend(step_faults(step, kinds, self.blocks.known, implied))
                    step = self.blocks.with_words(bind_step(step, kinds, names, keep))
            except SpecError as error:
                found.extend(error.diagnostics)
            done.append(step)
        if found:
            raise SpecError(found)
        return tuple(done)

    def edge_steps(self, model: EdgeDefaults | EdgeModel, names: Names) -> EdgeSteps:
        """What an edge or the policy says.

        Raises:
            SpecError: everything that is wrong with the steps.
        """
        known = {name: value for name, value in names.items() if name not in EDGE_NAMES}
        steps: dict[str, tuple[Step, ...] | None] = {}
        found: list[Diagnostic] = []
        for key in ("project", "up", "down"):
            try:
                steps[key] = self.read(getattr(model, key), model, known, key, EDGE_NAMES, IMPLIED)
            except SpecError as error:
                found.extend(_with_edge_hint(d) for d in error.diagnostics)
        if found:
            raise SpecError(found)
        resample = not (isinstance(model, EdgeModel) and model.resample)
        return EdgeSteps(steps["project"], steps["up"], steps["down"], resample)


def _with_edge_hint(found: Diagnostic) -> Diagnostic:
    """`channels` is a number on an edge, also where the parameter is a map."""
    if found.message != "unknown function 'channels'":
        return found
    return replace(found, hint="on an edge 'channels' is the number of its node")
