"""Numbers and conditions of a spec: parsed once, bounded, evaluated or bound to known names.

The grammar is Python's, cut down to a whitelist: numbers, `true`, `false`, names, `x.channels`,
`+ - * / // % **`, comparisons, `and or not`, `a if c else b`, and calls of `min max abs round
floor ceil sqrt log2 multiple` and of the functions a document declares under `let`. `round` is
half to even; `multiple(v, n)` is the nearest multiple of n, ties up, at least n. Length, size,
depth, exponents and results are bounded, so that no text can take unbounded time or memory.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions.grammar import (
    BINARY,
    BUILTINS,
    COMPARE,
    CONSTANTS,
    MAX_CALLS,
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_VALUE,
    UNARY,
    Scalar,
    unknown_hint,
)

Attributes = Mapping[str, Scalar]


@dataclass(frozen=True)
class Table:
    """Numbers by level, read by calling: `in_channels(4)`."""

    entries: Mapping[int, Scalar]


@dataclass(frozen=True)
class Function:
    """A function declared under `let`; its body sees its parameters and earlier names only."""

    parameters: tuple[str, ...]
    body: Expression
    names: Names = field(compare=False)


# A word is the value of a parameter that holds a step; it can be inserted into text with
# <name>, and is no number.
Value = Scalar | str | Attributes | Table | Function
Names = Mapping[str, Value]


@dataclass(frozen=True)
class Expression:
    """A parsed expression. Two are equal when their canonical texts are equal.

    `text` is canonical. `location` is where the text stands; with `exact` the span is that of
    the parsed text itself, so that an error inside can be placed to the character.
    """

    text: str
    tree: ast.expr = field(compare=False, repr=False)
    location: Location | None = field(default=None, compare=False, repr=False)
    exact: bool = field(default=False, compare=False, repr=False)

    def evaluate(self, names: Names) -> Scalar:
        """The value under `names`.

        Raises:
            SpecError: an unknown name, a division by zero, a value out of bounds, or a word
                where a number is needed; placed inside the expression.
        """
        return _Evaluator(self, names, _Budget()).value(self.tree)

    def bind(self, names: Names) -> Expression:
        """The same expression with every name of `names` replaced by its value.

        What becomes constant is folded; names that are not in `names` stay. Calls of declared
        functions are written out, so the result stands on its own.
        """
        bound = _from_tree(
            _Binder(self, names, _Budget(), self.tree).visit(self.tree), self.location
        )
        if len(bound.text) > MAX_LENGTH:
            raise self.error("E304", f"'{self.text}' written out is too long")
        return bound

    @property
    def names(self) -> frozenset[str]:
        """The names the expression reads, functions included, constants left out."""
        found = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        return frozenset(found - set(CONSTANTS) - set(BUILTINS))

    @property
    def constant(self) -> Scalar | None:
        """The value of an expression that is a plain literal, else None."""
        node = self.tree
        if isinstance(node, ast.Name):
            return CONSTANTS.get(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            node = node.operand
            if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
                return -node.value
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return node.value
        return None

    def error(
        self, code: str, message: str, node: ast.AST | None = None, hint: str = ""
    ) -> SpecError:
        """A SpecError placed at `node`, or at the whole expression."""
        where = self.location
        start = getattr(node, "col_offset", None)
        end = getattr(node, "end_col_offset", None)
        if where is not None and self.exact and isinstance(start, int) and isinstance(end, int):
            where = where.narrowed(start, end - start)
        return SpecError(Diagnostic(code, message, where, hint))


def scalar_text(value: Scalar) -> str:
    """A number or truth value as the language writes it: `3`, `0.001`, `true`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def _from_tree(tree: ast.expr, location: Location | None) -> Expression:
    return Expression(ast.unparse(tree), tree, location)


class _Budget:
    """How many calls of declared functions are left, in all and inside one another."""

    def __init__(self) -> None:
        self.calls = MAX_CALLS
        self.depth = MAX_DEPTH

    @contextmanager
    def call(self, expression: Expression, node: ast.expr) -> Iterator[None]:
        """Spend one call; functions that call others twice would double the work each time."""
        self.calls -= 1
        self.depth -= 1
        if self.depth < 0:
            raise expression.error("E304", "calls are nested too deeply", node)
        if self.calls < 0:
            raise expression.error("E304", "there are too many calls", node)
        try:
            yield
        finally:
            self.depth += 1


class _Evaluator:
    """Evaluates one tree; every intermediate value is checked against the bounds."""

    def __init__(self, expression: Expression, names: Names, budget: _Budget) -> None:
        self.expression = expression
        self.names = names
        self.budget = budget

    def value(self, node: ast.expr) -> Scalar:
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.Name():
                return self._name(node)
            case ast.Attribute(value=ast.Name() as owner):
                return self._attribute(owner, node)
            case ast.BinOp():
                return self._apply(node, BINARY[type(node.op)], node.left, node.right)
            case ast.UnaryOp():
                return self._apply(node, UNARY[type(node.op)], node.operand)
            case ast.Compare():
                return self._compare(node)
            case ast.BoolOp(op=ast.And()):
                return all(self.value(part) for part in node.values)
            case ast.BoolOp():
                return any(self.value(part) for part in node.values)
            case ast.IfExp():
                return self.value(node.body if self.value(node.test) else node.orelse)
            case ast.Call(func=ast.Name() as function):
                return self._call(function, node)
            case _:
                raise self.expression.error("E301", "not an expression", node)

    def _compare(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for kind, part in zip(node.ops, node.comparators, strict=True):
            right = self.value(part)
            if not COMPARE[type(kind)](left, right):
                return False
            left = right
        return True

    def _apply(self, node: ast.expr, function: Callable[..., Scalar], *parts: ast.expr) -> Scalar:
        values = [self.value(part) for part in parts]
        if function is BINARY[ast.Pow] and isinstance(values[0], int):
            base, exponent = values
            if abs(base) > 1 and exponent * math.log10(abs(base)) > math.log10(MAX_VALUE):
                raise self._bounds(node)
        return self._run(node, function, values)

    def _run(self, node: ast.expr, function: Callable[..., Scalar], values: list[Scalar]) -> Scalar:
        try:
            result = function(*values)
        except ZeroDivisionError:
            text = ast.unparse(node)
            raise self.expression.error("E303", f"division by zero in '{text}'", node) from None
        except OverflowError:
            raise self._bounds(node) from None
        except ValueError as error:
            raise self.expression.error("E304", str(error), node) from None
        if not isinstance(result, bool) and not (
            math.isfinite(result) and abs(result) <= MAX_VALUE
        ):
            raise self._bounds(node)
        return result

    def _bounds(self, node: ast.expr) -> SpecError:
        text = ast.unparse(node)
        message = f"the value of '{text}' is out of bounds"
        return self.expression.error("E304", message, node, f"values stay within {MAX_VALUE:g}")

    def _lookup(self, node: ast.Name) -> Value:
        if node.id in CONSTANTS:
            return CONSTANTS[node.id]
        if node.id not in self.names:
            hint = unknown_hint(node.id, self.names)
            raise self.expression.error("E302", f"unknown name '{node.id}'", node, hint)
        return self.names[node.id]

    def _name(self, node: ast.Name) -> Scalar:
        value = self._lookup(node)
        if isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            what, hint = "holds a step, not a number", f"insert it into a word with <{node.id}>"
        elif isinstance(value, Table | Function):
            what, hint = "is read by calling it", f"write {node.id}(...)"
        else:
            what, hint = "is no number", f"write {node.id}.{next(iter(value), 'channels')}"
        raise self.expression.error("E305", f"'{node.id}' {what}", node, hint)

    def _attribute(self, owner: ast.Name, node: ast.Attribute) -> Scalar:
        value = self._lookup(owner)
        if isinstance(value, Mapping) and node.attr in value:
            return value[node.attr]
        known = value if isinstance(value, Mapping) else ()
        raise self.expression.error(
            "E302", f"'{owner.id}' has no '{node.attr}'", node, suggest(node.attr, known, "it has")
        )

    def _call(self, function: ast.Name, node: ast.Call) -> Scalar:
        values = [self.value(part) for part in node.args]
        declared = self.names.get(function.id)
        if isinstance(declared, Function):
            return self._call_declared(function.id, declared, values, node)
        if isinstance(declared, Table):
            return self._read_table(function.id, declared, values, node)
        if function.id not in BUILTINS:
            raise self.unknown(function, node)
        low, high, builtin = BUILTINS[function.id]
        if not low <= len(values) <= high:
            raise self._wrong_count(function.id, low, high, values, node)
        return self._run(node, builtin, values)

    def _wrong_count(
        self, name: str, low: int, high: int, values: list[Scalar], node: ast.Call
    ) -> SpecError:
        wanted = str(low) if low == high else f"{low} to {high}"
        message = f"{name} takes {wanted} argument{'s' * (high > 1)}, not {len(values)}"
        return self.expression.error("E305", message, node)

    def unknown(self, function: ast.Name, call: ast.Call) -> SpecError:
        """A call of something that is no function."""
        known = {n for n, v in self.names.items() if isinstance(v, Function | Table)}
        hint = suggest(function.id, known | set(BUILTINS), "functions")
        message = f"unknown function '{function.id}'"
        return self.expression.error("E302", message, call, hint)

    def _call_declared(
        self, name: str, function: Function, values: list[Scalar], node: ast.Call
    ) -> Scalar:
        if len(values) != len(function.parameters):
            count = len(function.parameters)
            raise self._wrong_count(name, count, count, values, node)
        names = {**function.names, **dict(zip(function.parameters, values, strict=True))}
        with self.budget.call(self.expression, node):
            return _Evaluator(function.body, names, self.budget).value(function.body.tree)

    def _read_table(self, name: str, table: Table, values: list[Scalar], node: ast.Call) -> Scalar:
        if len(values) != 1:
            raise self._wrong_count(name, 1, 1, values, node)
        if values[0] in table.entries:
            return table.entries[int(values[0])]
        hint = f"{name} has values for {', '.join(map(str, table.entries))}"
        message = f"{name}({scalar_text(values[0])}) has no value"
        raise self.expression.error("E302", message, node, hint)


class _Binder(ast.NodeTransformer):
    """Replaces known names by their values and folds what became constant."""

    def __init__(
        self, expression: Expression, names: Names, budget: _Budget, top: ast.expr | None = None
    ) -> None:
        self.expression = expression
        self.known = names
        self.budget = budget
        self.top = top

    def visit(self, node: ast.AST) -> ast.expr:
        assert isinstance(node, ast.expr)
        free = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if free - set(CONSTANTS) - set(BUILTINS) - set(self.known):
            return self._partly(node)
        try:
            return _literal(_Evaluator(self.expression, self.known, self.budget).value(node))
        except SpecError as error:
            # Inside a larger expression this part may never be reached: `n == 0 or 1 / n > 2`.
            # A wrong name is wrong all the same.
            bad_value = error.diagnostics[0].code in ("E303", "E304")
            if not bad_value or node is self.top or isinstance(node, ast.Name):
                raise
            return self._partly(node)

    def _partly(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            function = self.known.get(node.func.id)
            if function is None and node.func.id not in BUILTINS:
                raise _Evaluator(self.expression, self.known, self.budget).unknown(node.func, node)
            arguments = [self.visit(argument) for argument in node.args]
            if isinstance(function, Function) and len(arguments) == len(function.parameters):
                with self.budget.call(self.expression, node):
                    return self._inline(function, arguments)
            if isinstance(function, Table) and len(arguments) == 1:
                return _table_as_choice(function, arguments[0])
            return ast.Call(node.func, arguments, [])
        if isinstance(node, ast.IfExp):
            return self._choose(node)
        copy = type(node)(**dict(ast.iter_fields(node)))
        for name, child in ast.iter_fields(node):
            if isinstance(child, ast.expr):
                setattr(copy, name, self.visit(child))
            elif isinstance(child, list) and child and isinstance(child[0], ast.expr):
                setattr(copy, name, [self.visit(part) for part in child])
        return copy

    def _choose(self, node: ast.IfExp) -> ast.expr:
        test = self.visit(node.test)
        decided = _from_tree(test, None).constant
        if decided is not None:
            return self.visit(node.body if decided else node.orelse)
        return ast.IfExp(test, self.visit(node.body), self.visit(node.orelse))

    def _inline(self, function: Function, arguments: list[ast.expr]) -> ast.expr:
        outer = {k: v for k, v in function.names.items() if k not in function.parameters}
        body = _Binder(function.body, outer, self.budget).visit(function.body.tree)
        replaced = dict(zip(function.parameters, arguments, strict=True))
        substituted: ast.expr = _Substitution(replaced).visit(body)
        return substituted


def _table_as_choice(table: Table, key: ast.expr) -> ast.expr:
    """A table read at a level that is not known yet: `40 if l == 3 else 112 if ...`.

    A level that the table lacks has no value, which an expression can only say by failing.
    """
    choice: ast.expr = ast.BinOp(ast.Constant(0), ast.FloorDiv(), ast.Constant(0))
    for level, entry in reversed(list(table.entries.items())):
        test = ast.Compare(key, [ast.Eq()], [_literal(level)])
        choice = ast.IfExp(test, _literal(entry), choice)
    return choice


class _Substitution(ast.NodeTransformer):
    """Replaces names by whole expressions; the argument of an inlined call."""

    def __init__(self, replaced: Mapping[str, ast.expr]) -> None:
        self.replaced = replaced

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.replaced.get(node.id, node)


def _literal(value: Scalar) -> ast.expr:
    if isinstance(value, bool):
        return ast.Name(scalar_text(value), ast.Load())
    if math.copysign(1, value) < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)
