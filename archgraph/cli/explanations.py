"""What every diagnostic code means: the rows of `errors.yaml`, and the tables of docs/errors.md.

A new code is a new row there, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("errors.yaml")


@dataclass(frozen=True)
class Explanation:
    """One code.

    Attributes:
        section: the heading under which the manual has it.
        says: what is wrong, in half a sentence.
        do: what to do about it.
        more: why it is a mistake, or how it comes about.
        example: a spec with this mistake and no other.
        command: a command line that makes the mistake, for codes that no spec can cause.
        prints: what that command prints.
    """

    code: str
    section: str
    says: str
    do: str
    more: str = ""
    example: str = ""
    command: str = ""
    prints: str = ""

    def as_dict(self) -> dict[str, str | None]:
        """The explanation as plain data, for `--json`."""
        return {name: value or None for name, value in vars(self).items()}


@cache
def explanations() -> Mapping[str, Explanation]:
    """Every code with its explanation, in the order of the manual."""
    from archgraph.spec import read_documents

    (document,) = read_documents(SOURCE.read_bytes(), SOURCE.name)
    sections: Mapping[str, Any] = document.data
    return {
        code: Explanation(code, section, **row)
        for section, rows in sections.items()
        for code, row in rows.items()
    }


def manual_tables() -> Mapping[str, str]:
    """The table of each section of docs/errors.md, by its heading."""
    tables: dict[str, str] = {}
    for each in explanations().values():
        head = "| code | says | what to do |\n|---|---|---|\n"
        row = f"| {each.code} | {each.says} | {each.do} |\n"
        tables[each.section] = tables.get(each.section, head) + row
    return tables
