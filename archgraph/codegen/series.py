"""Calls of one module, one for each level of a pyramid, as a single comprehension.

classes = [self.classes(x, level) for level, x in features.items()]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from archgraph.codegen.classes import ModuleClass
from archgraph.codegen.flow import Flow
from archgraph.codegen.interface import Interface
from archgraph.codegen.names import plain_name
from archgraph.codegen.shape import KEYED, WHOLE, Ref


@dataclass(frozen=True)
class Series:
    """Statements that call one module and give all maps of one output, in order.

    Attributes:
        output: the output of the network.
        name: the variable of the list.
        parts: the numbers of the statements, which follow one another.
        keys: what each call is told; nothing if the module asks for no key.
    """

    output: str
    name: str
    parts: tuple[int, ...]
    keys: tuple[str, ...]


def series_of(group: ModuleClass, called: Interface, flow: Flow) -> list[Series]:
    """The outputs of a network that are calls of one module, none of them read elsewhere."""
    if not group.is_root:
        return []
    refs = dict(zip(group.instance.outputs, group.template.outputs, strict=True))
    found: list[Series] = []
    for output, values in called.outputs.items():
        series = _series(group, flow, output, [refs[value] for value in values])
        found += [series] if series else []
    return found


def _series(group: ModuleClass, flow: Flow, output: str, refs: list[Ref]) -> Series | None:
    numbers = [ref[1] for ref in refs if ref[0] == "part" and isinstance(ref[1], int)]
    if len(numbers) < max(2, len(refs)) or numbers != [numbers[0] + k for k in range(len(refs))]:
        return None
    parts = [group.template.parts[i] for i in numbers]
    stems = {part.path.rpartition(".")[0] for part in parts}
    calls = {(part.called, part.item.child == "", bool(part.told)) for part in parts}
    called = parts[0].called
    if len(stems) > 1 or "" in stems or len(calls) > 1 or called is None:
        return None
    if called[1] in (WHOLE, KEYED) or any(i in group.bypass for i in numbers):
        return None
    if any(len(part.operands) != 1 or len(part.results) != 1 for part in parts):
        return None
    if any(flow.readers[ref] != [len(group.template.parts)] for ref in refs):
        return None
    keys = tuple(part.told for part in parts if part.told)
    if len(set(keys)) < len(keys):
        return None
    return Series(output, plain_name(stems.pop().replace(".", "_")), tuple(numbers), keys)


def series_texts(
    series: Series, callee: str, operands: list[str], known: Mapping[str, str], free: str
) -> Iterator[tuple[str, str]]:
    """The statements of a series: variable and value.

    Args:
        series: the calls.
        callee: the module that they call.
        operands: the variable that each call is given.
        known: mappings of level to map that are variables already, by their text.
        free: a name for one that is not.
    """
    if not series.keys:
        yield series.name, f"[{callee}(x) for x in ({', '.join(operands)})]"
        return
    given = zip(series.keys, operands, strict=True)
    pairs = [f'"{key}": {operand}' for key, operand in given]
    maps = f"{{{', '.join(pairs)}}}"
    if maps not in known:
        yield free, maps
    yield series.name, f"[{callee}(x, level) for level, x in {known.get(maps, free)}.items()]"
