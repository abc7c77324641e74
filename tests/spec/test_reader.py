"""The reader: plain data with places out, or every mistake with its code and place."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from archgraph.errors import Location, SpecError
from archgraph.spec import reader
from archgraph.spec.reader import Place, RawDocument, read_documents

LOADERS = [yaml.SafeLoader]
if hasattr(yaml, "CSafeLoader"):
    LOADERS.append(yaml.CSafeLoader)


@pytest.fixture(autouse=True, params=LOADERS, ids=lambda loader: loader.__name__)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every test runs with the pure and with the C parser as the first choice."""
    monkeypatch.setattr(reader, "_FAST", request.param)
    return request.param


def read(text: bytes | str) -> Any:
    (document,) = read_documents(text, "f.yaml")
    return document.data


def failure(text: bytes | str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        read_documents(text, "f.yaml")
    return caught.value


def found(text: bytes | str) -> list[tuple[str, int, int]]:
    """Code, line and column of every diagnostic."""
    places = [(d.code, d.location) for d in failure(text).diagnostics]
    return [(code, at.line, at.column) for code, at in places if at]


def marked(where: Location | None) -> str:
    """What a span covers."""
    assert where is not None
    return where.text[where.column - 1 : where.end_column - 1]


# --- values -------------------------------------------------------------------------------------

VALUES: list[tuple[str, object]] = [
    ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None),
    ("true", True), ("True", True), ("TRUE", True), ("false", False), ("FALSE", False),
    ("7", 7), ("-7", -7), ("+7", 7), ("012", 12), ("1.5", 1.5), ("-.5", -0.5), ("1.", 1.0),
    ("1e-4", 1e-4), ("1E3", 1000.0), ("+1.5e+3", 1500.0),
    ("on", "on"), ("no", "no"), ("yes", "yes"), ("Off", "Off"), ("nULL", "nULL"), ("y", "y"),
    ("3:7", "3:7"), ("12:30:45", "12:30:45"), ("0x10", "0x10"), ("0o7", "0o7"), ("1_000", "1_000"),
    ("2020-01-01", "2020-01-01"), ("=", "="), ("<<", "<<"), ("1e", "1e"), (".", "."), ("inf", "inf"),
    ("'1'", "1"), ('"true"', "true"), ("'~'", "~"), ("'.inf'", ".inf"), ('"\\u00e9"', "é"),
    ("in<l+1>", "in<l+1>"), ("max(1, c)", "max(1, c)"), ("a{k=3}[1]", "a{k=3}[1]"),
    ("[]", []), ("{}", {}), ("[1, [a]]", [1, ["a"]]), ("{x: {y: 1}}", {"x": {"y": 1}}),
    ("|\n  a\n  b", "a\nb"), (">-\n  a\n  b", "a b"), ("x\n  y", "x y"),
    ("{from: [f(a), g(b)], when: (a)}", {"from": ["f(a)", "g(b)"], "when": "(a)"}),
    ("{b, c: 1}", {"b": None, "c": 1}), ("'\ttab'", "\ttab"), ("|\n  \ttab", "\ttab"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_value(text: str, value: object) -> None:
    result = read(f"a: {text}")["a"]
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("key", "name"),
    [("3", "3"), ("012", "12"), ("'012'", "012"), ("on", "on"), ("true", "true"), ("1.50", "1.50"),
     ("a b", "a b"), ('"<<"', "<<"), ("'null'", "null"), ("? a\n", "a"), ("3:7", "3:7")],
)  # fmt: skip
def test_keys_are_strings(key: str, name: str) -> None:
    assert read(f"{key}: 1") == {name: 1}


@pytest.mark.parametrize(
    "text",
    [b"\xef\xbb\xbfa: 1", "\ufeffa: 1", "a: 1\r\n", "%YAML 1.2\n---\na: 1", "---\na: 1\n---\n",
     "---\n---\na: 1\n...\n", "# c\na: 1 # c", "a: 1\n---\n# only a comment\n"],
)  # fmt: skip
def test_accepted_file(text: bytes | str) -> None:
    assert read(text) == {"a": 1}


def test_several_documents() -> None:
    documents = read_documents("a: &x 1\n---\n---\nb: &x 2\nc: *x\n", "f.yaml")
    assert [document.data for document in documents] == [{"a": 1}, {"b": 2, "c": 2}]
    assert [document.place.location.line for document in documents] == [1, 4]


def test_aliases_are_copies_with_the_alias_as_place() -> None:
    (document,) = read_documents("a: &x {k: [1]}\nb: *x\nc: &x 2\n*x : 3\n", "f.yaml")
    data: Any = document.data
    assert data == {"a": {"k": [1]}, "b": {"k": [1]}, "c": 2, "2": 3}
    data["a"]["k"].append(2)
    assert data["b"] == {"k": [1]}
    assert marked(document.place.at("b").location) == "*x"
    assert document.place.at("b", "k", 0).location.line == 1


# --- places -------------------------------------------------------------------------------------

SPANS = """\
é😀: {b: 'x y', c: "d"}   # comment
list:
  - plain text  # comment
  - b: [1,
        22]
anchor: &x here
block: |
  text
empty:
long: one
  two
tail: {k: [a, b]}
"""


@pytest.mark.parametrize(
    ("path", "line", "column", "span", "key"),
    [
        ((), 1, 1, "é😀: {b: 'x y', c: \"d\"}   # comment", None),
        (("é😀",), 1, 5, "{b: 'x y', c: \"d\"}", "é😀"),
        (("é😀", "b"), 1, 9, "'x y'", "b"),
        (("é😀", "c"), 1, 19, '"d"', "c"),
        (("list",), 3, 3, "- plain text  # comment", "list"),
        (("list", 0), 3, 5, "plain text", None),
        (("list", 1), 4, 5, "b: [1,", None),
        (("list", 1, "b"), 4, 8, "[1,", "b"),
        (("list", 1, "b", 1), 5, 9, "22", None),
        (("anchor",), 6, 12, "here", "anchor"),
        (("block",), 7, 8, "|", "block"),
        (("empty",), 9, 7, "", "empty"),
        (("long",), 10, 7, "one", "long"),
        (("tail",), 12, 7, "{k: [a, b]}", "tail"),
        (("tail", "k"), 12, 11, "[a, b]", "k"),
    ],
)
def test_place(path: tuple[str | int, ...], line: int, column: int, span: str, key: str) -> None:
    (document,) = read_documents(SPANS, "f.yaml")
    place = document.place.at(*path)
    where = place.location
    assert (where.file, where.line, where.column) == ("f.yaml", line, column)
    assert where.text == SPANS.split("\n")[line - 1]
    assert marked(where) == span
    assert where.end_column == column + len(span)
    assert (marked(place.key) if place.key else None) == key


def test_at_stops_where_the_path_leaves_the_tree() -> None:
    place = read_documents("a: [1, {b: 2}]", "f.yaml")[0].place
    assert place.at("a", 1, "zzz", "b") is place.children["a"].children[1]
    assert place.at("zzz") is place.at() is place


def test_one_line_block_mapping_ends_at_its_last_value() -> None:
    (document,) = read_documents("a:\n- b: 1 # c\n- - x   # d\n", "f.yaml")
    assert marked(document.place.at("a", 0).location) == "b: 1"
    assert marked(document.place.at("a", 1).location) == "- x"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    (document,) = read_documents(f"a: |{end}  x{end}b: 2{end}", "f.yaml")
    where = document.place.at("b").location
    assert (where.line, where.column, where.text) == (3, 4, "b: 2")


def agreed(text: str) -> list[RawDocument]:
    """The documents, after a check that each parser alone reads them, with equal places."""

    def flat(place: Place) -> list[object]:
        inner = [flat(child) for child in place.children.values()]
        return [repr(place.location), place.location.text, repr(place.key), inner]

    source = reader._Source(text.encode(), "f.yaml")
    results = [reader._Builder(source, each).documents() for each in LOADERS]
    for result in results:
        assert [d.data for d in result] == [d.data for d in results[0]]
        assert [flat(d.place) for d in result] == [flat(d.place) for d in results[0]]
    return results[0]


@pytest.mark.parametrize(
    "text",
    [
        SPANS,
        "? a\nb: c",
        "{é:  }",
        "a: [b:  ]",
        "a: {b:\n  # c\n  , c }",
        "a: &x\nb:  # c\n",
        *(f"a: {v[0]}\nb:" for v in VALUES),
    ],
)
def test_parsers_agree(text: str) -> None:
    if "\t" not in text:
        assert agreed(text)


# --- mistakes -----------------------------------------------------------------------------------

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # E002 not UTF-8
        (b"a: 1\nb: \xc3\xa9\xff", ("E002", 2, 5)),
        (b"\xef\xbb\xbfa: \xff", ("E002", 1, 4)),
        ("a: 1".encode("utf-16"), ("E002", 1, 1)),
        ("a: 1".encode("utf-16-le"), ("E002", 1, 1)),
        ("a: 1".encode("utf-16-be"), ("E002", 1, 1)),
        ("a: \ud800", ("E002", 1, 4)),
        # E003 characters
        ("a: 1\nb: é\0", ("E003", 2, 5)),
        (b"a: \x07", ("E003", 1, 4)),
        ("a: \x7f", ("E003", 1, 4)),
        ("a: x\u2028b: 1", ("E003", 1, 5)),
        ("a: x\x85b: 1", ("E003", 1, 5)),
        ("a: \ufeffb", ("E003", 1, 4)),
        ('a: "\\ud83d"', ("E003", 1, 4)),
        ('a: "\\UFFFFFFFF"', ("E003", 1, 7)),
        # E003 syntax
        ("a: b: c", ("E003", 1, 5)),
        ("a:1\nb: 2", ("E003", 1, 1)),
        ("a: 1\nb:2\nc: 3", ("E003", 2, 1)),
        ("{a:1, b: 2}", ("E003", 1, 2)),
        ("a: [1,2", ("E003", 1, 4)),
        ("a: [1,\n", ("E003", 2, 1)),
        ("{a: b", ("E003", 1, 1)),
        ("a: [1, 2\nb: 3", ("E003", 2, 2)),
        ("a: [1, 2]]", ("E003", 1, 10)),
        ("{name: in{l}}", ("E003", 1, 10)),
        ("{w: width[l]}", ("E003", 1, 10)),
        ("[width[l], 1]", ("E003", 1, 7)),
        ("{use: max-pool{k=3}}", ("E003", 1, 15)),
        ("x: a ? b : c", ("E003", 1, 10)),
        ("a: ? b", ("E003", 1, 4)),
        ("{a? b: c}", ("E003", 1, 3)),
        ("{a?}", ("E003", 1, 3)),
        ("a: 'x", ("E003", 1, 4)),
        ("a: 'x' y", ("E003", 1, 8)),
        ("a: @x", ("E003", 1, 4)),
        ("a: *x", ("E003", 1, 4)),
        ("a: &x 1\n---\nb: *x", ("E003", 3, 4)),
        ("a: *", ("E003", 1, 4)),
        ("a: - b", ("E003", 1, 4)),
        ("a:\n  b: 1\n c: 2", ("E003", 3, 2)),
        ("a: x\n b: y", ("E003", 2, 3)),
        ('x: "\\q"', ("E003", 1, 6)),
        ("a: |x\n b", ("E003", 1, 5)),
        ("a: |#c\n b", ("E003", 1, 5)),
        ("{: 1}", ("E003", 1, 2)),
        ("%YAML 9.0\n---\na: 1", ("E003", 1, 1)),
        # E004 nothing there, or no mapping
        ("", ("E004", 1, 1)),
        (b"\xef\xbb\xbf", ("E004", 1, 1)),
        ("# c\n\n", ("E004", 1, 1)),
        ("---\n---\n", ("E004", 1, 1)),
        ("- 1\n", ("E004", 1, 1)),
        ("a: 1\n---\n text\n", ("E004", 3, 2)),
        ("~", ("E004", 1, 1)),
        ("model:x", ("E004", 1, 1)),
        # E005 duplicate keys
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3", ("E005", 5, 3)),
        ("{a: 1, 'a': 2}", ("E005", 1, 8)),
        ("1: a\n01: b", ("E005", 2, 1)),
        ("a: &k x\nx: 1\n*k : 2", ("E005", 3, 1)),
        # E006 tags
        ("a: !x 1", ("E006", 1, 4)),
        ("a: !!str 1", ("E006", 1, 4)),
        ("a: ! 1", ("E006", 1, 4)),
        ("a: &b !x [1]", ("E006", 1, 7)),
        ("a: !x &b\n  c: 1", ("E006", 1, 4)),
        ("a: !<tag:yaml.org,2002:str> 1", ("E006", 1, 4)),
        ("a: !!python/object/apply:os.system ['x']", ("E006", 1, 4)),
        ("!x k: 1", ("E006", 1, 1)),
        ("a: !e!x 1", ("E006", 1, 4)),
        # E007 limits
        (b"#" * 1_000_001, ("E007", 1, 1)),
        ("é" * 500_001, ("E007", 1, 1)),
        ("a: " + "[" * 64 + "]" * 64, ("E007", 1, 67)),
        ("a: " + "[" * 100_000, ("E007", 1, 67)),
        ("- " * 100_000, ("E007", 1, 129)),
        ("{a: " * 100_000, ("E007", 1, 257)),
        ("a: &x [[[]]]\nb: " + "[" * 61 + "*x" + "]" * 61, ("E007", 2, 65)),
        ("a:\n" + "- 1\n" * 9_998, ("E007", 9_999, 3)),
        (BOMB, ("E007", 4, 36)),
        # E008 tabs
        ("a: 1\n\tb: 2", ("E008", 2, 1)),
        ("\ta: 1", ("E008", 1, 1)),
        ("a:\n \t- b", ("E008", 2, 2)),
        ("a: [1,\n\t2]", ("E008", 2, 1)),
        ("a:\t1", ("E008", 1, 3)),
        ("a: x\ty", ("E008", 1, 5)),
        # E009 merge keys
        ("a: &a {x: 1}\nb:\n  <<: *a", ("E009", 3, 3)),
        # E010 not finite
        ("a: .inf", ("E010", 1, 4)),
        ("a: [-.INF]", ("E010", 1, 5)),
        ("a: +.Inf", ("E010", 1, 4)),
        ("a: .nan", ("E010", 1, 4)),
        ("a: .NaN", ("E010", 1, 4)),
        ("a: .nAN", ("E010", 1, 4)),
        ("a: 1e999", ("E010", 1, 4)),
        ("a: -" + "9" * 5_000, ("E010", 1, 4)),
        (".inf: 1", ("E010", 1, 1)),
        # E011 the flow trap
        ("{channels: max(1, c)}", ("E011", 1, 12)),
        ("a: {b: max(1, f(2, c)), d: 1}", ("E011", 1, 8)),
        ("a: {b: f(1, c}", ("E011", 1, 8)),
        ("a: {b: f(1, c: 2)}", ("E011", 1, 8)),
        ("a: {max(1, c): 2}", ("E011", 1, 5)),
        ("a: [x, max(1, c), d]", ("E011", 1, 8)),
        ("a: [max(1, c]", ("E011", 1, 5)),
        ("{for: c in 0..n, l in lo..hi}", ("E011", 1, 7)),
        # E012 cycles
        ("a: &x [*x]", ("E012", 1, 8)),
        ("&x\na:\n  b: {c: *x}", ("E012", 3, 10)),
        # E013 keys
        ("~: 1", ("E013", 1, 1)),
        ("null: 1", ("E013", 1, 1)),
        ("'': 1", ("E013", 1, 1)),
        ("?\n: 1", ("E013", 1, 2)),
        ("? [a]\n: 1", ("E013", 1, 3)),
        ("a: {{b: 1}: 2}", ("E013", 1, 5)),
    ],
)
def test_mistake(text: bytes | str, expected: tuple[str, int, int]) -> None:
    assert found(text) == [expected]


RENDERED = [
    (
        "a:1\nb: 2",
        "f.yaml:1:1: error[E003]: a space is missing after the ':'\n"
        "  1 | a:1\n"
        "    | ^^^\n"
        "  help: put a space after the colon: `a: 1`",
    ),
    (
        "nodes:\n  - {from: [a, b}",
        "f.yaml:2:17: error[E003]: expected ',' or ']', found '}'\n"
        "  2 |   - {from: [a, b}\n"
        "    |                 ^\n"
        "  help: if this is meant as text, put it in quotes",
    ),
    (
        "a: [1, 2",
        "f.yaml:1:4: error[E003]: this bracket is never closed\n"
        "  1 | a: [1, 2\n"
        "    |    ^\n"
        "  help: close it",
    ),
    (
        "{name: in{l}}",
        "f.yaml:1:10: error[E003]: text inside braces or brackets may not hold a '{'\n"
        "  1 | {name: in{l}}\n"
        "    |          ^\n"
        "  help: put the text in quotes, or write a name as `in<l>`",
    ),
    (
        "{use: max-pool{k=3, s=2}}",
        "f.yaml:1:15: error[E003]: text inside braces or brackets may not hold a '{'\n"
        "  1 | {use: max-pool{k=3, s=2}}\n"
        "    |               ^\n"
        "  help: a step is written `name key=value key=value`: `max-pool k=3 s=2`",
    ),
    (
        "x: a ? b : c",
        "f.yaml:1:10: error[E003]: a ':' may not stand here\n"
        "  1 | x: a ? b : c\n"
        "    |          ^\n"
        "  help: a choice is written `a if condition else b`",
    ),
    (
        "a: &neck 1\nb: *nck",
        "f.yaml:2:4: error[E003]: no anchor '&nck' stands before this\n"
        "  2 | b: *nck\n"
        "    |    ^^^^\n"
        "  help: did you mean 'neck'?",
    ),
    (
        "- 1\n- 2",
        "f.yaml:1:1: error[E004]: a document must be a mapping (`key: value` lines), "
        "found a list\n"
        "  1 | - 1\n"
        "    | ^^^",
    ),
    (
        "é: 1\nb: 2\né: 3",
        "f.yaml:3:1: error[E005]: the key 'é' is already given at line 1\n"
        "  3 | é: 3\n"
        "    | ^\n"
        "  help: delete or rename one of the two",
    ),
    (
        "a: !!int '3'",
        "f.yaml:1:4: error[E006]: the tag '!!int' may not stand in a spec\n"
        "  1 | a: !!int '3'\n"
        "    |    ^^^^^\n"
        "  help: delete it",
    ),
    (
        "a: 1\n\tb: 2",
        "f.yaml:2:1: error[E008]: a tab is used as indentation\n"
        "  2 | \tb: 2\n"
        "    | ^\n"
        "  help: use spaces",
    ),
    (
        "b: {<<: x}",
        "f.yaml:1:5: error[E009]: the merge key '<<' may not stand in a spec\n"
        "  1 | b: {<<: x}\n"
        "    |     ^^\n"
        "  help: write the keys out, or use `extends`",
    ),
    (
        "let: {channels: max(1, floor(c * se)), d: 1}",
        "f.yaml:1:17: error[E011]: YAML split this text at a comma: 'max(1' and 'floor(c * se))'\n"
        "  1 | let: {channels: max(1, floor(c * se)), d: 1}\n"
        "    |                 ^^^^^^^^^^^^^^^^^^^^^\n"
        '  help: quote "max(1, floor(c * se))", or move the expression to `let`',
    ),
    (
        b"a: x\xff",
        "f.yaml:1:5: error[E002]: the file is not UTF-8: byte 0xff at offset 4\n"
        "  1 | a: x\ufffd\n"
        "    |     ^\n"
        "  help: save it as UTF-8",
    ),
]


@pytest.mark.parametrize(("text", "rendered"), RENDERED)
def test_rendered(text: bytes | str, rendered: str) -> None:
    assert str(failure(text)) == rendered


def test_all_mistakes_of_a_file_at_once() -> None:
    text = "a: !x 1\na: .inf\n<<: {b: f(1, c)}\n~: *z\nd: &d [*d]\n---\n- 1\n"
    codes = ["E006", "E005", "E010", "E009", "E011", "E013", "E003", "E012", "E004"]
    assert [code for code, _, _ in found(text)] == codes


def test_mistakes_before_a_syntax_error_are_kept() -> None:
    assert found("a: 1\na: 2\nb: .nan\nc: ]") == [("E010", 3, 4), ("E003", 4, 4)]
    assert found("a: {x: 1, x: 2}\nc: ]") == [("E005", 1, 11), ("E003", 2, 4)]


def test_limits_are_inclusive() -> None:
    assert read("a: 1\n" + "#" * 999_995) == {"a": 1}
    assert read("a: " + "[" * 63 + "]" * 63)
    assert len(read("a:\n" + "- 1\n" * 9_997)["a"]) == 9_997  # with the key, list and root
    shared = "a: &a [" + "x, " * 997 + "x]\nb: ["
    assert len(read(shared + "*a, " * 9 + "]")["b"]) == 9
    assert found(shared + "*a, " * 10 + "]") == [("E007", 2, 41)]


def test_a_caller_deep_in_the_stack_can_read() -> None:
    def deeper(left: int) -> object:
        return deeper(left - 1) if left else read("a: " + "[" * 63 + "]" * 63)

    assert deeper(300)


# --- any text, any data -------------------------------------------------------------------------

WORDS = [
    *"abé:-?,[]{}&*!|>'\"%@`#~ \t\n\r()",
    *[": ", "- ", "? ", "\n  ", " #", "---\n", "...\n", "&x ", "*x", "!t ", "<<: ", "a: ", "b:1"],
    *["null", ".inf", "1e5", '"q"', "f(1, c)", "x{k=1}", "|\n", ">-\n", "%YAML 1.2\n", "\\ud800"],
]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.one_of(st.text(), st.binary(), st.lists(st.sampled_from(WORDS), max_size=14).map("".join))
)
def test_arbitrary_text_raises_nothing_but_spec_errors(text: bytes | str) -> None:
    try:
        documents = read_documents(text, "f.yaml")
    except SpecError as error:
        mistakes = str(error)
    else:
        assert documents
        mistakes = ""
    with pytest.MonkeyPatch.context() as patch:  # the answer is the same without the C parser
        patch.setattr(reader, "_FAST", yaml.SafeLoader)
        if mistakes:
            assert str(failure(text)) == mistakes
        else:
            assert read_documents(text, "f.yaml") == documents


class Quoting(yaml.SafeDumper):
    """Writes text in double quotes, as JSON does, and repeats what is shared."""

    def ignore_aliases(self, data: object) -> bool:
        """No anchors."""
        return True


Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip
KEYS = st.text(min_size=1)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=12
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.dictionaries(KEYS, DATA), st.booleans())
def test_what_was_dumped_is_read_back(data: dict[str, object], flow: bool) -> None:
    text = yaml.dump(data, Dumper=Quoting, default_flow_style=flow)
    assert read(text) == data


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.dictionaries(st.text(string.ascii_letters + "é😀", min_size=1), DATA))
def test_json_is_read_with_places_that_agree(data: dict[str, object]) -> None:
    text = json.dumps(data, ensure_ascii=True)
    if "\\ud" not in text:  # YAML has no pairs of escapes
        assert [document.data for document in agreed(text)] == [data]
