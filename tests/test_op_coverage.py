"""Every operator has its row in every table; a missing one is named."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import pytest

from archgraph.analysis.work import WORK
from archgraph.codegen.forms import FORMS
from archgraph.expressions import parse_step
from archgraph.ir.op import Op
from archgraph.ir.ops import OPERATORS, VOCABULARY
from archgraph.ir.signature import BUILTIN_NAMES, argument_kinds, fusion_kinds, make_operator
from archgraph.render.style import OPERATOR_MARKS
from tests.operator_cases import CASES
from tests.test_operator_docs import EXAMPLES

TABLES: dict[str, Collection[object]] = {
    "archgraph.codegen.forms.FORMS": FORMS,
    "archgraph.analysis.work.WORK": WORK,
    "archgraph.render.style.OPERATOR_MARKS": OPERATOR_MARKS,
    "tests.operator_cases.CASES": {type(case.op) for case in CASES},
    "tests.test_operator_docs.EXAMPLES": {type(op) for op, _ in EXAMPLES},
}


def missing(table: str) -> list[str]:
    """The operators without a row; tables go by the operator or by its name."""
    rows = TABLES[table]
    return [kind for kind, op in OPERATORS.items() if op not in rows and kind not in rows]


@pytest.mark.parametrize("table", TABLES)
def test_every_operator_has_a_row(table: str) -> None:
    assert not missing(table), f"no row in {table} for: {', '.join(missing(table))}"


@pytest.mark.parametrize("table", TABLES)
def test_no_row_is_of_something_else(table: str) -> None:
    known: set[object] = {*OPERATORS, *OPERATORS.values()}
    assert set(TABLES[table]) <= known


def test_a_new_operator_is_missed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Fourier(Op):
        """A new operator."""

        kind: ClassVar[str] = "fourier"
        arity: ClassVar[tuple[int, int | None]] = (1, None)

        bands: int = 2

    monkeypatch.setitem(OPERATORS, "fourier", Fourier)
    assert all(missing(table) == ["fourier"] for table in TABLES)
    # What is in the one table is known wherever names are looked up.
    assert VOCABULARY["fourier"] is Fourier
    assert "fourier" in BUILTIN_NAMES
    assert argument_kinds(parse_step("fourier"), {}) == {"bands": "number"}
    assert fusion_kinds(parse_step("fourier")) == {"bands": "number"}
    assert make_operator("fourier", {"bands": 3}, None) == Fourier(3)
