"""Random well-formed specs for hypothesis: one YAML text with a topology and blocks of its own.

Specs are well-formed by construction: the writer knows the level of every value, and every width
is brought where it must be. Choices list the plain first, so that failures shrink to plain specs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from hypothesis import strategies as st

T = TypeVar("T")

# Known defects of the compiler; what is False or excluded would meet one. Empty these when fixed.
CHAINS = True  # and several cells: ModuleDict with numeric keys, `3_channels`, swallowed functions
FUNCTIONS_WITH_NUMBERS = True  # functions of one class that differ in numbers
DEAD_BLOCK_NODES = True  # a block inside a block whose result nothing reads
SUMS_OF_ALL = True  # a `use` node that adds what only its edges make equal, and that is read
EVEN_WINDOWS = True  # max-pool with an even kernel, stride 1 and padding=same
EXCLUDED_NAMES: frozenset[str] = frozenset(
    """levels channels in_channels in_levels size_multiple spec_hash max_pool_same
    keys items pop update values""".split()
)
EXCLUDED_DOCUMENTS: frozenset[str] = frozenset()
EXCLUDED_PARAMETERS: frozenset[str] = frozenset({"x"})
WITH_LONG_NAMES = False  # lines of more than 100 columns

NAMES = """a b c d above below same in_l like cell element input output inputs fuse block use project
    up down levels channels in_channels in_levels size_multiple spec_hash weight weights norm act conv
    list tuple range int len max max_pool_same FastFusion Conv2dSame Any none a_2 a_ x0 x1 x_
    eps kernel node edge keys items pop update values module mean sum in3_project td6_in5_up
    Project Net cells_ cells0 annotations annotation bool str object print math""".split()
LONG_NAMES = ["n" * 100, "m" * 60, "long_" * 16 + "a", "long_" * 16 + "b"]
BLOCK_NAMES = """mine other fast-fusion conv2d-same tensor f nn any project edge inputs net
    net-cell cell max-pool-same a-b a_b A-B Conv-Norm softmax-fusion torch list""".split()
TOPOLOGY_NAMES = """net f nn torch tensor any fast-fusion a_b max_pool_same Net list edge none true
    conv2d-same module""".split()
PARAMETER_NAMES = """k size kernel ratio in_channels groups conv_channels eps nn torch F self super
    stride width x_channels bias conv_kernel kernel_size inputs out Conv2dSame int Tensor""".split()

FUSIONS = "sum,fast,average,softmax,unbounded,fast eps=0.001,fast eps=1e-6,add".split(",")
FUSIONS += ["weighted-sum normalize=softmax", "weighted-sum normalize=none", "softmax eps=0.1"]
ACTIVATIONS = ["act", "relu", "silu", "sigmoid", "hard-swish", "gelu", "mish", "relu6"]
SETTINGS = ["act: silu", "norm: batch-norm eps=0.001 momentum=0.01", "padding: same", "bias: true"]
SUMS = ["add", "weighted-sum", "weighted-sum normalize=softmax", "weighted-sum eps=0.01"]
IMAGE_SIZES = [(131, 67), (65, 97), (33, 161), (128, 64)]
# Steps that keep level and width, whatever the input.
KEEPING = ["conv-norm channels=x.channels", "depthwise-norm kernel=3", "depthwise kernel=5", "norm"]
KEEPING += ["conv channels=x.channels kernel=3 dilation=2 groups=2 bias=false", "max-pool kernel=3"]
KEEPING += ["batch-norm eps=0.01", "affine factor=0.5", "affine factor=2 offset=-0.25", "affine"]
KEEPING += ["conv channels=x.channels kernel=2 padding=same", "separable-conv channels=x.channels"]
KEEPING += ["weighted-sum", "weighted-sum normalize=none", "add", *ACTIVATIONS]
# Steps to a width; `{}` is the width.
WIDENING = ["conv channels={}", "conv-norm channels={}", "conv channels={} kernel=3 bias=false"]
WIDENING += ["separable-conv-norm-act channels={} kernel=3", "act-separable-conv-norm channels={}"]
WIDENING += [
    "conv-norm-act channels={} kernel=5",
    "conv channels={} kernel=4 padding=same groups=2",
]
HALVING = ["conv channels=x.channels kernel=3 stride=2", "max-pool kernel=3 stride=2"]
HALVING += ["max-pool kernel=1 stride=2", "max-pool kernel=2 stride=2 padding=same"]
HALVING += ["conv channels=x.channels kernel=2 stride=2 padding=same groups=2"]
HALVING += ["depthwise-norm stride=2"]
UP = ["resize", "resize mode=bilinear", "[resize mode=nearest, depthwise-norm]"]
UP += ["[conv channels=x.channels, resize mode=bilinear, relu]"]
_POOL = "max-pool kernel=scale+1 stride=scale padding=same"
DOWN = [_POOL, "conv channels=x.channels kernel=3 stride=scale padding=same"]
DOWN += [f"[conv-norm channels=x.channels kernel=3 stride=2, {{use: {_POOL}, when: distance > 0}}]"]
PROJECT = ["{use: conv-norm, when: x.channels != channels}", "conv channels=channels kernel=3"]
PROJECT += ["conv-norm", "[conv-norm-act channels=channels, depthwise]"]


if not CHAINS:
    UP, DOWN, PROJECT = UP[:2], DOWN[:2], PROJECT[:3]
if not FUNCTIONS_WITH_NUMBERS:
    DOWN = DOWN[1:]


@dataclass(frozen=True)
class RandomSpec:
    """A spec, the arguments to compile it with, and an image size to try it on."""

    text: str
    arguments: dict[str, object] = field(default_factory=dict)
    image_size: tuple[int, int] = (64, 64)

    def __repr__(self) -> str:
        return f"\n{self.text}\n# arguments {self.arguments}, image {self.image_size}"

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        """How hypothesis prints a failure: as the file that it is."""
        printer.text(repr(self))


@dataclass(frozen=True)
class Value:
    """A node or an input."""

    name: str
    level: int


@dataclass(frozen=True)
class OwnBlock:
    """A block of the file: whether it takes `channels`, how deep it nests, its own number."""

    name: str
    widens: bool
    halves: bool
    depth: int
    parameter: str


class Writer:
    """Writes one spec."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self.blocks: list[OwnBlock] = []
        self.documents: list[str] = []
        self.values: list[Value] = []
        self.lines: list[str] = []
        self.head: list[str] = []
        self.input_levels: list[int] = []
        self.lo = self.hi = 0

    # --- choices ---------------------------------------------------------------------------

    def pick(self, options: Sequence[T]) -> T:
        """One of them; the first is the plainest."""
        return cast(T, self._draw(st.sampled_from(options)))

    def number(self, low: int, high: int) -> int:
        """A whole number; the lowest is the plainest."""
        return cast(int, self._draw(st.integers(low, high)))

    def rarely(self, one_in: int) -> bool:
        """Whether something out of the ordinary happens."""
        return self.number(1, one_in) == one_in

    def some(self, options: Sequence[T], most: int) -> list[T]:
        """One or more of them, in any order, also repeated."""
        several = st.lists(st.sampled_from(options), min_size=1, max_size=most)
        return cast(list[T], self._draw(several))

    def names(self, pool: Sequence[str], count: int, excluded: frozenset[str]) -> list[str]:
        kept = st.sampled_from([name for name in pool if name not in excluded])
        several = st.lists(kept, min_size=count, max_size=count, unique=True)
        return cast(list[str], self._draw(several))

    # --- blocks ----------------------------------------------------------------------------

    def own_block(self, name: str) -> None:
        """One block: its nodes keep what they get, until the last brings it to `channels`."""
        widens, halves, depth = self.rarely(2), self.rarely(4), 1
        parameter = self.names(PARAMETER_NAMES, 1, EXCLUDED_PARAMETERS)[0]
        inner = [block for block in self.blocks if block.depth < 3 and not block.halves]
        count = self.number(1, 4)
        names = self.names(NAMES, count + 2, EXCLUDED_NAMES)
        nodes: list[str] = []
        always, others = ["x"], list[str]()
        if halves:
            first = self.pick(["conv channels=x.channels kernel=3 stride=2", "depthwise stride=2"])
            nodes, always = [f"use: {first}"], [names[0]]
        for _ in range(count):
            own, certain = names[len(nodes)], True
            kind = self.pick(["keep", "own", "number", "chain", "sum", "when"])
            if kind == "own" and inner:
                block = self.pick(inner)
                depth = max(depth, block.depth + 1)
                nodes.append(f"use: {self.call(block, 'x.channels')}")
            elif kind == "number":
                nodes.append(f"use: {self.numbered(parameter)}")
            elif kind == "chain":
                chain = "[silu, conv channels=x.channels kernel=3, relu]"
                nodes.append(f"use: {chain if CHAINS else 'mish'}")
            elif kind == "sum" and (DEAD_BLOCK_NODES or len(nodes) + 1 == len(always)):
                known = always + [f"{other} else {always[0]}" for other in others]
                sources = self.some(known, 3) + ([] if DEAD_BLOCK_NODES else always[-1:])
                nodes.append(f"use: {self.pick(SUMS)}, from: [{', '.join(sources)}]")
            elif kind == "when":
                conditions = ["x.channels > 4", "x.level <= 3", "false", f"{parameter} > 2"]
                nodes.append(f"use: {self.pick(KEEPING)}, when: {self.pick(conditions)}")
                certain = False
            else:
                nodes.append(f"use: {self.pick(KEEPING)}")
            if self.rarely(6):
                nodes[-1] += f", settings: {{{self.pick(SETTINGS)}}}"
            (always if certain else others).append(own)
        if widens:
            nodes.append(f"use: {self.pick(WIDENING).format('channels')}")
        required = "channels: required, " if widens else ""
        text = [
            f'block: "{name}"',
            f"parameters: {{{required}{parameter}: {self.pick([3, 1, 5])}}}",
        ]
        if self.rarely(6):
            text.append(f"settings: {{{self.pick(SETTINGS)}}}")
        lines = [f"  - {{name: {own}, {use}}}" for own, use in zip(names, nodes, strict=False)]
        self.documents.append("\n".join([*text, "nodes:", *lines]))
        self.blocks.append(OwnBlock(name, widens, halves, depth, parameter))

    def numbered(self, parameter: str) -> str:
        """A step that uses the block's own number, which is 1, 3 or 5."""
        steps = [
            f"conv channels=x.channels kernel={parameter}",
            f"conv channels=x.channels kernel={parameter}+1 padding=same",
            f"depthwise kernel={parameter}",
            f"batch-norm eps={parameter}/100",
            f"weighted-sum eps={parameter}/1000",
            f"conv channels=x.channels kernel=3 dilation={parameter}",
            f"conv channels=x.channels bias={parameter}==3",
        ]
        if FUNCTIONS_WITH_NUMBERS:
            steps += [f"affine factor={parameter} offset=1/{parameter}"]
            steps += [f"max-pool kernel={parameter}"]
        if EVEN_WINDOWS and FUNCTIONS_WITH_NUMBERS:
            steps += [f"max-pool kernel={parameter}+1 padding=same"]
        return self.pick(steps)

    def call(self, block: OwnBlock, width: str) -> str:
        text = block.name + (f" channels={width}" if block.widens else "")
        return text + (f" {block.parameter}={self.pick([1, 3, 5])}" if self.rarely(2) else "")

    def keeping(self, halves: bool = False) -> str:
        """A step, or a chain, that keeps the width."""
        own = [block for block in self.blocks if block.halves == halves]
        if own and self.rarely(2):
            return self.call(self.pick(own), "x.channels")
        if CHAINS and not halves and self.rarely(5):
            return f"[gelu, {self.pick(KEEPING[:8])}, sigmoid]"
        return self.pick(HALVING if halves else KEEPING)

    # --- the topology ----------------------------------------------------------------------

    def write(self) -> RandomSpec:
        self.lo = self.number(1, 4)
        self.hi = self.lo + self.number(0, 3)
        for name in self.names(BLOCK_NAMES, self.number(0, 4), EXCLUDED_DOCUMENTS):
            self.own_block(name)
        taken = EXCLUDED_DOCUMENTS | {block.name for block in self.blocks}
        levels = f"{{levels: {self.lo}..{self.hi}}}"
        self.head = [
            f'topology: "{self.names(TOPOLOGY_NAMES, 1, taken)[0]}"',
            f"parameters: {{levels: {levels}, channels: {self.pick([4, 6])}, two: 2}}",
            "let: {half: channels // two, yes: lo < hi or true}",
        ]
        if self.rarely(3):
            self.head.append(f"settings: {{{self.pick(SETTINGS)}}}")
        arguments = self.inputs()
        self.head.append(
            f"defaults:\n  node: {{fuse: {self.pick(FUSIONS)}, block: {self.block()}}}\n"
            f"  edge:\n    project: {self.pick(PROJECT)}\n    up: {self.pick(UP)}\n"
            f"    down: {self.pick(DOWN)}"
        )
        if self.values[0].name.startswith("in") and self.rarely(2):
            self.loops()
        pool = (LONG_NAMES if WITH_LONG_NAMES and self.rarely(6) else []) + NAMES
        used = EXCLUDED_NAMES | {value.name for value in self.values}
        for own in self.names(pool, self.number(1, 6), used):
            self.node(own)
        self.outputs()
        text = "\n".join([*self.head, "nodes:", *self.lines])
        text = "\n---\n".join([text, *self.documents]) + "\n"
        return RandomSpec(text, arguments, self.pick(IMAGE_SIZES))

    def inputs(self) -> dict[str, object]:
        """The default inputs, or others; sometimes of widths of their own."""
        levels = list(range(self.lo, self.hi + 1))
        arguments: dict[str, object] = {}
        if self.rarely(3):
            arguments["in_channels"] = [self.pick([4, 6, 8]) for _ in levels]
        names = [f"in{level}" for level in levels]
        if self.rarely(4):
            levels = [level for level in levels if self.rarely(2)] or levels
            if self.rarely(3):
                levels.append(self.pick(levels))
            names = self.names(NAMES, len(levels), EXCLUDED_NAMES)
            texts = [f"{{name: {n}, level: {v}}}" for n, v in zip(names, levels, strict=True)]
            self.head.append(f"inputs: [{', '.join(texts)}]")
        self.values = [Value(n, v) for n, v in zip(names, levels, strict=True)]
        self.input_levels = levels
        return arguments

    def block(self) -> str:
        if self.rarely(3):
            return "none"
        if CHAINS and self.rarely(3):
            return f"[relu, {self.pick(WIDENING).format('channels')}]"
        return self.keeping()

    def loops(self) -> None:
        """The usual ways down and up, as loops."""
        levels = range(self.lo, self.hi + 1)
        if [value.name for value in self.values] != [f"in{level}" for level in levels]:
            return
        source = "in<l>"
        if self.rarely(2):
            use = "use: conv channels=channels, from: in<l>"
            self.lines.append(f"  - {{for: l in lo..hi, name: lat<l>, {use}}}")
            self.values += [Value(f"lat{v}", v) for v in levels]
            source = "lat<l>"
        when = ", when: l < hi" if self.rarely(3) else ""
        entries = f"from: [{source}, maybe td<l+1> else {source.replace('l>', 'l+1>')}]{when}"
        self.lines.append(f"  - {{for: l in hi downto lo, name: td<l>, {entries}}}")
        self.values += [Value(f"td{v}", v) for v in levels if not when or v < self.hi]
        if self.rarely(2):
            entries = "from: [td<l> else in<l>, maybe out<l-1>]"
            self.lines.append(f"  - {{for: l in lo..hi, name: out<l>, {entries}}}")
            self.values += [Value(f"out{v}", v) for v in levels]

    def node(self, name: str) -> None:
        kind = self.pick(["fuse", "fuse", "keep", "widen", "halve", "sum", "resize", "fuse"])
        value, other, width = self.pick(self.values), self.pick(self.values), self.pick([4, 6, 8])
        line, level, exists = f"name: {name}, ", value.level, True
        if kind == "keep":
            line += f"use: {self.keeping()}, from: {value.name}"
            if self.rarely(3):
                line += f", block: {self.keeping()}"
        elif kind == "widen":
            line += f"use: {self.pick(WIDENING).format(width)}, from: {self.edge(value, False)}"
        elif kind == "halve" and level < self.hi + 1:
            level += 1
            line += f"use: {self.keeping(True)}, from: {value.name}, level: {level}"
        elif kind == "sum":
            project = f", project: conv channels={width} kernel=3" if SUMS_OF_ALL else ""
            listed = self.some(self.values if SUMS_OF_ALL else [value], 3)
            edges = [f"{{name: e{i}, from: {v.name}{project}}}" for i, v in enumerate(listed)]
            line += f"use: {self.pick(SUMS)}, from: [{', '.join(edges)}], level: {level}"
        elif kind == "resize":
            level = other.level
            line += f"use: resize mode={self.pick(['nearest', 'bilinear'])}, level: {level}"
            line += f", from: [{{name: x, from: {value.name}, resample: none}}"
            line += f", {{name: like, from: {other.name}}}]"
        else:
            line += self.fuse(level)
            if self.rarely(5):
                line += ", pin: true"
            if self.rarely(8):
                exists = not self.rarely(2)
                line += ", when: yes" if exists else ", when: half > 100"
        if self.rarely(6):
            line += f", settings: {{{self.pick(SETTINGS)}}}"
        self.lines.append(f"  - {{{line}}}")
        if exists:
            self.values.append(Value(name, level))

    def fuse(self, level: int) -> str:
        seen: set[str] = set()
        edges: list[str] = []
        for i, source in enumerate(self.some(self.values, 4)):
            if source.name in seen or self.rarely(4):
                edges.append(self.edge(source, True, f"e{i}"))
            else:
                edges.append(("maybe zz9 else " if self.rarely(5) else "") + source.name)
            seen.add(source.name)
        text = f"level: {level}, from: [{', '.join(edges)}]"
        if self.rarely(3):
            text += f", fuse: {self.pick(FUSIONS)}"
        if self.rarely(3):
            text += f", block: {self.block()}"
        return text

    def edge(self, source: Value, fuses: bool, name: str = "") -> str:
        """An edge with steps or a name of its own."""
        text = f"from: {source.name}" + (f", name: {name}" if name else "")
        if fuses and self.rarely(3):
            text += f", project: {self.pick(PROJECT)}"
        if self.rarely(3):
            text += f", up: {self.pick(UP)}, down: {self.pick(DOWN)}"
        return f"{{{text}}}"

    def outputs(self) -> None:
        """Outputs by level, and the passes that can run with them."""
        repeats = self.rarely(3)
        found: dict[int, str] = {}
        for level in sorted({value.level for value in self.values}):
            here = [value.name for value in reversed(self.values) if value.level == level]
            if (repeats and level in self.input_levels) or not self.rarely(4):
                found[level] = self.pick(here)
        if not found:
            found[self.values[-1].level] = self.values[-1].name
        self.head.append(f"outputs: {{{', '.join(f'{k}: {v}' for k, v in found.items())}}}")
        passes = [["prune-single-input", "add-same-level-skips"], ["add-same-level-skips"]]
        passes += [["add-same-level-skips", "prune-single-input"], ["prune-single-input"]]
        chosen = self.pick([[], *passes])
        if len(set(self.input_levels)) < len(self.input_levels):
            chosen = [name for name in chosen if name != "add-same-level-skips"]
        elif repeats:
            chosen = [*chosen, f"repeat-cells count={self.number(1, 3 if CHAINS else 1)}"]
        self.head.append(f"passes: [{', '.join(chosen)}]")


@st.composite
def random_specs(draw: Any) -> RandomSpec:
    """Well-formed specs."""
    return Writer(draw).write()
