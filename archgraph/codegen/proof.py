"""The printer proves itself: printed source, run with stand-ins, gives the graph back.

The forms of the graph are evaluated node by node with stand-ins for torch, which number every
value. The printed text then runs with the same stand-ins. It must hold exactly the modules that
the graph names as weights, made with the same arguments; compute every node's value, and call
each module and function as often as the graph does; and return the outputs in their order. What
the text was printed from (scopes, classes, names) plays no part, so that no mistake of the printer
can stand on both sides.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from archgraph.codegen.initial import Start, is_closed, start_of
from archgraph.codegen.interface import Interface, facts, interface
from archgraph.codegen.reference import Reference, Wanted
from archgraph.codegen.snippets import definitions
from archgraph.codegen.standins import Module, Torch, builtins
from archgraph.codegen.symbols import Leaf, Name, Recorder, Value, shown, written
from archgraph.errors import CodegenError, Diagnostic, Location
from archgraph.ir import FeatureType, Graph, Node
from archgraph.ir.ops import Conv

if TYPE_CHECKING:
    from archgraph.codegen.source import GeneratedSource

FILE = "<printed>"
HINT = "this is a bug of archgraph, not of the spec: please report it"
# What no generated file says; a loop of which nobody knows the end comes first.
UNUSED = (ast.While, ast.Try, ast.With, ast.Global, ast.Nonlocal, ast.Yield, ast.Await)
Definition = ast.ClassDef | ast.FunctionDef


def prove(graph: Graph, types: Mapping[str, FeatureType], source: GeneratedSource) -> None:
    """Check that `source` is the graph.

    Args:
        graph: a graph at stage OPERATORS.
        types: the types of its values, in execution order, as `infer_types` gives them.
        source: what was printed from it.

    Raises:
        CodegenError: E413, with the first difference.
    """
    recorder = Recorder()
    with _refused():
        wanted = Reference(graph, types, recorder, _prelude_names(recorder)).run()
    with _refused():
        network = _built(source, recorder)
    _compare_modules(wanted, network)
    _compare_facts(graph, types, network)
    with _refused():
        inputs = [wanted.values[node.name] for node in graph.graph_inputs]
        found = _called(network, recorder, inputs, interface(graph))
    _compare_values(graph, wanted, found, recorder)


@contextmanager
def _refused() -> Iterator[None]:
    """Whatever goes wrong while a text runs is a reason to refuse it."""
    try:
        yield
    except Exception as error:
        message = f"{_line(error)}{type(error).__name__}: {error}"
        raise _difference(message) from error


def _difference(message: str, location: Location | None = None) -> CodegenError:
    text = f"the printed source is not the graph: {message}"
    return CodegenError(Diagnostic("E413", text, location, HINT))


# --- running the text ----------------------------------------------------------------------


def _built(source: GeneratedSource, recorder: Recorder) -> Module:
    """An instance of the network, its modules told their paths."""
    make = _executed(source.text, recorder).get(source.class_name)
    if not (isinstance(make, type) and issubclass(make, Module)):
        raise TypeError(f"'{source.class_name}' is no module")
    network = make()
    for path, leaf in network._leaves():
        leaf._path = path
    return network


@dataclass(frozen=True)
class Found:
    """A run of the network as the stand-ins record it."""

    outputs: Sequence[Value]
    seen: Set[int]
    calls: Mapping[int, int]


def _called(
    network: Module, recorder: Recorder, inputs: Sequence[Value], called: Interface
) -> Found:
    """The network, called once."""
    recorder.seen, recorder.calls = {value._number for value in inputs}, {}
    given = list(inputs)
    result = network(*given) if called.takes_image else network(given)
    if [id(x) for x in given] != [id(x) for x in inputs]:
        raise TypeError("the network changes the list of its inputs")
    lists = [result] if len(called.outputs) == 1 else result
    outputs: list[Value] = []
    if not isinstance(lists, list | tuple) or len(lists) != len(called.outputs):
        raise TypeError(f"the network returns no tuple of {len(called.outputs)} lists")
    for found, values in zip(lists, called.outputs.values(), strict=True):
        if not isinstance(found, list) or not all(isinstance(x, Value) for x in found):
            raise TypeError("the network returns no list of tensors")
        if len(called.outputs) > 1 and len(found) != len(values):
            raise TypeError(f"an output has {len(found)} maps, not {len(values)}")
        outputs += found
    return Found(outputs, recorder.seen, recorder.calls)


def _executed(text: str, recorder: Recorder) -> dict[str, object]:
    """The names that a file defines; what it copies from the prelude stays opaque."""
    tree = ast.parse(text)
    prelude = _prelude_names(recorder)
    names: dict[str, object] = {
        "__builtins__": builtins(Torch(recorder)),
        "__name__": FILE,
    }
    own: list[ast.stmt] = []
    defined: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, Definition):
            if statement.name in defined:
                raise ValueError(f"'{statement.name}' is defined twice")
            defined.add(statement.name)
            known = _prelude().get(statement.name)
            if known is not None and ast.dump(known) == ast.dump(statement):
                names[statement.name] = prelude[statement.name]
                continue
        own.append(statement)
    tree.body = own
    _check(tree)
    exec(compile(tree, FILE, "exec", dont_inherit=True), names)
    return names


def _check(tree: ast.Module) -> None:
    """Refuse what generated files never say, so that running one can do no harm."""
    for node in ast.walk(tree):
        if isinstance(node, UNUSED):
            raise ValueError(f"line {node.lineno}: {type(node).__name__}")
        name = ""
        match node:
            case ast.Attribute():
                name = node.attr
            case ast.Name():
                name = node.id
            case ast.ClassDef() | ast.FunctionDef():
                name = node.name
        if name.startswith("__") and name != "__init__":
            raise ValueError(f"line {getattr(node, 'lineno', 0)}: {name}")


def _prelude() -> Mapping[str, Definition]:
    """The definitions that files may carry, read as text so that torch is not imported."""
    return {name: _parsed(text) for name, text in definitions().items()}


@cache
def _parsed(text: str) -> Definition:
    (definition,) = ast.parse(text).body
    assert isinstance(definition, Definition)
    return definition


def _prelude_names(recorder: Recorder) -> dict[str, Name]:
    """What the prelude defines, as opaque as torch; what returns None only checks something."""
    return {
        name: Name(
            recorder,
            name,
            is_module=isinstance(node, ast.ClassDef),
            is_check=isinstance(node, ast.FunctionDef)
            and isinstance(node.returns, ast.Constant)
            and node.returns.value is None,
        )
        for name, node in _prelude().items()
    }


def _line(error: Exception) -> str:
    """Where in the printed text an exception came from."""
    line, trace = "", error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == FILE:
            line = f"line {trace.tb_lineno}: "
        trace = trace.tb_next
    return line


# --- comparing -----------------------------------------------------------------------------


def _compare_modules(wanted: Wanted, network: Module) -> None:
    """The same modules at the same paths, made with the same arguments."""
    leaves = dict(network._leaves())
    for path, (node, constructor) in wanted.constructors.items():
        leaf = leaves.get(path)
        if leaf is None:
            raise _difference(f"it has no module '{path}', {constructor}", node.location)
        if not constructor.allows(leaf):
            given = written(leaf._target, leaf._args, leaf._kwargs)
            message = f"module '{path}' is {given}, not {constructor}"
            raise _difference(message, node.location)
        _compare_starts(path, node, leaf)
    first: dict[int, str] = {}
    for path, leaf in network._leaves():
        if path not in wanted.constructors:
            raise _difference(f"it has a module '{path}', which the graph has not")
        if first.setdefault(id(leaf), path) != path:
            raise _difference(f"'{first[id(leaf)]}' and '{path}' are one module")


def _compare_starts(path: str, node: Node, leaf: Leaf) -> None:
    """The weights are drawn from what the graph says, and the bias starts as it says."""
    wanted, given = start_of(node.op), Start(leaf._start, leaf._bias or 0.0)
    if not isinstance(node.op, Conv):
        # A function passes by whatever is no convolution, but for those inside of it.
        given = Start(leaf._start if is_closed(leaf._target) else "", given.bias)
    if given != wanted or (leaf._bias is not None) != bool(wanted.bias):
        texts = [f"{each.helper or 'torch'} with bias {each.bias}" for each in (given, wanted)]
        message = f"module '{path}' starts as {texts[0]}, not {texts[1]}"
        raise _difference(message, node.location)


def _compare_values(graph: Graph, wanted: Wanted, found: Found, recorder: Recorder) -> None:
    """Every value is computed, nothing else is called, and the outputs stand in order."""
    for name, value in wanted.values.items():
        node, number = graph[name], value._number
        if number not in found.seen:
            raise _difference(f"nothing in it computes '{name}'", node.location)
        due, times = wanted.calls.get(number, 0), found.calls.get(number, 0)
        if times != due:
            raise _difference(f"'{name}' is computed {times} times, not {due}", node.location)
    for number in found.calls:
        if number not in wanted.calls:
            what = shown(recorder.keys[number][1])
            raise _difference(f"it calls {what} where the graph does not")
    names = {value._number: name for name, value in wanted.values.items()}
    given = [names.get(value._number, "something else") for value in found.outputs]
    expected = [
        names[wanted.values[name]._number]
        for values in interface(graph).outputs.values()
        for name in values
    ]
    if given != expected:
        raise _difference(f"it returns {', '.join(given)}, not {', '.join(expected)}")


def _compare_facts(graph: Graph, types: Mapping[str, FeatureType], network: Module) -> None:
    """What the network says of itself."""
    for name, fact in facts(graph, types).items():
        said = getattr(network, name, None)
        if said != fact:
            raise _difference(f"its {name} are {said}, not {fact}")
