"""What steps are given and give: operands, results, paths, and what they see around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from archgraph.errors import Diagnostic, Location, SpecError
from archgraph.expressions import (
    Argument,
    Expression,
    Names,
    Scalar,
    Step,
    expand_template,
    parse_expression,
    scalar_text,
)
from archgraph.ir import NUMBER, Settings
from archgraph.ir.settings import INHERIT

# What a step reads: for which input (empty: the only one, or the next of many), which value.
Operands = Sequence[tuple[str, str]]
# What a step gives: the one value under the empty name, or its results by name.
Results = Mapping[str, str]
# The name of the input that is only measured; edges that change the level give it.
LIKE = "like"
MAX_REPEAT = 10_000


@dataclass(frozen=True)
class Path:
    """Where something stands: the path by which it is called, and the one of its weights."""

    call: str
    module: str

    def child(self, name: str, share: str = "") -> Path:
        """Something inside; `share` is the name of its weights, by default its own."""
        call = f"{self.call}.{name}" if self.call else name
        return Path(call, f"{self.module}.{share or name}" if self.module else share or name)


ROOT = Path("", "")


@dataclass(frozen=True)
class Context:
    """What a step sees besides its operands: names, inherited settings, where it stands.

    `scope` is the block instance or node that it belongs to; `owner` is where weights live that
    steps share by name. `override` are the settings written where a block is used, which count
    before the block's own. `like` is the value whose size an `up` step takes; `aliases` are the
    names under which the node knows values from outside, which become the names of edges. Weights
    of the inherited steps in `own` end in `key`, so that each call of shared weights has its own.
    """

    names: Names
    settings: Settings
    scope: str
    location: Location | None
    override: Settings = INHERIT
    like: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    depth: int = 0
    owner: str = ""
    own: tuple[str, ...] = ()
    key: str = ""


def single(results: Results, step: Step, context: Context) -> str:
    """The one result of a step.

    Raises:
        SpecError: E220, it has several.
    """
    if "" in results:
        return results[""]
    message = f"'{step.use}' has the results {', '.join(results)}, of which one is needed here"
    hint = f"give it a node of its own and read 'node.{next(iter(results))}'"
    raise SpecError(Diagnostic("E220", message, step.location or context.location, hint))


def repeats(count: Expression, names: Names) -> int:
    """How often a step is repeated.

    Raises:
        SpecError: E113, not a whole number from 0 to 10,000.
    """
    value = count.evaluate(names)
    if isinstance(value, bool) or value != int(value) or not 0 <= value <= MAX_REPEAT:
        message = f"'repeat' is {scalar_text(value)}; expected a whole number"
        message += f" from 0 to {MAX_REPEAT:,}"
        raise count.error("E113", message)
    return int(value)


def with_first(step: Step) -> tuple[Argument, ...]:
    """The arguments of the first repetition of a step."""
    first = {argument.key: argument for argument in step.first}
    kept = tuple(argument for argument in step.arguments if argument.key not in first)
    return (*kept, *step.first)


def evaluate_argument(argument: Argument, kind: str, names: Names) -> Scalar | str:
    """The value of a step's argument: an expression for a number, a template for a word."""
    if kind == NUMBER:
        return parse_expression(argument.text, argument.location).evaluate(names)
    return expand_template(argument.text, names, argument.location)


def placed(error: SpecError, where: Location | None) -> SpecError:
    """The same mistakes, placed at `where` if they have no place yet."""
    return SpecError([replace(d, location=d.location or where) for d in error.diagnostics])
