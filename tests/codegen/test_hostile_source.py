"""No text of a spec gets into a generated file but as a checked name, a number or a docstring."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from archgraph.codegen import load_module
from archgraph.compiler import arguments_from_python, emit_source
from archgraph.errors import ArchgraphError, Diagnostic
from archgraph.spec import parse_setting
from archgraph.spec.reader import read_documents
from tests.codegen.hostile import NAMES, TEXTS, HostileSpec, hostile_specs, quoted, spec_text
from tests.codegen.source_whitelist import strange

# --- the whitelist itself --------------------------------------------------------------------

FILE = '''"""A network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Net(nn.Module):
    """A network."""

    levels = (3,)
{fact}
    def __init__(self, channels: int{argument}) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, 8, 1)  # a.yaml:3
        self.b = nn.ModuleDict({{"in3": nn.Identity()}})
{init}
    def forward(self, features: list[Tensor]) -> list[Tensor]:
        (x,) = features
        x = self.b["in3"](self.a(x))
{forward}
        return [F.interpolate(x, size=x.shape[-2:], mode="nearest")]
{after}
'''
GOOD = {
    "nothing more": {},
    "a loop over modules": {"forward": "for cell in self.cells:\n    x = cell(x)"},
    "a comprehension": {"init": "self.cells = nn.ModuleList([nn.Identity() for _ in range(3)])"},
    "a sequence": {"init": "self.tower = nn.Sequential(*(nn.ReLU() for _ in range(channels)))"},
    "an optional part": {"init": "self.c = nn.Identity() if channels > 3 else None"},
    "an optional call": {"forward": "if self.c is not None:\n    x = self.c(x)"},
    "a list of its own": {"forward": "x = [self.cells[i](x) for i, x in enumerate(features)][0]"},
    "a prelude class as a base": {"after": "class Other(Net):\n    pass_levels = (1, 2)"},
    "a size check": {
        "forward": 'if x.shape[-1] % 8:\n    raise ValueError(f"{x.shape[-1]} is no multiple of 8")'
    },
    "numbers": {"init": "self.n = max(1, round(channels * 0.25)) // 2"},
    "a concatenation": {"forward": "x = torch.cat([x, features[0]], 1)"},
    "a module that is lent": {
        "after": "class B(nn.Module):\n    def forward(self, x: Tensor, m: nn.Module) -> Tensor:\n        return m(x)"
    },
}
WRONG = {
    "an import": {"after": "import os"},
    "an import from": {"after": "from os import system"},
    "an import inside": {"forward": "import os"},
    "another name of torch": {"after": "import torch as math"},
    "a statement": {"after": "print(1)"},
    "a text as a statement": {"init": '"text"'},
    "an assert": {"forward": "assert x"},
    "a call of an argument": {
        "after": "class B(nn.Module):\n    def forward(self, x: Tensor, m: Tensor) -> Tensor:\n        return m(x)"
    },
    "a global": {"forward": "global x1"},
    "a while": {"forward": "while x:\n    del x"},
    "a with": {"forward": "with x:\n    del x"},
    "a try": {"forward": "try:\n    del x\nfinally:\n    del x"},
    "a lambda": {"init": "self.c = lambda x: x"},
    "a walrus": {"forward": "x = (y := x)"},
    "a yield": {"forward": "yield x"},
    "an await": {"after": "async def f() -> None:\n    await f()"},
    "a set": {"forward": "x = {x}"},
    "an f-string": {"forward": 'x = f"{x}"'},
    "a decorator": {"after": "@Net\nclass B(nn.Module):\n    levels = 1"},
    "a metaclass": {"after": "class B(nn.Module, metaclass=Net):\n    levels = 1"},
    "another base": {"after": "class B(torch.autograd.Function):\n    levels = 1"},
    "another method": {"after": "class B(nn.Module):\n    def __getattr__(self, n: int) -> int: return n"},
    "a class taken twice": {"after": "class Net(nn.Module):\n    levels = 1"},
    "a class called as a builtin": {"after": "class len(nn.Module):\n    levels = 1"},
    "a prelude class that is another": {"after": "class FastFusion(nn.Module):\n    x = eval"},
    "eval": {"forward": "x = eval(x)"},
    "exec": {"forward": "exec(x)"},
    "getattr": {"forward": "x = getattr(x, 'a')"},
    "globals": {"forward": "x = globals()"},
    "open": {"forward": "x = open(x)"},
    "print": {"forward": "print(x)"},
    "a builtin that is not called": {"forward": "x = eval"},
    "a dunder name": {"forward": "x = __builtins__"},
    "a dunder attribute": {"forward": "x = x.__class__"},
    "a dunder of self": {"forward": "x = self.__dict__"},
    "a private attribute": {"forward": "x = self._modules"},
    "another method of super": {"init": "super().__setattr__(channels, channels)"},
    "a method of modules": {"init": "self.apply(nn.Identity)"},
    "a method of tensors": {"forward": "x = x.numpy()"},
    "torch.load": {"forward": "x = torch.load(x)"},
    "torch.ops": {"forward": "x = torch.ops.aten.add(x)"},
    "something imported by F": {"forward": "x = F.importlib(x)"},
    "F.torch": {"forward": "x = F.torch.load(x)"},
    "another class of nn": {"init": "self.c = nn.DataParallel(channels)"},
    "a text as an argument": {"init": 'self.c = nn.Identity("text")'},
    "a text as a default": {"argument": ', b: str = "text"'},
    "a call as a default": {"argument": ", b: int = print()"},
    "a text as an annotation": {"argument": ', b: "int" = 1'},
    "a call as an annotation": {"argument": ", b: eval() = 1"},
    "a private argument": {"argument": ", _b: int = 1"},
    "an argument called range": {
        "argument": ", range: int = 1", "init": "self.c = nn.ModuleList([nn.ReLU() for _ in range(2)])"
    },
    "a variable called torch": {"forward": "torch = x\nx = torch.sigmoid(x)"},
    "an odd key": {"init": 'self.c = nn.ModuleDict({"a b": nn.Identity()})'},
    "an odd index": {"forward": 'x = self.b["a b"](x)'},
    "a text as an index of a tensor": {"forward": 'x = x["in3"]'},
    "a call of a call": {"forward": "x = self.a(x)(x)"},
    "a call of a value": {"forward": "x = x(x)"},
    "a text as a fact": {"fact": '    name = "text"'},
    "an odd hash": {"fact": '    spec_hash = "text"'},
    "a fact that is computed": {"fact": "    name = eval"},
    "a class in a class": {"fact": "    class A:\n        pass"},
    "a statement in a class": {"fact": "    print(1)"},
    "an attribute of something else": {"forward": "x.requires_grad = self"},
    "a deleted attribute": {"forward": "del self.a"},
    "bytes": {"init": "self.c = b'a'"},
    "a complex number": {"init": "self.c = 1j"},
    "a huge number": {"init": "self.c = 1e400"},
    "another exception": {"forward": "raise SystemExit(x)"},
    "an exception with a call": {"forward": 'raise ValueError(f"{eval(x)}")'},
    "an exception with an odd text": {"forward": 'raise ValueError("\\n")'},
    "a comment that means something": {"after": "# type: ignore"},
    "a character that turns the line": {"after": "# \u202e"},
    "a character that is not seen": {"after": "# a\u200bb"},
    "an escape that is none": {"after": 'class B(nn.Module):\n    """\\d"""'},
    "what does not parse": {"after": "a b"},
    "a NUL": {"after": "# \0"},
}  # fmt: skip


def file_with(parts: Mapping[str, str]) -> str:
    deep = {"init": 8, "forward": 8}
    filled = {
        name: "\n".join(" " * deep.get(name, 0) + line for line in text.split("\n"))
        for name, text in parts.items()
    }
    blank = dict.fromkeys(("fact", "argument", "init", "forward", "after"), "")
    return FILE.format(**{**blank, **filled})


@pytest.mark.parametrize("name", GOOD)
def test_what_a_person_would_write_may_stand_there(name: str) -> None:
    assert strange(file_with(GOOD[name])) == []


@pytest.mark.parametrize("name", WRONG)
def test_everything_else_may_not(name: str) -> None:
    assert strange(file_with(WRONG[name])) != []


# --- by hand ---------------------------------------------------------------------------------


def base(**places: str) -> list[dict[str, Any]]:
    """A spec with a text in every place that takes one, each harmless unless given."""
    plain = {place: place for place in PLACES}
    at = {**plain, "node_doc": "A node.", "doc": "A network.", "block_doc": "A block.", **places}
    return [
        {
            "topology": at["topology"],
            "doc": at["doc"],
            "parameters": {"levels": {"levels": "3..4"}, "channels": 8, at["parameter"]: 8},
            "let": {at["value"]: 8},
            "variants": {at["variant"]: {"channels": 16}},
            "defaults": {"node": {"fuse": "fast", "block": f"{at['block']} {at['argument']}=8"}},
            "inputs": [{"name": at["input"], "level": 3}, {"name": "in4", "level": 4}],
            "nodes": [
                {
                    "name": at["node"],
                    "doc": at["node_doc"],
                    "level": 3,
                    "from": [
                        at["input"],
                        {"name": at["edge"], "from": "in4", "project": "conv", "up": "resize"},
                    ],
                },
                {"for": f"{at['loop']} in 1..1", "name": f"b<{at['loop']}>", "use": "parts", "from": "in4"},
                {"name": "last", "level": 4, "use": "conv channels=8", "from": f"b1.{at['result']}"},
            ],
            "outputs": {"3": at["node"], "4": "last"},
        },
        {
            "block": at["block"],
            "doc": at["block_doc"],
            "parameters": {at["argument"]: 8, "function": {"step": "relu"}},
            "nodes": [
                {"name": at["inner"], "use": f"conv channels={at['argument']}", "doc": at["node_doc"]},
                {"name": "rest", "use": "activation function=<function>"},
            ],
        },
        {
            "block": "parts",
            "inputs": [at["port"]],
            "nodes": [
                {"name": "one", "use": "relu", "from": at["port"], "share": at["shared"]},
                {"name": "two", "use": "conv channels=4", "share": at["shared_conv"]},
            ],
            "outputs": {at["result"]: "one", "other": "two"},
        },
    ]  # fmt: skip


PLACES = """topology parameter value variant block argument input node edge loop inner port shared
    shared_conv result""".split()


def emitted(text: str, path: Path, **arguments: object) -> str:
    """The source of a spec, which must be clean and must load."""
    path.write_text(text, "utf-8")
    variant = str(arguments.pop("variant", ""))
    source = emit_source(os.fspath(path), arguments_from_python(arguments), variant=variant)
    assert strange(source.text) == []
    load_module(source)
    return source.text


def refused(text: str, path: Path, **arguments: object) -> tuple[Diagnostic, ...]:
    """What the compiler says of a spec; nothing if it compiles, to a clean source."""
    try:
        emitted(text, path, **arguments)
    except ArchgraphError as error:
        return error.diagnostics
    return ()


def without_docstrings(text: str) -> str:
    """The code of a file, without a word for readers."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            documented = ast.get_docstring(node) is not None
            node.body = node.body[documented:]
    return ast.unparse(tree)


halves = pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.slow)])


def test_the_plain_spec_compiles(tmp_path: Path) -> None:
    text = emitted(spec_text(base()), tmp_path / "neck.yaml")
    for place in ("doc", "block_doc"):
        assert {"doc": "A network.", "block_doc": "A block."}[place] in text


@halves
def test_docs_are_docstrings_and_nothing_else(part: int, tmp_path: Path) -> None:
    path = tmp_path / "neck.yaml"
    plain = without_docstrings(emitted(spec_text(base()), path))
    for text in TEXTS[part::2]:
        docs = spec_text(base(doc=text, block_doc=text, node_doc=text))
        assert without_docstrings(emitted(docs, path)) == plain


@halves
def test_names_of_files_are_comments_and_nothing_else(part: int, tmp_path: Path) -> None:
    plain = without_docstrings(emitted(spec_text(base()), tmp_path / "neck.yaml"))
    for i, text in enumerate(TEXTS[part::2]):
        name = text.replace("/", "").replace("\0", "").replace("#", "")[:60]
        folder = tmp_path / str(i)
        folder.mkdir()
        found = emitted(spec_text(base()), folder / f"{name}.yaml")
        assert without_docstrings(found) == plain


def check_names(place: str, names: Sequence[str], path: Path) -> None:
    """Each name is refused in this place, or the file is clean all the same."""
    for name in names:
        for found in refused(spec_text(base(**{place: name})), path):
            assert found.location is not None, (name, found)
            assert found.code != "E401", (name, found)
            assert "\n" not in found.message


@pytest.mark.parametrize("place", PLACES)
def test_names_are_checked_or_harmless(place: str, tmp_path: Path) -> None:
    check_names(place, NAMES[PLACES.index(place) % 10 :: 10], tmp_path / "neck.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_all_names_are_checked_or_harmless(place: str, tmp_path: Path) -> None:
    check_names(place, NAMES, tmp_path / "neck.yaml")


STEPS = [
    *("conv channels=__import__('os')", "conv channels=(lambda:8)()", "conv channels=x.__class__"),
    *("conv channels=open", "conv channels=8;import", "conv channels=[8][0]", "conv channels='8'"),
    *("conv channels=8 padding=same';import", "resize mode=nearest\"", "activation function=eval"),
    *("activation function=relu)", "activation function=torch.load", "activation function=<doc>"),
    *("batch-norm eps=nan", "batch-norm eps=1e999", "batch-norm eps=inf", "affine factor=1j"),
    *("conv channels=0x10", "conv channels=1_0", "conv channels=8if(1)else(8)", "__import__"),
    *("conv __class__=1", "conv self=1", "conv channels=8 channels=9", "eval", "exec", "nn.Conv2d"),
    *("conv channels=x.channels.real", "conv channels=max.__call__(1,2)", "conv channels=8#", "os"),
    *("conv channels={8}", "conv channels=f'{8}'", "conv channels=8\nimport", "conv channels=True"),
]  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_steps_are_checked_or_harmless(step: str, tmp_path: Path) -> None:
    in_topology, in_block = base(), base()
    in_topology[0]["nodes"][2]["use"] = step
    in_block[1]["nodes"][1]["use"] = step
    for documents in (in_topology, in_block):
        found = refused(spec_text(documents), tmp_path / "neck.yaml")
        assert all(each.location is not None for each in found)


@pytest.mark.parametrize("key", ["settings.act", "settings.norm", "fuse", "levels", "channels"])
@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_values_of_the_command_line_are_checked_or_harmless(key: str, step: int) -> None:
    for text in [*STEPS, *NAMES[::3], *TEXTS[::3]][::step]:
        with suppress(ArchgraphError):
            arguments = dict([parse_setting("levels=3..4"), parse_setting(f"{key}={text}")])
            assert strange(emit_source("bifpn", arguments).text) == []


# --- over random specs -----------------------------------------------------------------------


def check_hostile(spec: HostileSpec, folder: Path) -> None:
    path = folder / "neck.yaml"
    codes = {found.code for found in refused(spec.text, path, **spec.plain.arguments)}
    assert "E401" not in codes
    if spec.renamed:
        return
    # In a cell `up` measures only what enters the cell, whatever the strategy knows.
    assert codes <= {"E203"}
    if not codes:
        found = emitted(spec.text, path, **spec.plain.arguments)
        plain = emitted(spec.plain.text, path, **spec.plain.arguments)
        assert without_docstrings(found) == without_docstrings(plain)


@given(hostile_specs())
@settings(max_examples=20)
def test_random_specs_with_hostile_texts(
    tmp_path_factory: pytest.TempPathFactory, spec: HostileSpec
) -> None:
    check_hostile(spec, tmp_path_factory.mktemp("hostile"))


@pytest.mark.slow
@given(hostile_specs(most_names=6))
@settings(max_examples=1000)
def test_many_random_specs_with_hostile_texts(
    tmp_path_factory: pytest.TempPathFactory, spec: HostileSpec
) -> None:
    check_hostile(spec, tmp_path_factory.mktemp("hostile"))


def test_what_is_quoted_is_read_back() -> None:
    for text in [*TEXTS, *NAMES]:
        (document,) = read_documents(f"doc: {quoted(text)}\n", "a.yaml")
        assert document.data == {"doc": text}
