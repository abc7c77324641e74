"""The tables that plugins add rows to, as they were before a test."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from archgraph.analysis.work import WORK
from archgraph.codegen.forms import FORMS
from archgraph.codegen.snippets import ADDED
from archgraph.ir.ops import OPERATORS
from archgraph.ir.signature import FUSIONS, operator_fields
from archgraph.passes import PASSES
from archgraph.plugins import FUSION_ORIGINS
from archgraph.render.style import OPERATOR_MARKS

TABLES: tuple[MutableMapping[Any, Any], ...] = (
    OPERATORS,
    FORMS,
    WORK,
    OPERATOR_MARKS,
    ADDED,
    FUSIONS,
    FUSION_ORIGINS,
    PASSES,
)


@contextmanager
def kept_tables() -> Iterator[None]:
    """Whatever is registered inside is gone afterwards."""
    before = [dict(table) for table in TABLES]
    try:
        yield
    finally:
        for table, rows in zip(TABLES, before, strict=True):
            table.clear()
            table.update(rows)
        operator_fields.cache_clear()
