"""Random specs through the whole compiler; what holds for them is written in `checks.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.codegen.checks import (
    FOUND,
    ROOT,
    Case,
    case_of,
    check_all,
    check_export,
    check_layout,
    kept,
)
from tests.codegen.random_specs import RandomSpec, random_specs, read_spec

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
# Emits the specs of the folders that are given, each with its arguments.
EMITS = """
import json, sys
from pathlib import Path
from archgraph.compiler import arguments_from_python, emit_source
for folder in sys.argv[1:]:
    arguments = json.loads(Path(folder, "arguments.json").read_text("utf-8"))
    variant = arguments.pop("variant", "")
    path = Path(folder, "random.yaml")
    source = emit_source(str(path), arguments_from_python(arguments), variant=variant)
    Path(folder, "random.py").write_text(source.text, "utf-8")
"""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Maps are so small that threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@settings(max_examples=60, suppress_health_check=QUIET)
@given(spec=random_specs())
def test_random_specs(spec: RandomSpec) -> None:
    with kept(spec, "random"):
        check_all(spec, check_layout)


@pytest.mark.slow
@settings(max_examples=1000, suppress_health_check=QUIET)
@given(spec=random_specs())
def test_many_random_specs(spec: RandomSpec) -> None:
    with kept(spec, "many"):
        check_all(spec)


@settings(max_examples=3, suppress_health_check=QUIET)
@given(spec=random_specs(), training=st.booleans())
def test_random_specs_exported(spec: RandomSpec, training: bool) -> None:
    with kept(spec, "exported"):
        check_export(case_of(spec), training)


@pytest.mark.slow
@settings(max_examples=100, suppress_health_check=QUIET)
@given(spec=random_specs(), training=st.booleans())
def test_many_random_specs_exported(spec: RandomSpec, training: bool) -> None:
    with kept(spec, "many-exported"):
        check_export(case_of(spec), training)


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.yaml")), ids=lambda path: str(path.stem))
def test_specs_that_once_failed(path: Path) -> None:
    spec = read_spec(path.read_text("utf-8"))
    check_all(spec, check_layout, check_export)


def test_a_failure_leaves_its_smallest_spec(tmp_path: Path) -> None:
    def spec_of(number: int) -> RandomSpec:
        text = f"topology: net\nparameters: {{channels: {number}}}\n"
        return RandomSpec(text, {"variant": "small", "two": number}, (number, 64))

    @settings(database=None)
    @given(spec=st.builds(spec_of, st.integers(0, 1000)))
    def small(spec: RandomSpec) -> None:
        with kept(spec, "small", tmp_path):
            assert spec.image_size[0] < 7

    with pytest.raises(AssertionError) as error:
        small()
    (path,) = tmp_path.iterdir()
    assert any(str(path) in note for note in error.value.__notes__)
    assert read_spec(path.read_text("utf-8")) == spec_of(7)


def drawn(count: int) -> list[Case]:
    """Random specs, compiled and emitted."""
    found: list[Case] = []

    @settings(
        max_examples=count, database=None, suppress_health_check=QUIET, phases=[Phase.generate]
    )
    @given(spec=random_specs())
    def collect(spec: RandomSpec) -> None:
        found.append(case_of(spec))

    collect()
    return found


def check_processes(cases: list[Case], folder: Path) -> None:
    """A process that orders its sets otherwise emits the same bytes."""
    texts: dict[Path, str] = {}
    for i, case in enumerate(cases):
        here = folder / str(i)
        here.mkdir()
        (here / "random.yaml").write_text(case.spec.text, "utf-8")
        (here / "arguments.json").write_text(json.dumps(case.spec.arguments), "utf-8")
        texts[here] = case.source.text
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    subprocess.run(
        [sys.executable, "-c", EMITS, *map(str, texts)],
        check=True,
        env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": str(ROOT)},
    )
    for here, text in texts.items():
        assert (here / "random.py").read_text("utf-8") == text, (here / "random.yaml").read_text()


def test_sources_are_the_same_in_another_process(tmp_path: Path) -> None:
    check_processes(drawn(10), tmp_path)


@pytest.mark.slow
def test_many_sources_are_the_same_in_another_process(tmp_path: Path) -> None:
    check_processes(drawn(200), tmp_path)
