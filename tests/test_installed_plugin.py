"""A plugin in a distribution of its own, installed by pip, in processes of their own."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from archgraph.codegen.interpreter import Interpreter
from archgraph.compiler import compile_spec
from tests.plugin_tables import kept_tables

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = ROOT / "tests" / "plugin"
SPEC = PLUGIN / "shuffled.yaml"
KEYS = [f"td{level}.block.gate.conv.weight" for level in (5, 4, 3)]
PIP = ("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the plugin, and nothing else, is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    source, target = folder / "source", folder / "site"
    shutil.copytree(PLUGIN, source, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", *PIP, "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def archgraph(*arguments: str | Path, path: Path | None) -> subprocess.CompletedProcess[str]:
    places = [str(ROOT), *([str(path)] if path else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "archgraph", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
def test_commands_know_what_is_installed(site: Path) -> None:
    assert archgraph("check", SPEC, path=site).stdout.endswith("shuffled.yaml: ok, 2 documents\n")
    passes = archgraph("passes", SPEC, "--explain", path=site).stdout
    assert "limit-operands: 1 rewrite" in passes
    assert "td3 no longer reads td5" in passes
    listed = archgraph("list", "spatial-gate", path=site).stdout
    assert "in archgraph_example" in listed


@pytest.mark.slow
def test_macs_are_those_of_the_plugin(site: Path) -> None:
    table = archgraph("cost", SPEC, "--json", path=site)
    assert table.returncode == 0, table.stderr
    pixels = 64**2 + 32**2 + 16**2
    assert f'"macs": {2 * 5**2 * pixels}' in table.stdout
    assert f'"parameters": {3 * 2 * 5**2}' in table.stdout


def test_without_the_plugin_its_names_mean_nothing() -> None:
    done = archgraph("check", SPEC, path=None)
    assert done.returncode == 1
    assert "shuffled.yaml:13:" in done.stdout
    assert "error[E109]: there is no block 'channel-shuffle'" in done.stdout


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugin in this process."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    with kept_tables():
        importlib.import_module("archgraph_example")
        yield
    del sys.modules["archgraph_example"]


def test_the_file_needs_neither_archgraph_nor_the_plugin(
    site: Path, tmp_path: Path, registered: None
) -> None:
    file, inputs, results = (tmp_path / name for name in ("net.py", "in.pt", "out.pt"))
    emitted = archgraph("emit", SPEC, "-o", file, path=site)
    assert emitted.returncode == 0, emitted.stderr
    torch.manual_seed(0)
    oracle = Interpreter(compile_spec(str(SPEC)).operators.graph)
    features = [torch.randn(2, 16, 64 // 2**i, 48 // 2**i) for i in range(3)]
    torch.save({"features": features, "state": oracle.state_dict()}, inputs)
    script = f"""
import sys, torch
sys.path.insert(0, {str(tmp_path)!r})
from net import Shuffled
network, given = Shuffled(), torch.load({str(inputs)!r})
network.load_state_dict(given["state"])
torch.save([list(network.state_dict()), network(given["features"])], {str(results)!r})
assert not [name for name in sys.modules if name.startswith("archgraph")]
"""
    # -I: neither PYTHONPATH nor the folder of the process
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    keys, outputs = torch.load(results)
    assert keys == KEYS
    for found, expected in zip(outputs, oracle(features), strict=True):
        assert torch.equal(found, expected)


BROKEN = """\
import sys
raise ImportError("it needs a\\nnewer world")
"""


def test_a_broken_plugin_is_named(tmp_path: Path) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text("[archgraph.plugins]\nbad = broken_plugin\n", "utf-8")
    (tmp_path / "broken_plugin.py").write_text(BROKEN, "utf-8")
    done = archgraph("check", "bifpn", path=tmp_path)
    assert done.returncode == 1
    expected = (
        "error[E141]: plugin 'bad' of broken (broken_plugin) cannot be loaded: ImportError: it"
        " needs a newer world (broken_plugin.py:2)\n  help: mend or uninstall broken\n"
    )
    assert done.stdout + done.stderr == expected
    assert "Traceback" not in done.stderr
    # What needs no names goes on.
    assert archgraph("--version", path=tmp_path).returncode == 0
