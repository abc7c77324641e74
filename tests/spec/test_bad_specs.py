"""Wrong specs: every mistake has its place, its code and a way out.

`bad/NAME.yaml` says itself what is wrong with it. A comment under a line points at the mistakes
of that line, and repeats the suggestion if there is one:

      - {name: out4, from: tdd4}
    #                      ^^^^ E102 did you mean 'td4'?

`#` right before the carets is one of them, for spans that begin at column 1. `bad/NAME.txt` is
what the user reads, to the letter; `pytest --update-goldens` rewrites it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from archgraph.compiler import check_spec
from archgraph.errors import Diagnostic, Severity

ROOT = Path(__file__).resolve().parents[2]
BAD = Path(__file__).parent / "bad"
SPECS = sorted(BAD.glob("*.yaml"))
CARETS = re.compile(r"#(?P<gap> *)(?P<carets>\^*) (?P<code>[EW]\d{3})(?: (?P<hint>.*))?")

# Codes that no spec can cause, with the test that shows them.
ELSEWHERE = {
    "E001": "tests/cli/test_check.py",  # a file cannot be read
    "E020": "tests/cli/test_files.py",  # a file cannot be written
    "E120": "tests/spec/test_arguments.py",  # --set
    "E123": "tests/assemble/test_block_language.py",  # a variant, where a block is used
    "E121": "tests/analysis/test_shapes.py",  # --image-size
    "E130": "archgraph/cli/errors.yaml",  # a code that is none; its example runs as a test
    "E131": "tests/spec/test_format.py",  # a layout that would change what a file says
    "E401": "tests/ir/test_verify.py",  # a graph breaks its rules
    "E402": "tests/ir/test_text.py",  # the text form of a graph
    "E403": "tests/passes/test_lower.py",  # a pass at the wrong stage
}
# Codes of the command line, of source and of weights, whose rooms test them.
OTHER_ROOMS = re.compile(r"E122|E125|E14\d|E41\d|E43\d|E5\d\d|W51\d")


@dataclass(frozen=True, order=True)
class Mark:
    """Where a comment says that a mistake is."""

    line: int
    column: int
    end_column: int
    code: str


def marks(text: str) -> list[tuple[Mark, str]]:
    """The marks of a spec in order, with their suggestions."""
    found: list[tuple[Mark, str]] = []
    above = 0
    for number, line in enumerate(text.split("\n"), start=1):
        match = CARETS.fullmatch(line)
        if match is None:
            above = number
            continue
        start = 1 + len("#" + match["gap"]) if match["gap"] else 1
        width = len(match["carets"]) + (0 if match["gap"] else 1)
        mark = Mark(above, start, start + width, match["code"])
        found.append((mark, match["hint"] or ""))
    return sorted(found)


def mark_of(diagnostic: Diagnostic) -> Mark:
    where = diagnostic.location
    assert where is not None, diagnostic
    end = max(where.end_column, where.column + 1)
    return Mark(where.line, where.column, end, diagnostic.code)


def check_alone(spec: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Diagnostic]:
    """Check a copy in an empty folder, where no other wrong spec can be found by name."""
    (folder / spec.name).write_bytes(spec.read_bytes())
    monkeypatch.chdir(folder)
    return check_spec(spec.name)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(spec, marks=pytest.mark.slow if spec.stem == "repeat-of-repeats" else [])
        for spec in SPECS
    ],
    ids=lambda spec: spec.stem,
)
def test_wrong_spec(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update_goldens: bool
) -> None:
    found = check_alone(spec, tmp_path, monkeypatch)
    expected = marks(spec.read_text("utf-8", errors="replace"))
    assert expected, "the spec says nowhere what is wrong with it"
    assert [mark_of(d) for d in found] == [mark for mark, _ in expected]
    for diagnostic in found:
        assert (diagnostic.severity is Severity.WARNING) == diagnostic.code.startswith("W")
        for said in (diagnostic.message, diagnostic.hint):  # one line, and no full stop
            assert "\n" not in said
            assert not said.endswith(".")
    for diagnostic, (_, suggestion) in zip(found, expected, strict=True):
        assert suggestion in ("", diagnostic.hint)
        assert suggestion or "did you mean" not in diagnostic.hint, "no suggestion in the comment"
    text = "".join(f"{diagnostic.render()}\n" for diagnostic in found)
    golden = spec.with_suffix(".txt")
    if update_goldens:
        golden.write_text(text, "utf-8")
    assert golden.is_file(), "no golden: run with --update-goldens"
    assert text == golden.read_text("utf-8")


def test_no_golden_is_left_over() -> None:
    specs = {spec.stem for spec in SPECS}
    assert sorted(path.name for path in BAD.glob("*.txt") if path.stem not in specs) == []
    assert {path.suffix for path in BAD.iterdir()} == {".yaml", ".txt"}


def test_marks_are_read() -> None:
    text = (
        "topology: a\n#^^^^^^^ E108\n  - {name: b}\n#          ^ E105 did you mean 'c'?\n# prose\n"
    )
    assert marks(text) == [
        (Mark(1, 1, 9, "E108"), ""),
        (Mark(3, 12, 13, "E105"), "did you mean 'c'?"),
    ]


# --- what no text file in a repository can be ------------------------------------------------

HEAD = "topology: neck\nparameters: {levels: {levels: 3..5}, channels: 64}\n"


def nested(depth: int) -> bytes:
    return (HEAD + "doc: " + "[" * depth + "]" * depth + "\n").encode()


MADE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "E004 1:1"),
    "only a byte order mark": (b"\xef\xbb\xbf", "E004 1:1"),
    "utf-16": (HEAD.encode("utf-16"), "E002 1:1"),
    "binary": (b"\x7fELF\x02\x01\x01\x00\x00", "E003 1:1"),
    "a NUL": ((HEAD + "doc: a\0b\n").encode(), "E003 3:7"),
    "1 MB and a bit": ((HEAD + "# " + "x" * 1_000_000).encode(), "E007 1:1"),
    "deep": (nested(64), "E007 3:69"),
    "10,000 values": (
        (HEAD + "doc: [" + "x, " * 10_000 + "x]\n").encode(),
        "E007 3:29968",
    ),
    "101 documents": (
        "".join(f"---\nblock: b{i}\n" for i in range(101)).encode(),
        "E007 202:1",
    ),
    "windows line ends": ((HEAD + "nods: []\n").replace("\n", "\r\n").encode(), "E101 3:1"),
}


@pytest.mark.parametrize("name", MADE)
def test_made_spec(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, expected = MADE[name]
    path = tmp_path / "made.yaml"
    path.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    (found,) = check_spec("made.yaml")
    assert found.location is not None
    assert f"{found.code} {found.location.line}:{found.location.column}" == expected
    assert found.location.file == "made.yaml"


def test_depth_up_to_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_bytes(nested(63))
    assert {d.code for d in check_spec(os.fspath(path))} == {"E106", "E107"}


# --- the goldens as a whole ------------------------------------------------------------------


def codes_of_the_sources() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "archgraph").rglob("*.py"):
        found |= set(re.findall(r'"([EW]\d{3})"', path.read_text("utf-8")))
    return found


def test_every_code_has_a_wrong_spec() -> None:
    shown = {mark.code for spec in SPECS for mark, _ in marks(spec.read_text("utf-8", "replace"))}
    shown |= {expected.split()[0] for _, expected in MADE.values()}
    for code, test in ELSEWHERE.items():
        assert code in (ROOT / test).read_text("utf-8"), f"{test} does not test {code}"
    codes = codes_of_the_sources()
    missing = codes - shown - set(ELSEWHERE)
    assert sorted(code for code in missing if not OTHER_ROOMS.fullmatch(code)) == []
    assert sorted((shown | set(ELSEWHERE)) - codes) == []


def test_every_code_is_in_the_manual() -> None:
    manual = (ROOT / "docs" / "errors.md").read_text("utf-8")
    listed = re.findall(r"^\| `?([EW]\d{3})`? \|", manual, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert listed == sorted(listed)
    assert sorted(codes_of_the_sources() - set(listed)) == []
    assert sorted(set(listed) - codes_of_the_sources()) == []
