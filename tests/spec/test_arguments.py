"""Parameters, `let`, and values from outside: `--set` texts and Python values."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.errors import SpecError
from archgraph.expressions import Table
from archgraph.spec import parse_setting, python_argument
from archgraph.spec.parameters import Bound, bind_parameters
from tests.spec.written import DEFAULTS, HEAD, given, mistakes, pointed, sets, told, topology

NODES = "nodes:\n  - {for: l in lo..hi, name: out<l>, from: in<l>}\noutputs: out<l>\n"
NECK = HEAD + DEFAULTS + NODES


def bound(folder: Path, text: str, **values: object) -> Bound:
    found = bind_parameters(topology(folder, text)[0], given(**values))
    assert found.faults == (), found.faults
    return found


# --- --set -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("channels=64", "channels", 64),
        ("channels = 64", "channels", 64),
        ("rate=1e-4", "rate", 1e-4),
        ("levels=3..7", "levels", "3..7"),
        ("in_channels=[40, 112,320]", "in_channels", [40, 112, 320]),
        ("fuse=fast eps=1e-3", "fuse", "fast eps=1e-3"),
        ("settings.act=silu", "settings.act", "silu"),
        ("settings.bias=true", "settings.bias", True),
        ("channels='64'", "channels", "64"),
        ("channels=", "channels", None),
        ("when=a == b", "when", "a == b"),
        ("true=1", "true", 1),
    ],
)
def test_set(text: str, key: str, value: object) -> None:
    found, argument = parse_setting(text)
    assert (found, argument.value) == (key, value)
    where = argument.location
    assert where is not None
    assert (where.file, where.line, where.text) == ("--set", 1, text)


@pytest.mark.parametrize(
    "text", ["channels", "=64", "a b=1", "'a'=1", "a: b=1", "# =1", "a.b.c=1", "é=1", "a=1\nb: 2"]
)
def test_what_is_not_key_value(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_setting(text)
    (found,) = caught.value.diagnostics
    assert found.code == "E120"
    assert found.hint == "write --set KEY=VALUE, for example --set channels=64"


@pytest.mark.parametrize(
    ("text", "code", "marked"),
    [
        ("in_channels=[40, 112", "E003", "["),
        ("channels=!!int 64", "E006", "!!int"),
        ("channels=.nan", "E010", ".nan"),
        ("channels=[f(1, 2)]", "E011", "f(1, 2)"),
        ("channels=*a", "E003", "*a"),
    ],
)
def test_yaml_mistakes_are_placed_in_the_text(text: str, code: str, marked: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_setting(text)
    found = caught.value.diagnostics[0]
    assert (found.code, pointed(found)) == (code, marked)


@pytest.mark.parametrize(
    ("text", "code", "marked"),
    [
        ("levels=7..3", "E309", "7..3"),
        ("levels=[3, 4]", "E113", "[3, 4]"),
        ("levels=3..40", "E113", "3..40"),
        ("levels=3.5", "E113", "3.5"),
        ("channels=64 / 0", "E303", "64 / 0"),
        ("channels=0", "E113", "0"),
        ("channels=[1]", "E113", "[1]"),
        ("channels=9**9**9", "E304", "9**9**9"),
        ("chanels=64", "E112", "64"),
        ("in_channels=[1, 2]", "E113", "[1, 2]"),
        ("in_channels=2.5", "E113", "2.5"),
        ("fuse=3", "E113", "3"),
        ("fuse=fst", "E109", "fst"),
        ("fuse=fast, eps=3", "E306", "fast,"),
        ("fuse=fast epsilon=3", "E112", "epsilon"),
        ("block=conv-nrom", "E109", "conv-nrom"),
        ("block=conv-norm kernel=", "E306", "kernel="),
        ("settings.act=rellu", "E109", "rellu"),
        ("settings.act=relu slope=3", "E112", "slope"),
        ("settings.act=true", "E113", "true"),
        ("settings.padding=valid", "E113", "valid"),
        ("settings.bias=no", "E113", "no"),
        ("settings.acts=relu", "E101", "relu"),
    ],
)
def test_wrong_values_are_placed_in_the_text(
    text: str, code: str, marked: str, tmp_path: Path
) -> None:
    head = HEAD.replace("channels: 64", "channels: 64, fuse: {step: sum}, block: {step: none}")
    neck = head + DEFAULTS.replace("fuse: sum, block: none", "fuse: <fuse>, block: <block>") + NODES
    assert mistakes(tmp_path, neck) == []
    (found,) = mistakes(tmp_path, neck, sets(text))
    assert found.location is not None
    assert (found.location.file, found.location.text) == ("--set", text)
    assert (found.code, pointed(found)) == (code, marked)


def test_all_wrong_values_come_at_once_with_those_of_the_file(tmp_path: Path) -> None:
    neck = NECK.replace("block: none", "block: conv-nrom")
    found = mistakes(tmp_path, neck, sets("channels=0", "widht=3", "settings.act=rellu"))
    assert [d.code for d in found] == ["E112", "E113", "E109", "E109"]


# --- values from Python ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [(range(3, 8), "3..7"), (range(4, 5), "4..4"), (5, "5..5"), ("3..7", "3..7")],
)
def test_levels(value: object, text: str, tmp_path: Path) -> None:
    found = bound(tmp_path, NECK, levels=value)
    low, high = (int(part) for part in text.split(".."))
    assert found.levels == range(low, high + 1)
    assert dict(found.shown)["levels"] == text
    assert (found.names["lo"], found.names["hi"]) == (low, high)


@pytest.mark.parametrize(
    "value", [range(3, 3), range(3, 8, 2), range(7, 3, -1), None, object(), {}]
)
def test_what_no_parameter_can_be(value: object) -> None:
    with pytest.raises(TypeError):
        python_argument(value)


@pytest.mark.parametrize(
    ("value", "channels"),
    [
        ([40, 112, 320], {3: 40, 4: 112, 5: 320}),
        ((40, 112, 320), {3: 40, 4: 112, 5: 320}),
        (32, {3: 32, 4: 32, 5: 32}),
        ("channels // 2", {3: 32, 4: 32, 5: 32}),
        (["channels", 2, "2 ** hi"], {3: 64, 4: 2, 5: 32}),
    ],
)
def test_in_channels(value: object, channels: dict[int, int], tmp_path: Path) -> None:
    found = bound(tmp_path, NECK, in_channels=value)
    assert found.input_channels == channels
    assert found.names["in_channels"] == Table(channels)


def test_in_channels_are_channels_unless_given(tmp_path: Path) -> None:
    assert bound(tmp_path, NECK, channels=48).input_channels == {3: 48, 4: 48, 5: 48}
    text = NECK.replace("channels: 64", "channels: 64, in_channels: 2 * channels")
    assert bound(tmp_path, text, channels=48).input_channels == {3: 96, 4: 96, 5: 96}


def test_channels_that_differ_are_shown_by_level(tmp_path: Path) -> None:
    shown = dict(bound(tmp_path, NECK, in_channels=[40, 112, 320]).shown)
    assert shown == {"levels": "3..5", "channels": 64, "in_channels": "[40, 112, 320]"}


# --- parameters and let ----------------------------------------------------------------------


def test_kinds_of_parameters(tmp_path: Path) -> None:
    parameters = (
        "levels: {levels: 2..4}, channels: 64, width: 2 * channels, rate: 1e-4,"
        " deep: true, fuse: {step: fast eps=1e-3}, top: hi + 1"
    )
    text = NECK.replace("levels: {levels: 3..5}, channels: 64", parameters)
    names = bound(tmp_path, text).names
    assert names["width"] == 128
    assert names["rate"] == 1e-4
    assert names["deep"] is True
    assert names["fuse"] == "fast eps=1e-3"
    assert names["top"] == 5
    assert bound(tmp_path, text, channels=10).names["width"] == 20
    assert bound(tmp_path, text, fuse="sum").names["fuse"] == "sum"


def test_levels_and_channels_need_no_declaration(tmp_path: Path) -> None:
    text = NECK.replace("parameters: {levels: {levels: 3..5}, channels: 64}\n", "")
    assert told(mistakes(tmp_path, text)) == [
        "E111 1:1 'neck' needs a value for 'channels'",
        "E111 1:1 'neck' needs a value for 'levels'",
    ]
    assert bound(tmp_path, text, levels="3..5", channels=8).input_channels == {3: 8, 4: 8, 5: 8}


def test_required_parameters(tmp_path: Path) -> None:
    text = NECK.replace("channels: 64", "channels: required, depth: required")
    assert told(mistakes(tmp_path, text, sets("channels=8"))) == [
        "E111 2:65 'neck' needs a value for 'depth'"
    ]
    assert mistakes(tmp_path, text, sets("channels=8", "depth=2")) == []


def test_let_has_values_and_functions(tmp_path: Path) -> None:
    text = NECK.replace(
        "defaults:",
        "let:\n  half: channels // 2\n  filters(c, f): multiple(c * f, 8)\n"
        "  deep(c): filters(c, 2) + half\n  width: deep(10)\ndefaults:",
    )
    assert bound(tmp_path, text).names["width"] == 24 + 32


def test_what_needs_a_value_that_failed_is_not_reported(tmp_path: Path) -> None:
    text = NECK.replace(
        "defaults:", "let: {a: 1 / 0, b: a + 1, c: b + a, d: dd, e(x): a * x, f: e(2)}\ndefaults:"
    )
    assert told(mistakes(tmp_path, text)) == [
        "E303 3:10 division by zero in '1 / 0'",
        "E302 3:40 unknown name 'dd'",
    ]


def test_a_document_has_a_bounded_number_of_names(tmp_path: Path) -> None:
    lines = "".join(f"  v{i}: {i}\n" for i in range(1_000))
    (found,) = mistakes(tmp_path, NECK.replace("defaults:", f"let:\n{lines}defaults:"))
    assert (found.code, found.message) == (
        "E304",
        "'neck' has more than 1,000 parameters and values",
    )
