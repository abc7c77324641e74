"""Options and hypothesis profiles of the whole suite.

`HYPOTHESIS_PROFILE=slow` looks longer and at other examples each time; `--update-goldens`
rewrites golden files, whose change is then reviewed like any other.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores: more threads than these would only wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("quick", derandomize=True, deadline=None, max_examples=60)
settings.register_profile("slow", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-goldens`."""
    parser.addoption("--update-goldens", action="store_true", help="rewrite golden files")


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update-goldens"))
