"""What a generated file may contain at all, whatever spec it comes from.

A whitelist over the syntax tree, written down here and not derived from the printer: kinds of
nodes, imports, names that may be read, bound and called, attributes of every namespace, and the
places in which a text may stand. Definitions that are copied from the prelude word for word are
ordinary code of this package and pass as they are.
"""

from __future__ import annotations

import ast
import io
import keyword
import math
import re
import tokenize
import unicodedata
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import archgraph.codegen
from archgraph.spec.names import MODULE_ATTRIBUTES
from tests.codegen.source_shapes import (
    NAME,
    bound_names,
    is_fact,
    is_initial,
    is_key,
    is_levels,
    is_names,
    of_self,
    unpacked,
)

NODES = (
    *(ast.Module, ast.Import, ast.ImportFrom, ast.alias, ast.ClassDef, ast.FunctionDef),
    *(ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Delete),
    *(ast.For, ast.If, ast.Expr, ast.Raise, ast.Call, ast.keyword, ast.Starred, ast.Name),
    *(ast.Attribute, ast.Subscript, ast.Slice, ast.Constant, ast.Tuple, ast.List, ast.Dict),
    *(ast.ListComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.IfExp, ast.BinOp),
    *(ast.UnaryOp, ast.BoolOp, ast.Compare, ast.JoinedStr, ast.FormattedValue),
    *(ast.Load, ast.Store, ast.Del, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)
IMPORTS = frozenset(
    {
        "from __future__ import annotations",
        "from typing import Any",
        "from collections.abc import Sequence",
        "import math",
        "import torch",
        "import torch.nn.functional as F",
        "from torch import Tensor, nn",
    }
)
CALLED_BUILTINS = frozenset(
    """ValueError abs enumerate float int len list max min range reversed round sum tuple
    zip""".split()
)
READ_BUILTINS = CALLED_BUILTINS | {"bool", "dict", "str"}
METHODS = frozenset({"__init__", "forward"})
# What a file may call or read in each namespace.
NAMESPACES = {
    "math": frozenset("ceil floor log2 sqrt".split()),
    "nn": frozenset(
        """AdaptiveAvgPool2d AdaptiveMaxPool2d AvgPool2d BatchNorm2d Conv2d ConvTranspose2d
        Dropout Dropout2d GELU GroupNorm Hardsigmoid Hardswish Hardtanh Identity LayerNorm
        LeakyReLU Linear MaxPool2d Mish Module ModuleDict ModuleList MultiheadAttention Parameter
        PixelShuffle PixelUnshuffle ReLU ReLU6 Sequential SiLU Sigmoid Softmax Softplus Tanh
        Upsample ZeroPad2d""".split()
    ),
    "F": frozenset(
        """adaptive_avg_pool2d adaptive_max_pool2d avg_pool2d batch_norm conv2d conv_transpose2d
        dropout dropout2d elu gelu grid_sample group_norm hardsigmoid hardswish hardtanh
        interpolate layer_norm leaky_relu linear logsigmoid max_pool2d mish normalize pad
        pixel_shuffle pixel_unshuffle prelu relu relu6 scaled_dot_product_attention selu sigmoid
        silu softmax softplus tanh unfold""".split()
    ),
    "torch": frozenset(
        """Size Tensor amax amin arange cat chunk cos div exp full linspace maximum mean meshgrid
        minimum mul ones promote_types rand_like relu sigmoid sin softmax split sqrt stack sum tanh
        zeros float32 float64""".split()
    ),
    "Tensor": frozenset(),
}
# Of anything that is neither a namespace nor `self`.
TENSOR_ATTRIBUTES = frozenset(
    """amax amin chunk contiguous device dtype exp expand expand_as flatten mean narrow new_full
    new_ones new_zeros permute reshape shape sigmoid size softmax split sqrt squeeze sum tanh to
    transpose type_as unflatten unsqueeze view""".split()
)
# Of a mapping from level to map.
MAPPING = frozenset({"items"})
BASES = frozenset({"nn.Module", "nn.Sequential", "nn.ModuleList", "nn.ModuleDict", "nn.Conv2d"})
# Texts that say how an operator works.
WORDS = frozenset(
    """area bicubic bilinear border circular constant floor ij max mean nearest nearest-exact none
    reflect replicate same sum tanh trunc zeros""".split()
)
COMMENT = re.compile(r"# (?! *(?:type|noqa|fmt|pragma|mypy|ruff)(?::|\s|$))[^\n]*\Z")
CODING = re.compile(r"[ \t\f]*#.*?coding[:=]")
SENTENCE = re.compile(r"[A-Za-z0-9_ ,.:;()*+/=<>'-]*\Z")


def strange(text: str) -> list[str]:
    """Everything in a generated file that may not stand there; empty when all is well."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = ast.parse(text)
            compile(text, "generated.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, Warning) as error:
        return [f"does not compile: {error}"]
    return [*_strange_characters(text), *_Checker(tree).found]


@cache
def _prelude() -> dict[str, str]:
    """The definitions that a file may copy, by name."""
    folder = Path(archgraph.codegen.__file__).parent
    files = [*folder.glob("prelude*.py"), *folder.glob("prelude/*.py")]
    trees = [ast.parse(path.read_text("utf-8")) for path in files]
    found = [n for t in trees for n in t.body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    return {definition.name: ast.dump(definition) for definition in found}


def _strange_characters(text: str) -> Iterator[str]:
    """Characters that cannot be seen or that turn the reading order, and odd comments."""
    for character in sorted(set(text) - {"\n"}):
        if not character.isprintable() or unicodedata.category(character).startswith("C"):
            yield f"character {character!r}"
    if any(CODING.match(line) for line in text.split("\n")[:2]):
        yield "an encoding declaration"
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not COMMENT.match(token.string):
            yield f"comment {token.string!r}"


def _docstring(body: list[ast.stmt]) -> ast.stmt | None:
    first = body[0] if body else None
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return first if is_text and isinstance(first.value.value, str) else None  # type: ignore[union-attr]


class _Checker:
    """Walks a file and collects what is not on the list."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[str] = []
        self.known = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        self.defined: set[str] = set()
        self.bound: set[str] = set()
        self.loops: set[str] = set()
        body = tree.body[1:] if _docstring(tree.body) else tree.body
        for node in body:
            self._top(node)

    def note(self, what: str, node: ast.AST) -> None:
        line = getattr(node, "lineno", 0)
        self.found.append(f"line {line}: {what}: {ast.unparse(node)[:80]}")

    # --- the file and its definitions ------------------------------------------------------

    def _top(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            if ast.unparse(node) not in IMPORTS:
                self.note("import", node)
            return
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            self.note("statement outside of definitions", node)
            return
        if node.name in self.known | self.defined | READ_BUILTINS or not self._fit(node.name):
            self.note("name of a definition", node)
        self.defined.add(node.name)
        if _prelude().get(node.name) == ast.dump(node):
            return
        if node.decorator_list or getattr(node, "keywords", []):
            self.note("decorator or keyword of a definition", node)
        if isinstance(node, ast.ClassDef):
            self._class(node)
        else:
            self._function(node)

    def _class(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            if ast.unparse(base) not in BASES | (self.defined - {node.name}):
                self.note("base", base)
        body = node.body[1:] if _docstring(node.body) else node.body
        for each in body:
            if isinstance(each, ast.FunctionDef) and each.name in METHODS:
                self._function(each)
            elif isinstance(each, ast.Assign | ast.AnnAssign) and each.value is not None:
                self._fact(each, each.value)
            else:
                self.note("in a class", each)

    def _fact(self, node: ast.Assign | ast.AnnAssign, value: ast.expr) -> None:
        """A class attribute: numbers, or the digest of the spec."""
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [t.id for t in targets if isinstance(t, ast.Name)]
        if len(names) != len(targets) or not all(map(self._fit, names)):
            self.note("class attribute", node)
        try:
            literal = ast.literal_eval(value)
        except ValueError:
            self.note("value of a class attribute", node)
            return
        if isinstance(literal, str):
            if names != ["spec_hash"] or not re.fullmatch(r"[0-9a-f]{16,64}", literal):
                self.note("text of a class attribute", node)
            return
        if not is_fact(literal):
            self.note("value of a class attribute", node)

    def _function(self, node: ast.FunctionDef) -> None:
        if node.decorator_list:
            self.note("decorator", node)
        self.bound, self.loops = bound_names(node)
        for name in sorted(self.bound):
            if not self._fit(name) and name != "_":
                self.note(f"name {name!r} bound", node)
        arguments = node.args
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is not None:
                self._expression(default)
        for argument in ast.walk(arguments):
            if isinstance(argument, ast.arg) and argument.annotation is not None:
                self._annotation(argument.annotation)
        if node.returns is not None:
            self._annotation(node.returns)
        body = node.body[1:] if _docstring(node.body) else node.body
        for each in body:
            self._statement(each)

    def _fit(self, name: str) -> bool:
        return bool(NAME.match(name)) and not keyword.iskeyword(name)

    def _annotation(self, node: ast.expr) -> None:
        allowed = {*"Tensor Any Sequence int float bool str list tuple dict".split(), *self.defined}
        for each in ast.walk(node):
            if (
                (isinstance(each, ast.Name) and each.id not in allowed | {"nn"})
                or (isinstance(each, ast.Attribute) and ast.unparse(each) != "nn.Module")
                or (isinstance(each, ast.Constant) and each.value not in (None, ...))
                or isinstance(each, ast.Call)
            ):
                self.note("annotation", node)

    # --- statements ------------------------------------------------------------------------

    def _statement(self, node: ast.stmt) -> None:
        if is_initial(node) or is_levels(node):
            return
        if not isinstance(node, NODES):
            self.note("statement", node)
        if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call):
            self.note("expression as a statement", node)
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
            self.note("definition or import inside a function", node)
            return
        if isinstance(node, ast.Raise):
            self._raise(node)
            return
        self.loops |= unpacked(node)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                self._statement(child)
            elif isinstance(node, ast.AnnAssign) and child is node.annotation:
                self._annotation(node.annotation)
            elif isinstance(child, ast.expr):
                self._expression(child)
        if isinstance(node, ast.Delete) and not all(isinstance(t, ast.Name) for t in node.targets):
            self.note("delete", node)

    def _raise(self, node: ast.Raise) -> None:
        """A size that a network cannot take: one sentence of this package, with numbers in it."""
        call = node.exc
        if node.cause is not None or not isinstance(call, ast.Call):
            self.note("raise", node)
            return
        if ast.unparse(call.func) != "ValueError" or call.keywords:
            self.note("raise", node)
        for argument in call.args:
            parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
            for part in parts:
                if isinstance(part, ast.FormattedValue):
                    self._expression(part.value)
                elif not isinstance(part, ast.Constant) or not SENTENCE.match(str(part.value)):
                    self.note("text of an exception", node)

    # --- expressions -----------------------------------------------------------------------

    def _expression(self, node: ast.expr) -> None:
        if not isinstance(node, NODES) or isinstance(node, ast.JoinedStr):
            self.note("expression", node)
        match node:
            case ast.Constant():
                self._constant(node)
            case ast.Name():
                self._name(node)
            case ast.Attribute():
                self._attribute(node)
                return
            case ast.Call():
                self._call(node)
                return
            case ast.Subscript(value=value, slice=ast.Constant(value=str() as key)):
                if not ((NAME.match(key) or key.isdecimal()) and of_self(value)):
                    self.note("text as an index", node)
                self._expression(value)
                return
            case ast.Dict(keys=keys):
                for each in keys:
                    if isinstance(each, ast.Subscript):  # a name that the constructor is given
                        self._expression(each)
                        continue
                    key = str(each.value) if isinstance(each, ast.Constant) else ""
                    if not NAME.match(key) and not key.isdecimal():  # a step of a chain
                        self.note("key of a mapping", node)
                for value in node.values:
                    self._expression(value)
                return
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._expression(child)
            elif isinstance(child, ast.comprehension):
                for part in (child.target, child.iter, *child.ifs):
                    if not is_names(part):  # the levels of a mapping
                        self._expression(part)

    def _constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, str):
            if value not in WORDS:
                self.note("text", node)
        elif value is None or value is ...:
            return
        elif not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 1e12:
            self.note("constant", node)

    def _name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and node.id not in (
            self.bound | self.defined | self.known | READ_BUILTINS
        ):
            self.note("name", node)

    def _attribute(self, node: ast.Attribute) -> None:
        owner = node.value
        name = owner.id if isinstance(owner, ast.Name) else ""
        if isinstance(node.ctx, ast.Store) and name != "self":
            self.note("attribute set", node)
        if name in NAMESPACES:
            if node.attr not in NAMESPACES[name] or name not in self.known - self.bound:
                self.note(f"of '{name}'", node)
            return
        if ast.unparse(owner) == "super()":
            if node.attr not in METHODS:
                self.note("of super()", node)
            return
        own = (
            (name == "self" or of_self(owner))
            and bool(NAME.match(node.attr))
            and node.attr not in MODULE_ATTRIBUTES
        )
        if not own and node.attr not in TENSOR_ATTRIBUTES | MAPPING:
            self.note("attribute", node)
        self._expression(owner)

    def _call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Name):
            self._called_name(function)
        elif isinstance(function, ast.Attribute):
            self._attribute(function)
        elif isinstance(function, ast.Subscript) and of_self(function):
            self._expression(function)
        else:
            self.note("call", node)
        own = of_self(function) or ast.unparse(function) in self.loops
        for argument in [*node.args, *(given.value for given in node.keywords)]:
            if not is_names(argument) and not (own and is_key(argument)):
                self._expression(argument)

    def _called_name(self, function: ast.Name) -> None:
        """Classes and functions of the file, a few builtins, modules of loops and arguments."""
        name = function.id
        if name == "super" and "super" not in self.bound:
            return
        fixed = (self.defined | CALLED_BUILTINS) - self.bound
        if name not in fixed | self.loops:
            self.note("call of", function)
