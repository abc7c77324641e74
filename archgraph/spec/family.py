"""What each variant of a document sets, beside what the document gives without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from archgraph.errors import SpecError
from archgraph.expressions import Scalar
from archgraph.spec.arguments import Arguments
from archgraph.spec.documents import BackboneDocument, BlockDocument, Document
from archgraph.spec.forms import expression_of
from archgraph.spec.models import ParameterForm, SettingsModel, StepParameter, VariantModel
from archgraph.spec.parameters import REQUIRED, Bound, bind_parameters


@dataclass(frozen=True)
class Choice:
    """What a name is in one variant.

    Attributes:
        value: what counts; None where only the use of a template can tell.
        given: what the document gives where the row says nothing of this name, everything else
            in the row being as it is; None where it gives nothing.
        said: whether the row says it.
        formula: whether the document derives it, so that `given` is worth a look.
    """

    value: Scalar | str | None
    given: Scalar | str | None
    said: bool
    formula: bool

    @property
    def departs(self) -> bool:
        """Whether the row leaves what the document derives."""
        return self.said and self.formula and self.value != self.given


@dataclass(frozen=True)
class Member:
    """One variant: what each name is in it, and which settings its row says, as written."""

    name: str
    doc: str
    choices: Mapping[str, Choice]
    settings: Mapping[str, object]


def family(document: Document, arguments: Arguments) -> tuple[Member, ...]:
    """Every variant of a document, with those names that are not the same in all of them.

    Args:
        document: what has the variants.
        arguments: values from outside, which count before those of the rows.

    Raises:
        SpecError: a parameter or an expression is wrong.
    """
    found = [_member(document, arguments, name, row) for name, row in document.variants.items()]
    names = found[0].choices if found else {}
    matter = [name for name in names if _matters([each.choices[name] for each in found])]
    return tuple(
        Member(each.name, each.doc, {name: each.choices[name] for name in matter}, each.settings)
        for each in found
    )


def _member(document: Document, arguments: Arguments, name: str, row: VariantModel) -> Member:
    bound = _bound(document, arguments, row)
    choices: dict[str, Choice] = {}
    for key, formula in _names(document):
        value = given = _value(bound, key)
        said = key in row.values and key not in arguments
        if said:
            given = _value(bind_parameters(document, arguments, row.without(key)), key)
        choices[key] = Choice(value, given, said, formula)
    return Member(name, row.doc.strip(), choices, _written(row.settings))


def _matters(choices: list[Choice]) -> bool:
    """Whether a row says the name, or it follows from what rows say."""
    return any(each.said for each in choices) or len({each.value for each in choices}) > 1


def _names(document: Document) -> Iterator[tuple[str, bool]]:
    """Parameters and values, and whether the document derives each of them."""
    for name, form in document.parameters.items():
        yield name, _is_derived(form)
    yield from ((name, True) for name in document.let if "(" not in name)


def _is_derived(form: ParameterForm) -> bool:
    if isinstance(form, StepParameter):
        return "<" in form.step
    if not isinstance(form, str) or form == REQUIRED:
        return False
    return bool(expression_of(form, None).names)


def _bound(document: Document, arguments: Arguments, row: VariantModel) -> Bound:
    bound = bind_parameters(document, arguments, row)
    # What a template makes of its inputs is known where it is used.
    if bound.faults and not isinstance(document, BlockDocument | BackboneDocument):
        raise SpecError(bound.faults)
    return bound


def _value(bound: Bound, name: str) -> Scalar | str | None:
    shown = dict(bound.shown)
    if name in shown:
        return shown[name]
    value = bound.names.get(name)
    return value if isinstance(value, bool | int | float | str) else None


def _written(settings: SettingsModel) -> Mapping[str, object]:
    found: Mapping[str, object] = settings.model_dump(by_alias=True, exclude_unset=True)
    return found
