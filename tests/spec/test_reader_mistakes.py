"""The reader: every mistake with its code and place, and no other exception for any text."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from archgraph.errors import SpecError
from archgraph.spec import reader
from archgraph.spec.reader import RawDocument, read_documents
from tests.spec.reading import (
    failure,
    found,
    loader,  # noqa: F401  # a fixture for every test of this file
    read,
)

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
        "  help: an open bracket is not closed",
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
        '  help: quote "max(1, floor(c * se))", or write it on a line of its own',
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


WORDS = [
    *"abé:-?,[]{}&*!|>'\"%@`#~ \t\n\r()",
    *[": ", "- ", "? ", "\n  ", " #", "---\n", "...\n", "&x ", "*x", "!t ", "<<: ", "a: ", "b:1"],
    *["null", ".inf", "1e5", '"q"', "f(1, c)", "x{k=1}", "|\n", ">-\n", "%YAML 1.2\n", "\\ud800"],
]


def attempt(text: bytes | str) -> tuple[list[RawDocument], str]:
    """The documents, or all mistakes as they are printed."""
    try:
        return read_documents(text, "f.yaml"), ""
    except SpecError as error:
        return [], str(error)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.one_of(st.text(), st.binary(), st.lists(st.sampled_from(WORDS), max_size=14).map("".join))
)
def test_arbitrary_text_raises_nothing_but_spec_errors(text: bytes | str) -> None:
    documents, mistakes = attempt(text)
    assert documents or mistakes
    with pytest.MonkeyPatch.context() as patch:  # the answer is the same without the C parser
        patch.setattr(reader, "_FAST", yaml.SafeLoader)
        assert attempt(text) == (documents, mistakes)
