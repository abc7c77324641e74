"""Random nodes of a topology, well-formed by construction.

The writer knows the level of every value, and its width unless a concatenation made it: what
needs a width that is not known gets a projection to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.codegen.choices import (
    DOWN,
    EXCLUDED_NAMES,
    FUSIONS,
    HALVING,
    KEEPING,
    NAMES,
    PROJECT,
    SETTINGS,
    SUMS,
    UP,
    WIDENING,
)
from tests.codegen.random_blocks import BlockWriter, OwnBlock

WIDTHS = [4, 6, 8]


@dataclass(frozen=True)
class Value:
    """A node, a result or an input; a width of 0 is not known."""

    name: str
    level: int
    width: int


@dataclass(frozen=True)
class Sharable:
    """A node as others may repeat it on other values: `@` in an entry is what it reads."""

    weights: str
    text: str
    entries: tuple[str, ...]
    sources: tuple[Value, ...]
    level: int
    width: int

    def line(self, sources: Sequence[Value]) -> str:
        """The node, on these values; its edges keep their names, which their weights have."""
        triples = zip(self.entries, sources, self.sources, strict=True)
        entries = ", ".join(_entry(*each) for each in triples)
        # What reads results only says its own level.
        said = "level: " in self.text or all("." not in value.name for value in sources)
        level = "" if said else f", level: {self.level}"
        return f"{self.text}{level}, from: [{entries}]"


def _entry(entry: str, value: Value, first: Value) -> str:
    """An entry that reads a value where it first read another."""
    text = entry.replace("@", value.name)
    if value == first or "name: " in entry:
        return text
    text = text[1:-1] if text.startswith("{") else f"from: {text}"
    return f"{{name: {first.name.replace('.', '_')}, {text}}}"


class NodeWriter(BlockWriter):
    """Writes the nodes of a topology, each of which may read those before it."""

    def __init__(self, draw: Any) -> None:
        super().__init__(draw)
        self.blocks: list[OwnBlock] = []
        self.documents: list[str] = []
        self.values: list[Value] = []
        self.sharables: list[Sharable] = []
        self.lines: list[str] = []
        self.lo = self.hi = 0
        # What the parameters of the topology come to.
        self.channels = self.two = 0
        # Whether something counts on the widths of the inputs, which cells must then keep.
        self.needs_widths = False
        # Whether steps of all nodes share weights, so that no node has settings of its own.
        self.shares_steps = False

    def node(self, name: str) -> None:
        """One node, or a few that belong together."""
        kinds = [self._fuse, self._keep, self._fuse, self._widen, self._fuse, self._halve]
        kinds += [
            self._sum,
            self._resize,
            self._repetition,
            self._share,
            self._several,
            self._split,
        ]
        self.pick([*kinds, self._loop, self._nested, self._several])(name)

    def add(self, name: str, text: str, level: int, width: int) -> None:
        """A node, which later ones may read."""
        self.lines.append(f"  - {{name: {name}, {text}}}")
        self.values.append(Value(name, level, width))

    def settings(self) -> str:
        """Settings of a node, mostly none."""
        if self.shares_steps or not self.rarely(6):
            return ""
        return f", settings: {{{self.pick(SETTINGS)}}}"

    def count(self, least: int = 1) -> tuple[str, int]:
        """How often something is done, and how that is written."""
        counts = [("2", 2), ("1", 1), ("3", 3), ("two", self.two), ("two - 1", self.two - 1)]
        return self.pick([(text, count) for text, count in counts if count >= least])

    # --- use nodes -------------------------------------------------------------------------

    def _keep(self, name: str) -> None:
        value = self.pick(self.values)
        text = f"use: {self.keeping()}"
        if self.rarely(3):
            text += f", block: {self.keeping()}"
        self._first(name, text + self.settings(), ["@"], [value], value.level, value.width)

    def _widen(self, name: str) -> None:
        value, width = self.pick(self.values), self.pick(WIDTHS)
        text = f"use: {self.pick(WIDENING).format(width)}{self.settings()}"
        self._first(name, text, [self.edge(False)], [value], value.level, width)

    def _halve(self, name: str) -> None:
        value = self.pick(self.values)
        if value.level > self.hi:
            self._keep(name)
            return
        text = f"use: {self.keeping(True)}, level: {value.level + 1}{self.settings()}"
        self._first(name, text, ["@"], [value], value.level + 1, value.width)

    def _sum(self, name: str) -> None:
        level, width = self.pick(self.values).level, self.pick(WIDTHS)
        listed = self.some(self.values, 3)
        entries = [self.projected(width, f"e{i}") for i in range(len(listed))]
        step = self.pick([*SUMS, "concat"])
        width = width * len(listed) if step == "concat" else width
        text = f"use: {step}, level: {level}{self.settings()}"
        self._first(name, text, entries, listed, level, width)

    def _resize(self, name: str) -> None:
        value, like = self.pick(self.values), self.pick(self.values)
        use = f"use: resize mode={self.pick(['nearest', 'bilinear'])}, level: {like.level}"
        given = f"{{x: {{from: {value.name}, resample: none}}, like: {like.name}}}"
        self.add(name, f"{use}, from: {given}", like.level, value.width)

    def _repetition(self, name: str) -> None:
        value, (count, times) = self.pick(self.values), self.count(0)
        plain = [block for block in self.blocks if block.plain and not block.halves]
        level = value.level
        if plain and self.rarely(2):
            block = self.pick(plain)
            use = self.call(block, "x.channels", variants=False)
            text = f"use: {use}, repeat: {count}"
            if block.parameter not in use.partition(" ")[2]:
                text += f", first: {{{block.parameter}: {self.pick([1, 3, 5])}}}"
        elif self.rarely(3):
            text = f"use: affine factor=1/two offset=x.channels, repeat: {count}"
        elif level + times <= self.hi + 1 and self.rarely(2):
            level += times
            text = f"use: {self.pick(HALVING)}, repeat: {count}, level: {level}"
        else:
            text = f"use: [gelu, {{use: {self.pick(KEEPING[:8])}, repeat: {count}}}]"
        self._first(name, text + self.settings(), ["@"], [value], level, value.width)

    def _split(self, name: str) -> None:
        wide = [value for value in self.values if value.width >= 4]
        if not wide:
            self._widen(name)
            return
        self.needs_widths = True
        value = self.pick(wide)
        rest = value.width - 2
        sizes = [2, 2, rest - 2] if rest > 2 and self.rarely(2) else [2, rest]
        parts = dict(zip(self.names(NAMES, len(sizes), EXCLUDED_NAMES), sizes, strict=True))
        step = f"split {' '.join(f'{part}={size}' for part, size in parts.items())}"
        self.lines.append(f"  - {{name: {name}, use: {step}, from: {value.name}}}")
        self.values += [Value(f"{name}.{part}", value.level, n) for part, n in parts.items()]

    def _several(self, name: str) -> None:
        """A block of the file with several inputs or results."""
        several = [block for block in self.blocks if not block.plain]
        if not several:
            self._keep(name)
            return
        block, width = self.pick(several), self.pick(WIDTHS)
        level = self.pick(self.values).level
        # A block with several results takes what it is given as it is.
        known = [v for v in self.values if v.level == level] if block.results else self.values
        text = f"use: {self.call(block, str(width))}"
        if block.variadic:
            listed = self.some(known, 3)
            entries = [
                f"{{name: e{i}, from: {v.name}, project: conv channels={width}}}"
                for i, v in enumerate(listed)
            ]
            text += f", from: [{', '.join(entries)}]"
        else:
            project = f"project: conv channels={width}"
            given = [
                f"{port}: {{from: {self.pick(known).name}, {project}}}" for port in block.inputs
            ]
            text += f", from: {{{', '.join(given)}}}"
        text += self.settings()
        level += block.halves
        if not block.results:
            self.add(name, f"{text}, level: {level}", level, width)
            return
        self.lines.append(f"  - {{name: {name}, {text}}}")
        self.values += [Value(f"{name}.{result}", level, width) for result in block.results]

    # --- several nodes ---------------------------------------------------------------------

    def _loop(self, name: str) -> None:
        """Nodes in a row, and one that reads them all."""
        value, (count, times) = self.pick(self.values), self.count()
        loop, last, level = f"for: i in 1..{count}", f"{name}_r<i-1>", value.level
        if self.rarely(2):
            share = self.pick(["", f", share: {name}_w"])
            text = f"use: {self.keeping()}, from: {last} else {value.name}, level: {level}{share}"
            width = value.width
        else:
            other = self.pick(self.values)
            text = f"level: {level}, from: [{{name: e, from: {other.name}}}, maybe {last}]"
            text, width = text + self.fusion(), self.channels
        self.lines.append(f"  - {{{loop}, name: {name}_r<i>, {text}}}")
        self.values += [Value(f"{name}_r{i + 1}", level, width) for i in range(times)]
        listed = (
            f"{{{loop}, name: f<i>, from: maybe {name}_r<i>{self.pick(['', self.own_steps()])}}}"
        )
        text = f"level: {level}, from: [{value.name}, {listed}]{self.fusion()}"
        self.add(name, text, level, self.channels)

    def _nested(self, name: str) -> None:
        value, (count, times) = self.pick(self.values), self.count()
        source = f"{name}_g<i-1> else {value.name}"
        level = f"level: {value.level}"
        nodes = [f"{{name: {name}_f<i>, {level}, use: {self.keeping()}, from: {source}}}"]
        inner = f"{{for: j in 1..i, name: {name}_h<i>_<j>, {level}, from: {name}_f<i>}}"
        listed = f"{{for: j in 1..i, from: {name}_h<i>_<j>}}"
        nodes += [inner, f"{{name: {name}_g<i>, {level}, from: [{listed}, {value.name}]}}"]
        when = ", when: i > 1" if times > 1 and self.rarely(3) else ""
        self.lines.append(f"  - {{for: i in 1..{count}{when}, nodes: [{', '.join(nodes)}]}}")
        self.values.append(Value(f"{name}_g{times}", value.level, self.channels))

    # --- sharing ---------------------------------------------------------------------------

    def _first(
        self, name: str, text: str, entries: list[str], sources: list[Value], level: int, width: int
    ) -> None:
        """A node whose weights others may share."""
        share = f"{name}_w" if self.rarely(4) else ""
        made = Sharable(share or name, text, tuple(entries), tuple(sources), level, width)
        self.sharables.append(made)
        line = made.line(sources) + (f", share: {share}" if share else "")
        self.add(name, line, level, width)

    def _share(self, name: str) -> None:
        """A node with the weights of an earlier one, on values of the same levels and widths."""
        if not self.sharables:
            self._keep(name)
            return
        self.needs_widths = True
        first = self.pick(self.sharables)
        sources = [self.pick(self._alike(source)) for source in first.sources]
        self.add(name, f"{first.line(sources)}, share: {first.weights}", first.level, first.width)

    def _alike(self, source: Value) -> list[Value]:
        """The values of the level and the width of one, which may be itself."""
        if not source.width:
            return [source]
        return [v for v in self.values if (v.level, v.width) == (source.level, source.width)]

    # --- fuse nodes ------------------------------------------------------------------------

    def _fuse(self, name: str) -> None:
        level = self.pick(self.values).level
        entries: list[str] = []
        sources = self.some(self.values, 4)
        seen: set[str] = set()
        for i, source in enumerate(sources):
            if source.name in seen or self.rarely(4):
                entries.append(self.edge(True, f"e{i}"))
            else:
                entries.append(("maybe zz9 else " if self.rarely(5) else "") + "@")
            seen.add(source.name)
        fusion, width = self.fusion(), self.channels
        own = [block for block in self.blocks if block.variadic and not block.widens]
        if own and self.rarely(2):  # its width is that of what it is given
            width = self.pick(WIDTHS)
            entries = [self.projected(width, f"e{i}") for i in range(len(sources))]
            fusion = f", fuse: {self.pick(own).name}, block: none"
        elif not fusion and self.rarely(8):
            fusion, width = ", fuse: concat, block: none", 0
        text = f"level: {level}{fusion}{self.settings()}"
        # A pass would give it an input of the width that all others have.
        if width not in (0, self.channels) or self.rarely(5):
            text += ", pin: true"
        if self.rarely(16):
            made = Sharable("", text, tuple(entries), tuple(sources), level, width)
            self.lines.append(f"  - {{name: {name}, {made.line(sources)}, when: half > 100}}")
            return
        if self.rarely(8):
            text += ", when: yes"
        self._first(name, text, entries, sources, level, width)

    def fusion(self) -> str:
        """How a `fuse` node does it, if not by default."""
        own = [block for block in self.blocks if block.variadic]
        text = ""
        if self.rarely(3):
            text += f", fuse: {self.pick(FUSIONS)}"
        elif own and self.rarely(2):
            fusion = self.pick(own)
            value = f" {fusion.parameter}={self.pick([1, 3, 5])}" if self.rarely(2) else ""
            text += f", fuse: {fusion.name}{value}"
        elif self.rarely(8):
            return f", fuse: concat, block: {self.pick(WIDENING).format('channels')}"
        if self.rarely(3):
            text += f", block: {self.block()}"
        return text

    def block(self) -> str:
        """What follows a fusion."""
        if self.rarely(3):
            return "none"
        if self.shares_steps and self.rarely(2):
            return f"[conv channels=channels, {{use: {KEEPING[0]}, share: after}}]"
        if self.rarely(6):
            return f"{{use: {self.pick(KEEPING)}, repeat: {self.count(0)[0]}}}"
        if self.rarely(3):
            return f"[relu, {self.pick(WIDENING).format('channels')}]"
        return self.keeping()

    # --- edges -----------------------------------------------------------------------------

    def own_steps(self) -> str:
        """Steps that an edge brings to a `fuse` node."""
        return f", project: {self.pick(PROJECT)}, up: {self.pick(UP)}, down: {self.pick(DOWN)}"

    def projected(self, width: int, name: str) -> str:
        """An edge that brings its value to a width."""
        return f"{{name: {name}, from: @, project: conv channels={width} kernel=3}}"

    def edge(self, fuses: bool, name: str = "") -> str:
        """An edge with steps or a name of its own."""
        text = "from: @" + (f", name: {name}" if name else "")
        if fuses and self.rarely(3):
            text += f", project: {self.pick(PROJECT)}"
        if self.rarely(3):
            text += f", up: {self.pick(UP)}, down: {self.pick(DOWN)}"
        return f"{{{text}}}"
