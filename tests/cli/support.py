"""Runs command lines in this process, and specs to run them on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

GOOD = """\
topology: neck
parameters: {levels: {levels: 3..5}, channels: 8}
defaults:
  node: {fuse: sum, block: none}
  edge: {up: resize mode=nearest}
nodes:
  - {for: l in hi downto lo, name: td<l>, from: [in<l>, maybe td<l+1>]}
outputs: td<l>
"""
# two documents, a mistake in each
WRONG = f"{GOOD.replace('fuse: sum', 'fuse: summ')}---\n{GOOD.replace('neck', 'other')}output: x\n"
PINNED = GOOD.replace("from:", "pin: true, from:") + "passes: [prune-single-input]\n"
# nothing reads `lost`
ODD = GOOD.replace("outputs:", "  - {name: lost, level: 3, from: [in3]}\noutputs:")


@dataclass(frozen=True)
class Outcome:
    """What a command line left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which is one JSON document and nothing else."""
        return json.loads(self.out)


class Command(Protocol):
    """Runs `archgraph ARGUMENTS` in this process, in an empty folder."""

    def __call__(self, *arguments: str | Path) -> Outcome: ...
