"""Random well-formed specs for hypothesis: one YAML text with a topology and blocks of its own.

Specs are well-formed by construction: the writer knows the level of every value, and every width
is brought where it must be. Choices list the plain first, so that failures shrink to plain specs.
"""

from __future__ import annotations

import json
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
    SHARED_DOWN,
    SHARED_PROJECT,
    TOPOLOGY_NAMES,
    UP,
    WITH_LONG_NAMES,
)
from tests.codegen.random_nodes import NodeWriter, Value

HEAD = "# arguments, image size: "


@dataclass(frozen=True)
class RandomSpec:
    """A spec, the arguments to build it with, and an image size to try it on."""

    text: str
    arguments: dict[str, object] = field(default_factory=dict)
    image_size: tuple[int, int] = (64, 64)

    def __repr__(self) -> str:
        return f"\n{self.saved}"

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        """How hypothesis prints a failure: as the file that it is."""
        printer.text(repr(self))

    @property
    def saved(self) -> str:
        """The spec as a file, which says first with what to build it."""
        return f"{HEAD}{json.dumps([self.arguments, self.image_size])}\n{self.text}"


def read_spec(saved: str) -> RandomSpec:
    """The spec of a saved file."""
    head, _, text = saved.partition("\n")
    arguments, (height, width) = json.loads(head.removeprefix(HEAD))
    return RandomSpec(text, arguments, (height, width))


class Writer(NodeWriter):
    """Writes one spec."""

    def __init__(self, draw: Any) -> None:
        super().__init__(draw)
        self.head: list[str] = []
        self.arguments: dict[str, object] = {}
        self.input_levels: list[int] = []

    def write(self) -> RandomSpec:
        self.lo = self.number(1, 4)
        self.hi = self.lo + self.number(0, 3)
        self.shares_steps = self.rarely(5)
        for name in self.names(BLOCK_NAMES, self.number(0, 4), EXCLUDED_DOCUMENTS):
            self.own_block(name)
        taken = EXCLUDED_DOCUMENTS | {block.name for block in self.blocks}
        self.head = [f'topology: "{self.names(TOPOLOGY_NAMES, 1, taken)[0]}"']
        self.parameters()
        if self.rarely(3):
            self.head.append(f"settings: {{{self.pick(SETTINGS)}}}")
        self.inputs()
        self.defaults()
        if self.values[0].name.startswith("in") and self.rarely(2):
            self.loops()
        pool = (LONG_NAMES if WITH_LONG_NAMES and self.rarely(6) else []) + NAMES
        used = EXCLUDED_NAMES | {value.name for value in self.values}
        for own in self.names(pool, self.number(1, 6), used):
            self.node(own)
        self.outputs()
        text = "\n".join([*self.head, "nodes:", *self.lines])
        text = "\n---\n".join([text, *self.documents]) + "\n"
        return RandomSpec(text, self.arguments, self.pick(IMAGE_SIZES))

    def parameters(self) -> None:
        """Parameters and what counts before them: a variant, and what is given from outside."""
        self.channels, self.two = self.pick([4, 6]), 2
        written = str(self.channels)
        if self.rarely(4):
            self.arguments["variant"] = "small"
            row = [f"two: {self.pick([1, 3])}", f"channels: {self.pick([6, 4])}"]
            row += ["half: 3", f"settings: {{{self.pick(SETTINGS)}}}"]
            kept = self.some(row, 3)
            row = [text for text in row if text in kept]
            for text in row:
                key, _, value = text.partition(": ")
                if key in ("two", "channels"):
                    setattr(self, key, int(value))
            if any(text.startswith("channels") for text in row) and self.rarely(2):
                written = "required"
            self.head.append(f"variants: {{other: {{two: 7}}, small: {{{', '.join(row)}}}}}")
        if self.rarely(6):
            self.arguments["two"] = self.two = self.pick([3, 1])
        levels = f"levels: {{levels: {self.lo}..{self.hi}}}"
        self.head.append(f"parameters: {{{levels}, channels: {written}, two: 2}}")
        self.head.append("let: {half: channels // two, yes: lo < hi or true, more(v): v + 1}")

    def defaults(self) -> None:
        """What nodes and edges do that say nothing themselves."""
        own = [block.name for block in self.blocks if block.variadic]
        fusion = self.pick(own) if own and self.rarely(3) else self.pick(FUSIONS)
        project, down = (SHARED_PROJECT, SHARED_DOWN) if self.shares_steps else (PROJECT, DOWN)
        self.head.append(
            f"defaults:\n  node: {{fuse: {fusion}, block: {self.block()}}}\n"
            f"  edge:\n    project: {self.pick(project)}\n    up: {self.pick(UP)}\n"
            f"    down: {self.pick(down)}"
        )

    def inputs(self) -> None:
        """The default inputs, or others; sometimes of widths of their own."""
        levels = list(range(self.lo, self.hi + 1))
        widths = dict.fromkeys(levels, self.channels)
        if self.rarely(3):
            widths = {level: self.pick([4, 6, 8]) for level in levels}
            self.arguments["in_channels"] = list(widths.values())
        names = [f"in{level}" for level in levels]
        if self.rarely(4):
            levels = [level for level in levels if self.rarely(2)] or levels
            if self.rarely(3):
                levels.append(self.pick(levels))
            names = self.names(NAMES, len(levels), EXCLUDED_NAMES)
            texts = [f"{{name: {n}, level: {v}}}" for n, v in zip(names, levels, strict=True)]
            self.head.append(f"inputs: [{', '.join(texts)}]")
        self.values = [Value(n, v, widths[v]) for n, v in zip(names, levels, strict=True)]
        self.input_levels = levels

    def loops(self) -> None:
        """The usual ways down and up, as loops."""
        levels = range(self.lo, self.hi + 1)
        if [value.name for value in self.values] != [f"in{level}" for level in levels]:
            return
        source = "in<l>"
        if self.rarely(2):
            use = "use: conv channels=channels, from: in<l>"
            self.lines.append(f"  - {{for: l in lo..hi, name: lat<l>, {use}}}")
            self.values += [Value(f"lat{v}", v, self.channels) for v in levels]
            source = "lat<l>"
        when = ", when: l < hi" if self.rarely(3) else ""
        above = f"maybe td<l+1> else {source.replace('l>', 'l+1>')}"
        if self.rarely(3):
            above = "{for: i in 0..2, name: far<i>, from: maybe td<l+2**i>}"
        entries = f"from: [{source}, {above}]{when}"
        self.lines.append(f"  - {{for: l in hi downto lo, name: td<l>, {entries}}}")
        down = [Value(f"td{v}", v, self.channels) for v in levels if not when or v < self.hi]
        self.values += down
        if self.rarely(2):
            entries = "from: [td<l> else in<l>, maybe out<l-1>]"
            self.lines.append(f"  - {{for: l in lo..hi, name: out<l>, {entries}}}")
            self.values += [Value(f"out{v}", v, self.channels) for v in levels]
        if down and self.rarely(3):
            use = f"use: {self.kept('x')}, repeat: more(0), from: td<l>, share: heads{when}"
            self.lines.append(f"  - {{for: l in lo..hi, name: head<l>, {use}}}")
            self.values += [Value(f"head{v.level}", v.level, self.channels) for v in down]

    def outputs(self) -> None:
        """Outputs by level, and the passes that can run with them."""
        repeats = self.rarely(3)
        found: dict[int, str] = {}
        widths = {value.level: value.width for value in self.values[: len(self.input_levels)]}
        for level in sorted({value.level for value in self.values}):
            kept = widths.get(level) if repeats and self.needs_widths else None
            here = [
                value.name
                for value in reversed(self.values)
                if value.level == level and kept in (None, value.width)
            ]
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
