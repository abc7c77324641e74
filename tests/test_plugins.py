"""Registering operators, fusions and passes: what is refused, and what a plugin's bug becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import torch
from torch import Tensor, nn

import archgraph
from archgraph import entry_points
from archgraph.cli.main import main
from archgraph.codegen.interpreter import Interpreter
from archgraph.codegen.snippets import ADDED
from archgraph.compiler import build, check_spec, compile_spec, emit_source
from archgraph.errors import ArchgraphError
from archgraph.ir.ops import OPERATORS
from archgraph.ir.signature import FUSIONS
from archgraph.passes import PASSES
from archgraph.plugins import (
    Constructed,
    FeatureType,
    Form,
    Model,
    Op,
    Pass,
    Rewrites,
    Stage,
    Texts,
    module_call,
)
from tests.plugin_tables import kept_tables

NECK = """\
topology: neck
parameters: {levels: {levels: 3..4}, channels: 8}
nodes:
  - {for: l in lo..hi, name: out<l>, use: STEP, from: in<l>}
outputs: out<l>
"""


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    with kept_tables():
        yield


def free(op: Op, site: object) -> tuple[int, int]:
    return 0, 0


def half_form(op: Any, _: Sequence[FeatureType]) -> Form:
    return Form((), lambda operands, texts: f"{operands[0]} / {texts['by']}", slots={"by": op.by})


@dataclass(frozen=True)
class Halve(Op):
    """Divides."""

    kind: ClassVar[str] = "halve"

    by: float = 2.0
    way: Literal["up", "down"] = "up"


def register(kind: type[Op], **options: Any) -> type[Op]:
    return archgraph.operator(**{"form": half_form, "work": free, **options})(kind)


def spec(folder: Path, step: str) -> str:
    file = folder / "neck.yaml"
    file.write_text(NECK.replace("STEP", step), "utf-8")
    return str(file)


def test_a_registered_operator_compiles_until_it_is_gone(tmp_path: Path) -> None:
    with kept_tables():
        register(Halve)
        (first, _) = build(spec(tmp_path, "halve by=4"))([torch.ones(1, 8, 4, 4)] * 2)
        assert torch.equal(first, torch.full((1, 8, 4, 4), 0.25))
        assert not check_spec(spec(tmp_path, "halve way=down"))
        assert [d.code for d in check_spec(spec(tmp_path, "halve way=left"))] == ["E113"]
    assert [d.code for d in check_spec(spec(tmp_path, "halve by=4"))] == ["E109"]


def test_a_class_that_is_written_again_takes_the_place_of_the_first() -> None:
    register(Halve)
    again = type("Halve", (Op,), {"kind": "halve", "__module__": __name__, "__qualname__": "Halve"})
    register(dataclass(frozen=True)(again))
    assert OPERATORS["halve"] is not Halve


class Weighted(nn.Module):
    """A factor, learned."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, 1, 1), 3.0))

    def forward(self, x: Tensor) -> Tensor:
        return _times(x, self.weight)


def _times(x: Tensor, factor: Tensor) -> Tensor:
    return x * factor


@dataclass(frozen=True)
class Weigh(Op):
    """Weighs channels."""

    kind: ClassVar[str] = "weigh"

    def parameters(self, inputs: Sequence[FeatureType]) -> dict[str, tuple[int, ...]]:
        return {"weight": (inputs[0].channels, 1, 1)}


def weigh_form(op: Op, inputs: Sequence[FeatureType]) -> Form:
    def module(texts: Texts) -> Constructed:
        return Constructed("Weighted", (texts["channels"],))

    channels = frozenset({"channels"})
    return Form((), module_call, module, {"channels": inputs[0].channels}, channels)


def test_definitions_are_copied_with_what_they_need(tmp_path: Path) -> None:
    register(Weigh, form=weigh_form, definitions=[Weighted, _times])
    file = spec(tmp_path, "weigh")
    text = emit_source(file).text
    assert text.count("class Weighted(nn.Module):") == 1
    assert text.count("def _times(") == 1
    x = torch.randn(1, 8, 2, 2)
    module, oracle = build(file), Interpreter(compile_spec(file).operators.graph)
    assert list(module.state_dict()) == list(oracle.state_dict()) == ["out3.weight", "out4.weight"]
    assert torch.equal(module([x, x])[0], 3 * x)
    assert torch.equal(oracle([x, x])[0], 3 * x)
    # What does not use it does not carry it.
    assert "_times" not in emit_source("fpn").text


def test_a_fusion_fixes_numbers_and_words(tmp_path: Path) -> None:
    archgraph.fusion("gentle", "weighted-sum normalize=fast eps=0.5")
    file = tmp_path / "neck.yaml"
    file.write_text(NECK.replace("use: STEP", "fuse: gentle"), "utf-8")
    assert "eps=0.5" in emit_source(str(file)).text
    assert "per" in [p.name for p in fusion_entry("gentle").parameters]
    assert fusion_entry("gentle").origin == __name__


def fusion_entry(name: str) -> Any:
    from archgraph.cli.vocabulary import vocabulary
    from archgraph.spec import Library

    (entry,) = [each for each in vocabulary(Library()) if each.name == name]
    return entry


# --- what is refused -------------------------------------------------------------------------


def refused(call: Callable[[], object]) -> str:
    rows = [len(OPERATORS), len(FUSIONS), len(PASSES), len(ADDED)]
    with pytest.raises(ArchgraphError) as caught:
        call()
    assert [len(OPERATORS), len(FUSIONS), len(PASSES), len(ADDED)] == rows
    (found,) = caught.value.diagnostics
    assert found.code == "E140"
    return found.message


def operator_like(base: type = Op, frozen: bool = True, **body: Any) -> type:
    types = body.pop("types", {})
    members = {"kind": "own", "__annotations__": types, "__module__": __name__, **body}
    return dataclass(frozen=frozen)(type("Own", (base,), members))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"kind": "Own"}, "is no name"),
        ({"kind": "own--op"}, "is no name"),
        ({"kind": "conv"}, "the name is taken"),
        ({"kind": "split"}, "the name is taken"),
        ({"kind": "relu"}, "the name is taken"),
        ({"kind": "softmax"}, "the name is taken"),
        ({"kind": "fuse"}, "the name is taken"),
        ({"kind": "conv-norm"}, "a document of the library has this name"),
        ({"kind": 3}, "has no 'kind'"),
        ({"types": {"width": list[int]}}, "field 'width' of operator 'own' is list[int]"),
        ({"types": {"width": str}}, "expected int, float, bool or a Literal"),
        ({"types": {"width": Literal[1, 2]}}, "allows what is no word"),
        ({"types": {"width": int}, "width": 2.0}, "the default of field 'width'"),
        ({"types": {"width": int}, "width": True}, "the default of field 'width'"),
        ({"types": {"w": Literal["a"]}, "w": "b"}, "the default of field 'w'"),
        ({"types": {"w": int}, "w": field(init=False, default=1)}, "cannot be written in a step"),
        ({"types": {"width": "Missing"}}, "the types of operator 'own' are not known"),
        ({"arity": (0, 1)}, "the arity of operator 'own'"),
        ({"arity": (2, 1)}, "the arity of operator 'own'"),
        ({"arity": 2}, "the arity of operator 'own'"),
        ({"arity": (2, 2), "ports": ("x",)}, "takes (2, 2) operands and names 1"),
    ],
)
def test_an_operator_is_checked(body: dict[str, Any], said: str) -> None:
    kind = operator_like(**body)
    assert said in refused(lambda: register(kind))


def test_an_operator_is_a_frozen_dataclass_of_ours() -> None:
    class Bare(Halve):
        kind: ClassVar[str] = "bare"

    @dataclass
    class Alien:
        kind: ClassVar[str] = "alien"

    assert "no frozen dataclass" in refused(lambda: register(Bare))
    alien: Any = Alien
    assert "not derived from Op" in refused(lambda: register(alien))
    plain: Any = half_form
    assert "not derived from Op" in refused(lambda: register(plain))


@pytest.mark.parametrize(
    ("name", "step", "said"),
    [
        ("sum", "maximum", "the name is taken"),
        ("Own", "maximum", "is no name"),
        ("own", "conv kernel=3", "expected an operator of any number of operands"),
        ("own", "convex", "expected an operator of any number of operands"),
        ("own", "weighted-sum normalise=fast", "has no argument 'normalise'"),
        ("own", "weighted-sum normalize=slow", "expected one of"),
        ("own", "weighted-sum eps=tiny", "'eps' of fusion 'own' is 'tiny'; expected a number"),
    ],
)
def test_a_fusion_is_checked(name: str, step: str, said: str) -> None:
    assert said in refused(lambda: archgraph.fusion(name, step))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": "lower"}, "there is one already"),
        ({"name": "Own"}, "is no name"),
        ({"stage": Stage.OPERATORS}, "is not at PYRAMID"),
        ({"stage": None}, "is not at PYRAMID"),
        ({"types": {"most": float}}, "option 'most' of pass 'own' is no int"),
    ],
)
def test_a_pass_is_checked(body: dict[str, Any], said: str) -> None:
    kind = operator_like(Pass, **{"name": "own", "stage": Stage.PYRAMID, **body})
    assert said in refused(lambda: archgraph.topology_pass(kind))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class lower(nn.Module): ...", "is called 'lower'"),
        ("def spread(x): return x", "is called 'spread'"),
        ("class FastFusion(nn.Module): ...", "and so is another one"),
        ("def _f(x):\n    return os.getcwd()", "'_f', uses 'os'"),
        ("LIMIT = 3\ndef _f(x):\n    return LIMIT", "'_f', uses 'LIMIT'"),
        ("def _f(x):\n    import os\n    return os", "imports something"),
        ("@cache\ndef _f(x):\n    return x", "has a decorator"),
        ("def _f(x:\n", "cannot be read"),
    ],
)
def test_a_definition_is_checked(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "layers.py"
    file.write_text(text, "utf-8")
    assert said in refused(lambda: register(Weigh, definitions=file))


def test_what_has_no_text_cannot_be_copied(tmp_path: Path) -> None:
    assert "cannot be read" in refused(lambda: register(Weigh, definitions=[int]))
    missing = tmp_path / "missing.py"
    assert "cannot be read" in refused(lambda: register(Weigh, definitions=missing))


# --- a plugin's own bugs -----------------------------------------------------------------------


def broken(*_: object) -> Any:
    raise KeyError("nothing")


def test_a_bug_of_a_plugin_is_not_one_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register(Halve, form=broken, work=broken)
    file = spec(tmp_path, "halve")
    for command in ("emit", "cost"):
        assert main([command, file]) == 1
        said = capsys.readouterr().err
        assert "error[E142]: the" in said
        assert "of operator 'halve' fails: KeyError: 'nothing' (test_plugins.py:" in said
    register(operator_like(infer=broken))
    assert [d.code for d in check_spec(spec(tmp_path, "own"))] == ["E142"]


def test_a_bug_of_a_pass_has_the_place_where_it_is_listed(tmp_path: Path) -> None:
    @archgraph.topology_pass
    @dataclass(frozen=True)
    class Break(Pass):
        """Fails."""

        name: ClassVar[str] = "break"
        stage: ClassVar[Stage] = Stage.PYRAMID

        def rewrite(self, model: Model) -> Rewrites:
            raise RuntimeError("no")

    file = tmp_path / "neck.yaml"
    file.write_text(NECK.replace("STEP", "conv channels=8") + "passes: [break]\n", "utf-8")
    (found,) = check_spec(str(file))
    assert found.code == "E142"
    assert found.location is not None
    assert found.location.line == 6


# --- entry points ------------------------------------------------------------------------------


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes an entry point that names something of this module."""

    def install(value: str) -> None:
        point = metadata.EntryPoint("test", value, entry_points.GROUP)
        monkeypatch.setattr(metadata, "entry_points", lambda group: [point])
        monkeypatch.setattr(entry_points, "_failures", {})

    return install


def test_an_entry_point_may_be_a_callable(
    installed: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[str] = []

    def plug() -> None:
        calls.append("plugged")
        register(Halve)
        # It may compile something itself.
        assert not check_spec(spec(tmp_path, "halve"))

    monkeypatch.setattr(nn, "archgraph_plug", plug, raising=False)
    installed("torch.nn:archgraph_plug")
    assert not check_spec(spec(tmp_path, "halve"))
    compile_spec(spec(tmp_path, "halve"))
    assert calls == ["plugged"]


def test_a_broken_entry_point_stops_every_spec(
    installed: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nn, "archgraph_plug", lambda: register(operator_like(kind="conv")), False)
    installed("torch.nn:archgraph_plug")
    for call in (compile_spec, check_spec, build, emit_source):
        with pytest.raises(ArchgraphError) as caught:
            call("bifpn")
        (found,) = caught.value.diagnostics
        assert found.code == "E141"
        assert found.message.endswith(
            "cannot be loaded: E140: operator 'conv': the name is taken; choose another name"
        )
