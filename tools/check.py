"""Run the gates of the project and end with a summary.

python tools/check.py              format, lint, types, tests
python tools/check.py lint types   only these
python tools/check.py slow         the tests marked slow
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Gate:
    """A command that must succeed: `python -m <arguments>`, run in the root of the checkout."""

    name: str
    arguments: tuple[str, ...]
    accepted: tuple[int, ...] = (0,)

    def run(self) -> bool:
        command = (sys.executable, "-m", *self.arguments)
        print(f"== {self.name}: {' '.join(self.arguments)}", flush=True)
        return subprocess.run(command, cwd=ROOT, check=False).returncode in self.accepted


NO_TESTS_COLLECTED = 5
GATES = (
    Gate("format", ("ruff", "format", "--check", ".")),
    Gate("lint", ("ruff", "check", ".")),
    Gate("types", ("mypy", "--strict")),
    Gate("tests", ("pytest", "-q", "-n", "auto")),
    Gate("slow", ("pytest", "-q", "-m", "slow", "-n", "auto"), accepted=(0, NO_TESTS_COLLECTED)),
)


def main() -> int:
    """Run the chosen gates, all of them even after a failure; 0 if every one passed."""
    names = [gate.name for gate in GATES]
    parser = argparse.ArgumentParser(description="Run the gates of the project.")
    parser.add_argument(
        "gates", nargs="*", metavar="gate", help=f"{', '.join(names)} (default: all but slow)"
    )
    chosen: list[str] = parser.parse_args().gates or [name for name in names if name != "slow"]
    if unknown := [name for name in chosen if name not in names]:
        parser.error(f"no gate {', '.join(unknown)}; there are {', '.join(names)}")

    summary: list[str] = []
    passed = True
    for gate in GATES:
        if gate.name in chosen:
            start = time.monotonic()
            good = gate.run()
            passed = passed and good
            seconds = time.monotonic() - start
            summary.append(f"{gate.name:<8}{'ok' if good else 'FAILED':<8}{seconds:6.1f} s")
    print("== summary", *summary, sep="\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
