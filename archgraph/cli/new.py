"""`archgraph new`: a spec to start from, with comments that teach."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from archgraph.cli.highlight import colour_yaml
from archgraph.cli.options import UsageError, check_output
from archgraph.cli.output import STANDARD_OUTPUT, write_result
from archgraph.errors import Diagnostic, InputOutputError

EXAMPLES = """
[bold]Examples[/]
  archgraph new topology my-neck
  archgraph new block my-block -o blocks.yaml
  archgraph new backbone my-backbone
  archgraph new model my-detector
  archgraph new topology my-neck -o -
"""


class Kind(StrEnum):
    """The kinds of document that there are scaffolds for."""

    TOPOLOGY = "topology"
    BLOCK = "block"
    BACKBONE = "backbone"
    MODEL = "model"


_TOPOLOGY = Template("""\
# `archgraph check $file` finds mistakes, `archgraph draw $file` draws the graph,
# `archgraph emit $file -o $module.py` prints it as PyTorch.
topology: $name
doc: A way down and a way up over all levels.
# What may be set from outside: archgraph check $file --set levels=3..6 --set channels=128
parameters: {levels: {levels: 3..7}, channels: 64}
defaults:
  # What a node is that says nothing itself: a weighted sum, then a block of the library.
  # `archgraph list` has more fusions and blocks.
  node: {fuse: fast, block: act-separable-conv-norm}
  # What an edge does before its value is fused: fit the channels, then the level.
  edge:
    project: {use: conv-norm, when: x.channels != channels}
    up: resize mode=nearest
    down: max-pool kernel=3 stride=2
# Nodes stand in the order of execution. A loop makes one for each level `l`; `in<l>` are inputs.
nodes:
  # From the coarsest level down. `maybe` leaves out what does not exist, here at the top.
  - {for: l in hi downto lo, name: td<l>, from: [in<l>, maybe td<l+1>]}
  # And up again.
  - {for: l in lo..hi, name: out<l>, from: [td<l>, maybe out<l-1>]}
# One feature map for each level.
outputs: out<l>
# Rewrites of the graph, in this order: `archgraph passes $file --explain` tells what they did.
passes: [prune-single-input, add-same-level-skips]
""")
_BLOCK = Template("""\
# `archgraph check $file` finds mistakes. A topology beside this file uses the block by its name:
# `block: $name` after a fusion, or `use: $name channels=64`.
block: $name
doc: A bottleneck that adds its input where the width stays.
# Every use sets these; `required` has no default.
parameters: {channels: required, kernel: 3}
# Values by name, each of what stands above it; `x` is the input of the block.
let:
  hidden: max(8, channels // 4)
# Nodes stand in the order of execution. Each reads the one before it, unless it says `from`.
nodes:
  - {name: reduce, use: conv-norm-act channels=hidden}
  - {name: middle, use: depthwise-norm-act kernel=kernel}
  - {name: widen, use: conv-norm channels=channels}
  # Where `when` is false the node does not exist, and the result is the node before it.
  - {name: total, when: channels == x.channels, use: add, from: [x, widen]}
""")
_BACKBONE = Template("""\
# `archgraph check $file` finds mistakes, `archgraph show $file --summary` counts its stages.
# A model beside this file uses the backbone by its name: `use: $name width=32`.
backbone: $name
doc: Inverted residuals in three stages.
# Every use sets these: archgraph cost $file --set width=32
parameters: {width: 16, depth: 1}
# Named sets of parameters: archgraph cost $file --variant large
variants:
  large: {width: 32, depth: 2}
# What the blocks inherit: activation, norm, padding, and how weights are drawn before training.
settings: {act: silu, init: he-normal}
# Stages stand in the order of execution; each reads the one before it. The first of the repeated
# blocks halves the size. `archgraph list blocks` has more blocks.
nodes:
  - {name: stem, use: conv-norm-act channels=width kernel=3 stride=2}
  - {name: stage2, use: mbconv channels=2*width expand=4, repeat: depth, first: {stride: 2}}
  - {name: stage3, use: mbconv channels=4*width expand=4, repeat: depth, first: {stride: 2}}
  - {name: stage4, use: mbconv channels=8*width expand=4, repeat: depth, first: {stride: 2}}
# Level 3 is the image halved three times.
outputs: {2: stage2, 3: stage3, 4: stage4}
""")
_MODEL = Template("""\
# `archgraph check $file` finds mistakes, `archgraph show $file --summary` counts its sections,
# `archgraph draw $file` draws it, `archgraph emit $file -o $module.py` prints it as PyTorch.
model: $name
doc: A one-stage detector.
# What may be set from outside: archgraph check $file --set classes=20 --set neck=panet
parameters:
  classes: 80
  anchors: 9
  width: 64
  backbone: {step: efficientnet variant=b0}
  neck: {step: bifpn cells=3}
# The size of image that it is meant for.
let:
  image_size: 512
settings: {act: silu, init: glorot-uniform}
# Every node makes a pyramid, a value for each level, from that of the node before it or of `from`.
nodes:
  - {name: backbone, use: <backbone>}
  # Levels 3 to 5 as they are, and two coarser ones.
  - {name: extra, use: pooled-levels levels=3..5 top=7 channels=width}
  - {name: neck, use: <neck> levels=3..7 channels=width}
  # A block is used on every level. Here all levels share its weights, but not its norms.
  - name: classes
    use: detection-head outputs=anchors*classes prior=0.01
    share: levels
    own: [norm]
  - {name: boxes, use: detection-head outputs=4*anchors, from: neck, share: levels, own: [norm]}
outputs: [classes, boxes]
""")
_SCAFFOLDS = {
    Kind.TOPOLOGY: _TOPOLOGY,
    Kind.BLOCK: _BLOCK,
    Kind.BACKBONE: _BACKBONE,
    Kind.MODEL: _MODEL,
}


def new(
    kind: Annotated[Kind, typer.Argument(help="The kind of document.", show_default=False)],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The name of the document.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.yaml",
            help="Where to write, a new file; - is standard output. \\[default: NAME.yaml]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a spec to start from: it checks, and its comments explain it."""
    _check_name(kind, name)
    file = output or Path(f"{name}.yaml")
    if file.suffix.lower() != ".yml":
        check_output(file, ".yaml", "a spec")
    if file != STANDARD_OUTPUT and file.exists():
        message = f"cannot write '{file}': it is there already"
        raise InputOutputError(Diagnostic("E020", message, None, "name another file with -o"))
    write_result(file, scaffold(kind, name, file), colour_yaml)


COMMAND = new


def scaffold(kind: Kind, name: str, file: Path) -> str:
    """The text of a new document that is going to stand in `file`."""
    shown = f"{name}.yaml" if file == STANDARD_OUTPUT else file.as_posix()
    module = name.replace("-", "_")
    return _SCAFFOLDS[kind].substitute(name=name, file=shown, module=module)


def _check_name(kind: Kind, name: str) -> None:
    """Refuse a name that no document may have, or that would never be found.

    Raises:
        UsageError: E105.
    """
    from archgraph.entry_points import load_plugins
    from archgraph.ir.signature import BUILTIN_NAMES
    from archgraph.spec.names import DOCUMENT_NAME

    load_plugins()
    hint = ""
    if not DOCUMENT_NAME.match(name):
        hint = "names of documents are letters, digits, '-' and '_', and start with a letter"
    elif kind in (Kind.BLOCK, Kind.BACKBONE) and name in BUILTIN_NAMES:
        hint = f"'{name}' is built in, and found before every block; choose another"
    if hint:
        raise UsageError(Diagnostic("E105", f"'{name}' cannot name a {kind}", None, hint))
