"""Which value of a document is what: the order of its keys, one line or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto

from archgraph.spec.documents import KINDS


class Role(Enum):
    """What a value is in its document; lists have the role of what stands in them."""

    DOCUMENT = auto()
    NODES = auto()
    NODE = auto()
    ENTRIES = auto()
    PORTS = auto()
    STEP = auto()
    SETTINGS = auto()
    INPUT = auto()
    DEFAULTS = auto()
    POLICY = auto()
    LINES = auto()  # named by the user, a line each
    FREE = auto()  # named by the user


# Keys whose order means nothing, in the order of the layout: what a thing is, then what it takes
# and does, then habits and remarks.
_KEYS: Mapping[Role, Sequence[str]] = {
    Role.DOCUMENT: [
        *("archgraph", *KINDS, "doc", "extends", "remove", "parameters", "let"),
        *("variants", "settings", "defaults", "inputs", "nodes", "outputs", "passes"),
    ],
    Role.NODE: [
        *("for", "name", "when", "level", "use", "fuse", "from", "with", "block", "repeat"),
        *("first", "settings", "share", "own", "passes", "pin", "doc", "nodes"),
    ],
    Role.ENTRIES: ["for", "name", "from", "project", "up", "down", "resample"],
    Role.STEP: ["use", "with", "when", "repeat", "first", "share"],
    Role.SETTINGS: ["act", "norm", "padding", "bias", "init"],
    Role.INPUT: ["for", "name", "level"],
    Role.DEFAULTS: ["node", "edge"],
    Role.POLICY: ["fuse", "block", "project", "up", "down"],
}
_STEPS = dict.fromkeys(("use", "fuse", "block", "project", "up", "down", "act", "norm"), Role.STEP)
_CHILDREN: Mapping[Role, Mapping[str, Role]] = {
    Role.DOCUMENT: {
        "nodes": Role.NODES,
        "defaults": Role.DEFAULTS,
        "let": Role.LINES,
        "variants": Role.LINES,
        "settings": Role.SETTINGS,
        "inputs": Role.INPUT,
        "passes": Role.STEP,
    },
    Role.NODE: {
        **_STEPS,
        "nodes": Role.NODES,
        "settings": Role.SETTINGS,
        "from": Role.ENTRIES,
    },
    Role.DEFAULTS: {"node": Role.POLICY, "edge": Role.POLICY},
    Role.POLICY: _STEPS,
    Role.ENTRIES: _STEPS,
    Role.SETTINGS: _STEPS,
}


def document_role(keys: Sequence[str]) -> Role:
    """The role of a document with these keys; nothing is known of one of no kind."""
    first = next((key for key in keys if key != "archgraph"), "")
    return Role.DOCUMENT if first in KINDS else Role.FREE


def child_role(role: Role, key: str | None, keys: Sequence[str] | None) -> Role:
    """The role of what stands in a value.

    Args:
        role: the role of the value.
        key: the key under which the child stands; None in a list.
        keys: the keys of the child, if it is a mapping.
    """
    child = _CHILDREN.get(role, {}).get(key, Role.FREE) if key is not None else role
    if key is None and role is Role.NODES:
        child = Role.NODE
    if role is Role.PORTS:
        child = Role.ENTRIES
    # an entry of `from` says `from` itself; else it says what each input of a block reads
    if child is Role.ENTRIES and keys is not None and "from" not in keys:
        return Role.PORTS
    return child


def in_order(role: Role, keys: Sequence[str]) -> list[str]:
    """The keys of a mapping as the layout has them; those that it does not know come last."""
    known = _KEYS.get(role, ())
    return sorted(keys, key=lambda key: known.index(key) if key in known else len(known))


def one_line(role: Role, keys: Sequence[str], *, nested: bool) -> bool:
    """Whether a collection may stand on one line, if it fits there.

    Args:
        role: what it is.
        keys: its keys; none for a list.
        nested: whether a mapping stands in it.
    """
    match role:
        case Role.DOCUMENT | Role.NODES | Role.LINES:
            return False
        case Role.NODE:
            return "nodes" not in keys
        case Role.DEFAULTS:
            return len(keys) < 2
        case Role.POLICY:
            return not nested
        case _:
            return True
