"""`extends`: one document on top of another, before anything in them is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.spec.documents import kind_of
from archgraph.spec.reader import Data, Place, RawDocument


def merge(base: RawDocument, over: RawDocument) -> RawDocument:
    """`over` on top of `base`: mappings by key, `nodes` by name, other values replaced.

    Nodes in groups are found by name too. A group has no name: one of `over` is appended whole.

    Raises:
        SpecError: E117, `remove` names a node that `base` does not have, or leaves none.
    """
    if "remove" in over.data:
        gone, place = over.data["remove"], over.place.children["remove"]
        base = _without(base, gone, place, bool(over.data.get("nodes")))
    data, place = _merge_mapping(base.data, base.place, over.data, over.place)
    kind = kind_of(over)
    head = {"archgraph": 1, kind: over.data[kind]}
    rest = {k: v for k, v in data.items() if k not in (*head, "extends", "remove")}
    return RawDocument({**head, **rest}, place)


def _merge_mapping(
    base: Mapping[str, Data], base_place: Place, over: Mapping[str, Data], over_place: Place
) -> tuple[dict[str, Data], Place]:
    data = dict(base)
    children = dict(base_place.children)
    for key, value in over.items():
        place = over_place.children[key]
        before = data.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged, merged_place = _merge_mapping(before, children[key], value, place)
            data[key], children[key] = merged, merged_place
        elif key == "nodes" and isinstance(before, list) and isinstance(value, list):
            data[key], children[key] = _merge_nodes(before, children[key], value, place)
        else:
            data[key], children[key] = value, place
    return data, Place(over_place.location, over_place.key, children)


@dataclass
class _Item:
    """A node, or a group with the items in it, while lists of nodes are being changed."""

    data: Data
    place: Place
    items: list[_Item] | None = None

    @property
    def name(self) -> Data:
        """What tells a node: its name as written, before any template is filled."""
        return self.data.get("name") if isinstance(self.data, dict) else None


def _read(nodes: list[Data], place: Place) -> list[_Item]:
    items: list[_Item] = []
    for i, node in enumerate(nodes):
        here = place.children[i]
        inner = node.get("nodes") if isinstance(node, dict) else None
        below = _read(inner, here.children["nodes"]) if isinstance(inner, list) else None
        items.append(_Item(node, here, below))
    return items


def _written(items: list[_Item], place: Place) -> tuple[list[Data], Place]:
    """The items as a list again, with its places."""
    nodes: list[Data] = []
    places: dict[str | int, Place] = {}
    for i, item in enumerate(items):
        data, here = item.data, item.place
        if item.items is not None and isinstance(data, dict):
            inner, inner_place = _written(item.items, here.children["nodes"])
            data = {**data, "nodes": inner}
            here = Place(here.location, here.key, {**here.children, "nodes": inner_place})
        nodes.append(data)
        places[i] = here
    return nodes, Place(place.location, place.key, places)


def _nodes_of(items: list[_Item]) -> Iterator[_Item]:
    """Every node, those in groups too."""
    for item in items:
        if item.items is None:
            yield item
        else:
            yield from _nodes_of(item.items)


def _merge_nodes(
    base: list[Data], base_place: Place, over: list[Data], over_place: Place
) -> tuple[list[Data], Place]:
    """Nodes by name; a new one is appended, and so is every group."""
    items = _read(base, base_place)
    known = {str(item.name): item for item in _nodes_of(items) if item.name is not None}
    for new in _read(over, over_place):
        old = None if new.items is not None or new.name is None else known.get(str(new.name))
        if old is None:
            items.append(new)
        elif isinstance(old.data, dict) and isinstance(new.data, dict):
            old.data, old.place = _merge_mapping(old.data, old.place, new.data, new.place)
    return _written(items, Place(over_place.location, over_place.key, {}))


def _without(base: RawDocument, names: Data, place: Place, adds: bool) -> RawDocument:
    """`base` without the nodes called so, whose names are then free again.

    `adds` is whether nodes come in their place.
    """
    nodes = base.data.get("nodes")
    if not isinstance(names, list):
        hint = "write 'remove: [name]'"
        raise SpecError(Diagnostic("E107", "'remove' is no list of names", place.location, hint))
    if not isinstance(nodes, list):
        return base
    old = base.place.children["nodes"]
    items = _read(nodes, old)
    known = [str(item.name) for item in _nodes_of(items)]
    faults: list[Diagnostic] = []
    for i, name in enumerate(names):
        if name not in known:
            where: Location = place.at(i).location
            hint = suggest(str(name), known, "it has")
            faults.append(Diagnostic("E117", f"there is no node '{name}' to remove", where, hint))
    if faults:
        raise SpecError(faults)
    gone = {str(name) for name in names}
    if gone.issuperset(known) and not adds:
        hint = "write nodes of its own, or remove fewer"
        message = "'remove' takes away every node"
        raise SpecError(Diagnostic("E117", message, place.location, hint))
    kept, kept_place = _written(_kept(items, gone), old)
    data = {**base.data, "nodes": kept}
    children = {**base.place.children, "nodes": kept_place}
    return RawDocument(data, Place(base.place.location, base.place.key, children))


def _kept(items: list[_Item], removed: set[str]) -> list[_Item]:
    """The items without these nodes, and without groups that would be empty."""
    kept: list[_Item] = []
    for item in items:
        if item.items is None:
            if str(item.name) not in removed:
                kept.append(item)
            continue
        item.items = _kept(item.items, removed)
        if item.items:
            kept.append(item)
    return kept
