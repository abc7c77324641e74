"""Random well-formed specs for hypothesis: one YAML text with a topology and blocks of its own.

Specs are well-formed by construction: the writer knows the level of every value, and every width
is brought where it must be. Choices list the plain first, so that failures shrink to plain specs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.codegen.choices import (
    BLOCK_NAMES,
    DOWN,
    EXCLUDED_DOCUMENTS,
    EXCLUDED_NAMES,
    FUSIONS,
    IMAGE_SIZES,
    LONG_NAMES,
    NAMES,
    PROJECT,
    SETTINGS,
    SUMS,
    TOPOLOGY_NAMES,
    UP,
    WIDENING,
    WITH_LONG_NAMES,
)
from tests.codegen.random_blocks import BlockWriter, OwnBlock


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


class Writer(BlockWriter):
    """Writes one spec."""

    def __init__(self, draw: Any) -> None:
        super().__init__(draw)
        self.blocks: list[OwnBlock] = []
        self.documents: list[str] = []
        self.values: list[Value] = []
        self.lines: list[str] = []
        self.head: list[str] = []
        self.input_levels: list[int] = []
        self.lo = self.hi = 0

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
        if self.rarely(3):
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
            project = f", project: conv channels={width} kernel=3"
            listed = self.some(self.values, 3)
            edges = [f"{{name: e{i}, from: {v.name}{project}}}" for i, v in enumerate(listed)]
            line += f"use: {self.pick(SUMS)}, from: [{', '.join(edges)}], level: {level}"
        elif kind == "resize":
            level = other.level
            line += f"use: resize mode={self.pick(['nearest', 'bilinear'])}, level: {level}"
            line += f", from: {{x: {{from: {value.name}, resample: none}}, like: {other.name}}}"
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
            chosen = [*chosen, f"repeat-cells count={self.number(1, 3)}"]
        self.head.append(f"passes: [{', '.join(chosen)}]")


@st.composite
def random_specs(draw: Any) -> RandomSpec:
    """Well-formed specs."""
    return Writer(draw).write()
