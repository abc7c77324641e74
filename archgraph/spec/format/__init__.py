"""The canonical layout of a spec.

Comes in: the bytes of a file. Goes out: its text as `archgraph fmt` writes it, with the same
data and every comment, or an error. Start here, then `tree.py`, `layout.py`.

    tree.py      text -> nodes with the comments that belong to them
    grammar.py   which mapping is what: the order of its keys, one line or several
    scalars.py   texts, quoted where that is needed
    layout.py    nodes -> lines
"""

from __future__ import annotations

import json

from archgraph.errors import Diagnostic, Location, SpecError
from archgraph.spec.format.grammar import Role, child_role, document_role, in_order
from archgraph.spec.format.layout import lay_out
from archgraph.spec.format.tree import read_tree
from archgraph.spec.reader import Data, read_documents

__all__ = ["format_spec"]


def format_spec(content: bytes, file: str) -> str:
    """The text of a file in its canonical layout.

    Formatting what is formatted changes nothing. The result is read back: it holds the same
    data, with the same order wherever order means something, and the same comments.

    Args:
        content: the bytes of the file.
        file: the name that the places of mistakes carry.

    Raises:
        SpecError: what the reader finds wrong with the text; or E131, the result would say
            something else, which is a bug of the formatter.
    """
    before = [document.data for document in read_documents(content, file)]
    tree = read_tree(content)
    result = lay_out(tree)
    try:
        after = [document.data for document in read_documents(result, file)]
        same = [_proof(each) for each in before] == [_proof(each) for each in after]
        kept = sorted(tree.comments) == sorted(read_tree(result.encode()).comments)
    except SpecError:
        same = kept = False
    if not (same and kept):
        what = "lose a comment of this file" if same else "change what this file says"
        message = f"the formatter would {what}"
        hint = "the file is unchanged; please report it, with the file"
        raise SpecError(Diagnostic("E131", message, Location(file, 1, 1), hint))
    return result


def _proof(document: dict[str, Data]) -> str:
    """The data of a document as a text that is equal for documents that say the same."""
    return json.dumps(_ordered(document, document_role(list(document))))


def _ordered(data: Data, role: Role) -> Data:
    """`data` with the keys of mappings in order, where their order means nothing."""
    if isinstance(data, list):
        return [_ordered(item, child_role(role, None, _names(item))) for item in data]
    if not isinstance(data, dict):
        return data
    return {
        key: _ordered(data[key], child_role(role, key, _names(data[key])))
        for key in in_order(role, list(data))
    }


def _names(data: Data) -> list[str] | None:
    return list(data) if isinstance(data, dict) else None
