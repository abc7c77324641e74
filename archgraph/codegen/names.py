"""Names in generated code: of classes, of what enters them, and which names are taken."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from archgraph.codegen.calls import BORROWED
from archgraph.codegen.interface import IMAGE, interface
from archgraph.codegen.outline import Outline
from archgraph.codegen.snippets import definitions
from archgraph.spec.names import RESERVED

if TYPE_CHECKING:
    from archgraph.codegen.classes import ModuleClass

# Names that generated code says.
IMPORTED = frozenset({"Tensor", "F", "Any", "nn"})
SAID = frozenset(["_", "math"])
NODE = "Node"
# Names that readers take for something else: what Python has built in, and letters like digits.
MISLEADING = frozenset(dir(builtins)) | frozenset("lOI")


def taken_names() -> frozenset[str]:
    """Names that a generated class may not take: imports, the prelude and what plugins bring."""
    return IMPORTED | frozenset(definitions())


def reserved_parameters() -> frozenset[str]:
    """Names that no parameter may take: generated code says them, or every module has them."""
    return (RESERVED | SAID | MISLEADING | taken_names()) - {"channels", "in_channels"}


def camel(name: str) -> str:
    """`act-separable-conv-norm` as a class name: `ActSeparableConvNorm`."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    return "".join(word[0].upper() + word[1:] for word in words)


def name_classes(groups: Sequence[ModuleClass]) -> None:
    """The largest group of a block takes its name; others add what tells them apart."""
    taken = set(taken_names()).union(dir(builtins))
    order = {id(group): i for i, group in enumerate(groups)}
    by_size = sorted(groups, key=lambda g: (not g.is_root, -len(g.members), order[id(g)]))
    first: dict[str, ModuleClass] = {}
    for group in by_size:
        base = _base_name(group)
        options = [base, *_distinctions(base, group, first.get(base)), *_places(base, group)]
        name = next((o for o in options if o not in taken and o.isidentifier()), "")
        number = 2
        while not name:
            option = f"{base}Variant{number}"  # a mere number could be that of a node
            name, number = option if option not in taken else "", number + 1
        taken.add(name)
        first.setdefault(base, group)
        group.name = name


def _base_name(group: ModuleClass) -> str:
    scope = group.instance.scope
    name = camel(scope.block)
    last = {_last(module) for module in group.modules}
    if len(name) == 1 and scope.path:  # a letter tells nothing: `t4` is a TNode, if not T4
        is_node = _last(scope.path).startswith(scope.block)
        name = camel(last.pop()) if is_node and len(last) == 1 else name
        name += "" if len(name) > 1 else NODE if is_node else "Block"
    if scope.block == "edge" and scope.path:
        # An edge is called after what happens on it: Project, ProjectUp.
        name = camel("-".join(roles(group)))
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"Module{name}"


def _last(path: str) -> str:
    """The last segment of a path."""
    return path.rpartition(".")[2]


def roles(group: ModuleClass) -> list[str]:
    """The first segments of its items' paths: `project`, `up` for what an edge does."""
    return list(dict.fromkeys(item.path.partition(".")[0] for item in group.instance.items))


def _distinctions(base: str, group: ModuleClass, first: ModuleClass | None) -> list[str]:
    """Names by what the class of the plain name has and this one lacks, or the other way."""
    if first is None:
        return []
    own = [part.path for part in group.template.parts if "#" not in part.path]
    other = [part.path for part in first.template.parts if "#" not in part.path]
    more = [path for path in own if path not in other]
    less = [path for path in other if path not in own]
    count, usual = (len(g.instance.inputs) for g in (group, first))
    if count != usual and not group.template.instance.scope.arguments:
        return [f"{base}Of{count}"]
    if len(more) == 1 and not less and not more[0].rpartition(".")[2].isdigit():
        return [f"{base}With{camel(more[0])}"]
    if len(less) == 1 and not more and not less[0].rpartition(".")[2].isdigit():
        return [f"{base}Without{camel(less[0])}"]
    return []


def _places(base: str, group: ModuleClass) -> list[str]:
    """Names by place, where all instances have one last name: `Out5`, `BifpnCell0`."""
    own = {module.rpartition(".")[2] for module in group.modules}
    if len(own) != 1:
        return []
    last = own.pop()
    place = camel(last)
    options = [place if place.startswith(base.removesuffix(NODE)) else base + place]
    options.append(camel(re.sub(r"s\.(\d+)", r"-\1", group.modules[0])))
    return options


def plain_name(name: str) -> str:
    """A name that a variable can have: no number, no word of Python, nothing that is taken."""
    if name[:1].isdigit() or not name.isidentifier():
        name = f"x{name}" if f"x{name}".isidentifier() else "x"
    taken = name in taken_names() | MISLEADING or name in ("self", "torch", "math", "features")
    return f"{name}_" if taken or keyword.iskeyword(name) else name


def input_names(group: ModuleClass, outlined: Outline) -> list[str]:
    """Names that fit every instance: the spec's own, else by level."""
    if group.is_root and interface(outlined.graph).takes_image:
        return [IMAGE]
    columns = [list(instance.inputs.values()) for instance in group.instances]
    names: list[str] = []
    for i in range(len(group.instance.inputs)):
        used = {column[i] for column in columns}
        names.append(used.pop() if len(used) == 1 else _common_name(group, outlined, i, used))
    seen = {"level"} if group.is_told else set()
    for i, name in enumerate(map(plain_name, names)):
        names[i] = name if name not in seen else f"{name}_{i}"
        while names[i] in seen:
            names[i] += "_"
        seen.add(names[i])
    return names


def _common_name(group: ModuleClass, outlined: Outline, i: int, used: set[str]) -> str:
    """`in6`, `in5` as `in_l`; `in7`, `td6` as `above`."""
    relations: set[int] = set()
    for instance in group.instances:
        value = list(instance.inputs)[i]
        if value.startswith(BORROWED) or not instance.outputs:
            return f"x{i}"
        here, there = (outlined.types[v].level for v in (instance.outputs[0], value))
        relations.add((there > here) - (there < here))
    stems = {re.sub(r"\d+\Z", "", name) for name in used}
    if relations == {0} and len(stems) == 1:
        return f"{stems.pop()}_l"
    words = {1: "above", -1: "below", 0: "same"}
    return words[relations.pop()] if len(relations) == 1 else f"x{i}"
