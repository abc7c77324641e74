"""Operators, fusions and passes of one's own: what a plugin is written with.

    @operator(form=..., work=...)       a frozen dataclass derived from `Op`
    fusion("name", "operator key=word") a name for a variadic operator with its options
    @topology_pass                      a frozen dataclass derived from `Pass`

Registering checks everything that can be checked without a graph, and then adds the rows that a
built-in operator has: from there on nothing tells the two apart. Importing this module does not
import torch. docs/extending.md has an example.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import re
import symtable
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, replace
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from archgraph.analysis.work import WORK, Site
from archgraph.codegen.forms import FORMS, Constructed, Form, Texts
from archgraph.codegen.forms.form import module_call
from archgraph.codegen.snippets import ADDED, definitions_in
from archgraph.codegen.snippets import definitions as carried
from archgraph.errors import ArchgraphError, Diagnostic, PassError, SpecError, failure_of
from archgraph.expressions import parse_step
from archgraph.ir import Edge, EdgeSteps, FeatureType, Graph, Model, Node, Stage
from archgraph.ir.op import FROM_ZERO, Op, Shape, refusal
from archgraph.ir.ops import OPERATORS, VOCABULARY
from archgraph.ir.pyramid import Fuse, Input, Use
from archgraph.ir.signature import BUILTIN_NAMES, FUSIONS, make_operator, operator_fields
from archgraph.passes import PASSES, Pass, Rewrites
from archgraph.render.style import OPERATOR_MARKS
from archgraph.spec import Library

O = TypeVar("O", bound=Op)  # noqa: E741
P = TypeVar("P", bound=Pass)
# (op, types of its operands) -> how it is written.
FormOf = Callable[[Any, Sequence[FeatureType]], Form]
# (op, where it works) -> multiply-adds, elementwise operations.
WorkOf = Callable[[Any, Site], tuple[int, int]]
# Classes and functions, or a file of them.
Definitions = Path | Sequence[type | Callable[..., Any]]

KIND = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
CLASS, FUNCTION = re.compile(r"[A-Z][A-Za-z0-9]*"), re.compile(r"_[a-z][a-z0-9_]*")
# What a definition may use: generated files import these where they are needed.
IMPORTED = frozenset({"torch", "F", "nn", "Tensor", "math", "Any"})
# The Python modules that registered fusions.
FUSION_ORIGINS: dict[str, str] = {}
METHODS = ("infer", "parameters", "buffers", "size_multiple")


def operator(
    *, form: FormOf, work: WorkOf, mark: str = "", definitions: Definitions = ()
) -> Callable[[type[O]], type[O]]:
    """Register an operator: a frozen dataclass derived from `Op`.

    Args:
        form: how it is written in torch, from the operator and the types of its operands. Its
            slots hold every number that comes from the operands.
        work: its multiply-adds and elementwise operations, from the operator and its `Site`.
        mark: the word under its box in figures; its kind if not given.
        definitions: what its form calls and torch does not have: classes and functions, or the
            path of a Python file of them. Their text is copied into the generated files that
            need it. A file keeps torch from being imported where nothing runs.

    Raises:
        ArchgraphError: E140, what is registered is not what it has to be.
    """

    def register(kind: type[O]) -> type[O]:
        _check_operator(kind)
        name, texts = kind.kind, _definitions(definitions, kind.kind)
        _guard_methods(kind, f"operator '{name}'", METHODS)
        old = OPERATORS.get(name)
        if old is not None:
            FORMS.pop(old)
            WORK.pop(old)
        OPERATORS[name] = kind
        FORMS[kind] = _guarded(_complete(kind, form), f"the form of operator '{name}'")
        WORK[kind] = _guarded(work, f"the work of operator '{name}'")
        OPERATOR_MARKS[name] = mark or name
        ADDED.update(texts)
        operator_fields.cache_clear()
        return kind

    return register


def fusion(name: str, step: str) -> None:
    """Register a fusion: a name for an operator that takes any number of operands.

    Args:
        name: what `fuse:` calls it.
        step: the operator with those of its options that are fixed, such as
            `weighted-sum normalize=none`; the others stay open to whoever uses the fusion.

    Raises:
        ArchgraphError: E140, what is registered is not what it has to be.
    """
    what = f"fusion '{name}'"
    _check_name(name, what, FUSIONS.get(name) == parse_step(step))
    meaning = parse_step(step)
    if meaning.use not in OPERATORS or OPERATORS[meaning.use].arity[1] is not None:
        many = [kind for kind, op in OPERATORS.items() if op.arity[1] is None]
        hint = f"name one of {', '.join(many)}, or register your own first"
        _refuse(f"{what} means '{step}'; expected an operator of any number of operands", hint)
    known = operator_fields(meaning.use)
    values: dict[str, Any] = {}
    for argument in meaning.arguments:
        words = argument.key not in known or known[argument.key][1]
        try:
            values[argument.key] = argument.text if words else ast.literal_eval(argument.text)
        except (ValueError, SyntaxError):
            _refuse(f"'{argument.key}' of {what} is '{argument.text}'; expected a number")
    needed = {key for key, (_, _, required) in known.items() if required}
    try:
        make_operator(meaning.use, dict.fromkeys(needed, 1) | values, None)
    except SpecError as error:
        _refuse(f"{what}: {error.diagnostics[0].message}", error.diagnostics[0].hint)
    FUSIONS[name] = meaning
    FUSION_ORIGINS[name] = sys._getframe(1).f_globals.get("__name__", "")


def topology_pass(kind: type[P]) -> type[P]:
    """Register a pass on topologies: a frozen dataclass derived from `Pass`, at stage PYRAMID.

    Raises:
        ArchgraphError: E140, what is registered is not what it has to be.
    """
    what = f"pass '{_name_of(kind, Pass, 'name')}'"
    hints = _check_dataclass(kind, what)
    if not KIND.fullmatch(kind.name):
        _refuse(f"{what} is no name", "small letters and digits, words joined by '-'")
    if kind.name in PASSES and not _same(PASSES[kind.name], kind):
        _refuse(f"{what}: there is one already", "choose another name")
    if getattr(kind, "stage", None) is not Stage.PYRAMID:
        _refuse(f"{what} is not at PYRAMID", "write: stage: ClassVar[Stage] = Stage.PYRAMID")
    for field in fields(kind):
        if field.name != "location" and hints[field.name] is not int:
            _refuse(f"option '{field.name}' of {what} is no int", "options are whole numbers >= 1")
    _guard_methods(kind, what, ("rewrite",))
    PASSES[kind.name] = kind
    return kind


# --- checks ----------------------------------------------------------------------------------


def _refuse(message: str, hint: str = "") -> NoReturn:
    raise ArchgraphError(Diagnostic("E140", message, None, hint))


def _name_of(kind: Any, base: type, attribute: str) -> str:
    """The name under which a class wants to be registered."""
    if not (isinstance(kind, type) and issubclass(kind, base)):
        shown = getattr(kind, "__name__", repr(kind))
        _refuse(f"'{shown}' is not derived from {base.__name__}", f"class ...({base.__name__})")
    name = vars(kind).get(attribute)
    if not isinstance(name, str):
        hint = f'write in the class: {attribute}: ClassVar[str] = "..."'
        _refuse(f"class {kind.__name__} has no '{attribute}'", hint)
    return name


def _check_dataclass(kind: type[Op] | type[Pass], what: str) -> Mapping[str, Any]:
    """Refuse what is no frozen dataclass; the types of the fields."""
    frozen = "__dataclass_params__" in vars(kind) and vars(kind)["__dataclass_params__"].frozen
    if not frozen or kind.__hash__ is None:
        _refuse(f"{what} is no frozen dataclass", "write @dataclass(frozen=True) directly above it")
    try:
        return get_type_hints(kind)
    except (NameError, TypeError, SyntaxError) as error:
        _refuse(f"the types of {what} are not known: {error}", "import them where the class stands")


def _check_name(name: str, what: str, again: bool) -> None:
    """Refuse a name that is malformed, or taken by anything but an earlier self."""
    if not KIND.fullmatch(name) or name == "none":
        _refuse(f"{what} is no name", "small letters and digits, words joined by '-'")
    if again:
        return
    if name in BUILTIN_NAMES or name in VOCABULARY or name in FUSIONS:
        _refuse(f"{what}: the name is taken", "choose another name")
    if name in Library(search=()).names():
        _refuse(f"{what}: a document of the library has this name", "choose another name")


def _check_operator(kind: type[Op]) -> None:
    name = _name_of(kind, Op, "kind")
    what = f"operator '{name}'"
    _check_name(name, what, name in OPERATORS and _same(OPERATORS[name], kind))
    hints = _check_dataclass(kind, what)
    for field in fields(kind):
        _check_field(field, hints[field.name], what)
    arity: Any = kind.arity
    match arity:
        case (int(least), int() | None as most) if least >= 1 and (most is None or most >= least):
            if kind.ports and (least, most) != (len(kind.ports), len(kind.ports)):
                hint = "ports name all operands of an operator that takes a fixed number"
                _refuse(f"{what} takes {arity} operands and names {len(kind.ports)}", hint)
        case _:
            _refuse(f"the arity of {what} is {arity!r}", "(smallest, largest or None), from 1 on")


def _check_field(field: Field[Any], hint: Any, what: str) -> None:
    words = get_args(hint) if get_origin(hint) is Literal else ()
    ours = f"field '{field.name}' of {what}"
    if words and not all(isinstance(word, str) for word in words):
        _refuse(f"{ours} allows what is no word", 'write Literal["one", "other"]')
    if not words and hint not in (int, float, bool):
        _refuse(f"{ours} is {hint}; expected int, float, bool or a Literal of words")
    if field.default_factory is not MISSING or not field.init or field.name.startswith("_"):
        _refuse(f"{ours} cannot be written in a step", "give it a name and a plain default")
    if field.default is MISSING:
        return
    fits = field.default in words if words else type(field.default) is hint
    if not fits:
        _refuse(f"the default of {ours} is {field.default!r}, which it may not be")


def _same(old: type, new: type) -> bool:
    """Whether a class is an earlier one, written anew: a cell of a notebook that runs again."""
    return (old.__module__, old.__qualname__) == (new.__module__, new.__qualname__)


# --- definitions -----------------------------------------------------------------------------


def _definitions(given: Definitions, owner: str) -> Mapping[str, str]:
    """The texts of definitions by name, checked."""
    what = f"a definition of operator '{owner}'"
    try:
        texts = [given.read_text("utf-8")] if isinstance(given, Path) else map(_source, given)
        found: dict[str, str] = {}
        for each in texts:
            if any(getattr(node, "decorator_list", ()) for node in ast.parse(each).body):
                _refuse(f"{what} has a decorator, which would not be copied", "do without it")
            found |= definitions_in(each)
    except (OSError, TypeError, SyntaxError, UnicodeDecodeError) as error:
        hint = "classes and functions that stand in a file, or the path of a Python file"
        _refuse(f"{what} cannot be read: {error}", hint)
    for name, text in found.items():
        _check_definition(name, text, found, what)
    return found


def _source(given: type | Callable[..., Any]) -> str:
    return textwrap.dedent(inspect.getsource(given))


def _check_definition(name: str, text: str, beside: Mapping[str, str], what: str) -> None:
    is_class = text.startswith("class ")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            _refuse(f"{what}, '{name}', imports something", "import it at the head of its file")
    if not (CLASS if is_class else FUNCTION).fullmatch(name):
        hint = "classes are called LikeThis and functions _like_this: no node has such a name"
        _refuse(f"{what} is called '{name}'", hint)
    if carried().get(name, text) != text:
        _refuse(f"{what} is called '{name}', and so is another one", "choose another name")
    known = IMPORTED | set(beside) | set(carried()) | set(vars(builtins)) | {"__class__"}
    unknown = sorted(set(_globals(symtable.symtable(text, name, "exec"))) - known)
    if unknown:
        hint = "definitions use torch, nn, F, Tensor, math, Any and one another, imported or not"
        _refuse(f"{what}, '{name}', uses '{unknown[0]}'", hint)


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    """The names that a text uses and does not make."""
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        made = symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
        if symbol.is_referenced() and (not made if top else symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _globals(child)


# --- what a plugin's code raises ---------------------------------------------------------------


def _guard_methods(kind: type, what: str, methods: Sequence[str]) -> None:
    for method in methods:
        if method in vars(kind):
            setattr(kind, method, _guarded(vars(kind)[method], f"'{method}' of {what}"))


def _guarded(function: Callable[..., Any], what: str) -> Callable[..., Any]:
    """A function whose mistakes are told as those of the plugin, not of archgraph."""

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except ArchgraphError:
            raise
        except Exception as error:
            hint = "this is a bug of the plugin that registers it"
            message = f"{what} fails: {failure_of(error)}"
            raise ArchgraphError(Diagnostic("E142", message, None, hint)) from error

    return call


def _complete(kind: type[Op], form: FormOf) -> FormOf:
    """A form whose structure says its operator and every field that is no slot."""

    @functools.wraps(form)
    def complete(op: Op, inputs: Sequence[FeatureType]) -> Form:
        found = form(op, inputs)
        rest = [(f.name, getattr(op, f.name)) for f in fields(op) if f.name not in found.slots]
        return replace(found, structure=(kind.kind, *found.structure, *rest))

    return complete


__all__ = [
    "FROM_ZERO",
    "Constructed",
    "Edge",
    "EdgeSteps",
    "FeatureType",
    "Form",
    "Fuse",
    "Graph",
    "Input",
    "Model",
    "Node",
    "Op",
    "Pass",
    "PassError",
    "Rewrites",
    "Shape",
    "Site",
    "Stage",
    "Texts",
    "Use",
    "fusion",
    "module_call",
    "operator",
    "refusal",
    "topology_pass",
]
