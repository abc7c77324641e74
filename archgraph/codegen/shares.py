"""Numbers that grow from one element of a list to the next, as shares of an argument.

    *(Mbconv(80, 80, drop_path=0.2 * i / 16) for i in range(6, 8))

Deeper blocks drop more; written out, such numbers are long and say nothing. A share is only
written where it is exact to the last digit on all elements.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from archgraph.codegen.classes import ModuleClass
from archgraph.codegen.parameters import literal
from archgraph.codegen.shape import Field

# No list has more parts; so many different numbers are no accident.
MAX_PARTS = 1024
ENOUGH = 3
# A place in a list, while it is not known whether its neighbours follow it.
PLACE = re.compile(r"<(\d+)>")


@dataclass(frozen=True)
class Shares:
    """Numbers that are `whole * i / parts`."""

    whole: float
    parts: int

    def text(self, value: object) -> str:
        """A number with its place marked."""
        if not isinstance(value, float):
            return literal(value)
        return f"{self.whole!r} * <{round(value * self.parts / self.whole)}> / {self.parts}"


def shares_of(group: ModuleClass, classes: Mapping[str, ModuleClass]) -> dict[str, Shares]:
    """The parameters of list elements that are shares of the block's argument of that name."""
    if len(group.members) != 1:
        return {}
    found: dict[str, list[object]] = {}
    for field in group.template.fields.values():
        for attribute in field.members.values() if may_share(field) else ():
            if attribute.child:
                for name, value in classes[attribute.child].arguments(attribute.child).items():
                    found.setdefault(name, []).append(value)
    wholes = {name: v for name, v in group.instance.scope.arguments if isinstance(v, float) and v}
    fitted = {name: _fitted(whole, found.get(name, ())) for name, whole in wholes.items()}
    return {name: shares for name, shares in fitted.items() if shares}


def may_share(field: Field) -> bool:
    """Whether the numbers of a list are written for each element."""
    return field.kind == "list" and (not field.uniform or len(field.members) == 1)


def _fitted(whole: float, values: Iterable[object]) -> Shares | None:
    known = {value for value in values if isinstance(value, float)}
    for parts in range(1, MAX_PARTS + 1) if len(known) >= ENOUGH else ():
        if all(whole * round(value * parts / whole) / parts == value for value in known):
            return Shares(whole, parts)
    return None


def without_places(text: str) -> str:
    """A text whose places are numbers."""
    return PLACE.sub(r"\1", text)


def runs(texts: Sequence[str]) -> list[str]:
    """Elements of a list, equal neighbours counted: each needs an instance of its own.

    Neighbours that only differ in their place are written once, too.
    """
    found: list[str] = []
    start = 0
    while start < len(texts):
        end = start + 1
        while end < len(texts) and _follows(texts[start], texts[end], end - start):
            end += 1
        text, count = texts[start], end - start
        places = PLACE.findall(text)
        if count == 1:
            found.append(without_places(text))
        elif places:
            first = int(places[0])
            element = PLACE.sub("i", text)
            found.append(f"*({element} for i in range({first}, {first + count}))")
        else:
            found.append(f"*({text} for _ in range({count}))")
        start = end
    return found


def _follows(first: str, text: str, distance: int) -> bool:
    """Whether a text is that of an element so many places later."""
    return text == PLACE.sub(lambda match: f"<{int(match[1]) + distance}>", first)
