"""Random blocks: everything a block can say, well-formed by construction.

Every node keeps the width and the level of what it reads, so that any value may be read by any
later node; only the last node of a block that `widens` brings it to `channels`, and only the
first node of one that `halves` changes the level.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.codegen.choices import (
    EXCLUDED_NAMES,
    EXCLUDED_PARAMETERS,
    HALVING,
    KEEPING,
    NAMES,
    PARAMETER_NAMES,
    SETTINGS,
    SUMS,
    WIDENING,
    Choices,
)


@dataclass(frozen=True)
class OwnBlock:
    """A block of the file: what a use of it must know."""

    name: str
    widens: bool
    halves: bool
    depth: int
    parameter: str
    inputs: tuple[str, ...] = ("x",)
    results: tuple[str, ...] = ()
    variant: str = ""
    variadic: bool = False

    @property
    def plain(self) -> bool:
        """Whether it can stand in a chain: one value in, one out."""
        return self.inputs == ("x",) and not self.results and not self.variadic


@dataclass
class _Body:
    """A block under construction: its lines, and what entries may name."""

    parameter: str
    names: list[str]
    always: list[str]
    others: list[str]
    lines: list[str]
    depth: int = 1

    def take(self) -> str:
        """The next free name."""
        return self.names.pop()

    def add(self, name: str, text: str, certain: bool = True) -> None:
        """A node, which later ones may read."""
        self.lines.append(f"  - {{name: {name}, {text}}}")
        (self.always if certain else self.others).append(name)


class BlockWriter(Choices):
    """Writes blocks, each of which may use those before it."""

    blocks: list[OwnBlock]
    documents: list[str]

    def own_block(self, name: str) -> None:
        """One block."""
        if self.rarely(4):
            self._variadic(name)
        else:
            self._fixed(name)

    def _variadic(self, name: str) -> None:
        """A block that takes any number of values of one width: a fusion, too."""
        widens = self.rarely(3)
        parameter = self.names(PARAMETER_NAMES, 1, EXCLUDED_PARAMETERS)[0]
        names = self.names(NAMES, 14, EXCLUDED_NAMES | {"x0", "x1"})
        body = _Body(parameter, names, [], [], [])
        each, x = body.take(), self.pick(["x", "given"])
        loop = f"for: i in 0..{x}.count-1"
        extra = self.pick(["", f", share: {each}_w", ", when: i > 0"])
        step = self.pick([self.kept(x), self.numbered(parameter, x)])
        body.lines.append(f"  - {{{loop}, name: {each}<i>, use: {step}, from: {x}<i>{extra}}}")
        listed = f"{{{loop}, from: {each}<i> else {x}<i>}}"
        total = self.pick([*SUMS, f"[concat, conv channels={x}.channels]"])
        body.add(body.take(), f"use: {total}, from: [{self.pick(['', f'{x}0, '])}{listed}]")
        for _ in range(self.number(0, 2)):
            self._node(body, x)
        if widens:
            body.add(body.take(), f"use: {self.pick(WIDENING).format('channels')}")
        required = "channels: required, " if widens else ""
        head = [f'block: "{name}"', f"inputs: [many {x}]"]
        head.append(f"parameters: {{{required}{parameter}: {self.pick([3, 1, 5])}}}")
        self.documents.append("\n".join([*head, "nodes:", *body.lines]))
        made = OwnBlock(name, widens, False, body.depth, parameter, (x,), variadic=True)
        self.blocks.append(made)

    def _fixed(self, name: str) -> None:
        """A block with one input or two."""
        widens, halves = self.rarely(2), self.rarely(4)
        parameter = self.names(PARAMETER_NAMES, 1, EXCLUDED_PARAMETERS)[0]
        # Inputs and parameters are told apart by their names alone.
        names = self.names(NAMES, 14, EXCLUDED_NAMES | {parameter})
        inputs = tuple(names.pop() for _ in range(2)) if self.rarely(5) else ("x",)
        body = _Body(parameter, names, list(inputs), [], [])
        head = [f'block: "{name}"']
        if inputs != ("x",):
            head.append(f"inputs: [{', '.join(inputs)}]")
            widens = halves = False
        if halves:
            first = self.pick(["conv channels=x.channels kernel=3 stride=2", "depthwise stride=2"])
            body.always = []
            body.add(body.take(), f"use: {first}")
        for _ in range(self.number(1, 4)):
            self._node(body, inputs[0])
        if inputs != ("x",):
            sources = ", ".join([*inputs, body.always[-1]])
            body.add(body.take(), f"use: {self.pick(SUMS)}, from: [{sources}]")
        results: tuple[str, ...] = ()
        if widens:
            body.add(body.take(), f"use: {self.pick(WIDENING).format('channels')}")
        elif self.rarely(6):
            results = (body.take(), body.take())
            said = {results[0]: body.always[-1], results[1]: self.pick(body.always)}
            head.append(f"outputs: {{{', '.join(f'{k}: {v}' for k, v in said.items())}}}")
        required = "channels: required, " if widens else ""
        head.append(f"parameters: {{{required}{parameter}: {self.pick([3, 1, 5])}}}")
        if self.rarely(6):
            head.append(f"settings: {{{self.pick(SETTINGS)}}}")
        variant = ""
        if self.rarely(5):
            variant = body.take()
            row = [f"{parameter}: {self.pick([5, 1, 3])}"]
            row += [f"settings: {{{self.pick(SETTINGS)}}}"] if self.rarely(2) else []
            head.append(f"variants: {{{variant}: {{{', '.join(row)}}}}}")
        self.documents.append("\n".join([*head, "nodes:", *body.lines]))
        made = OwnBlock(name, widens, halves, body.depth, parameter, inputs, results, variant)
        self.blocks.append(made)

    # --- nodes -----------------------------------------------------------------------------

    def _node(self, body: _Body, x: str) -> None:
        kinds = [
            "keep",
            "own",
            "number",
            "chain",
            "sum",
            "when",
            "repeat",
            "loop",
            "share",
            "group",
            "split",
        ]
        kind = self.pick(kinds)
        own = body.take()
        extra = f", settings: {{{self.pick(SETTINGS)}}}" if self.rarely(6) else ""
        if kind == "own":
            self._own(body, own, x)
        elif kind == "number":
            body.add(own, f"use: {self.numbered(body.parameter, x)}{extra}")
        elif kind == "chain":
            chain = f"[silu, conv channels={x}.channels kernel=3, relu]"
            body.add(own, f"use: {chain}{extra}")
        elif kind == "sum":
            known = body.always + [f"{other} else {body.always[0]}" for other in body.others]
            sources = ", ".join(self.some(known, 3))
            body.add(own, f"use: {self.pick(SUMS)}, from: [{sources}]{extra}")
        elif kind == "when":
            conditions = [f"{x}.channels > 4", f"{x}.level <= 3", "false", f"{body.parameter} > 2"]
            text = f"use: {self.kept(x)}, when: {self.pick(conditions)}{extra}"
            body.add(own, text, certain=False)
        elif kind == "repeat":
            self._repeat(body, own, x)
        elif kind == "loop":
            count = self.pick([2, 1, 3])
            source = f"{own}_r<i-1> else {body.always[-1]}"
            node = f"for: i in 1..{count}, name: {own}_r<i>, use: {self.kept(x)}, from: {source}"
            body.lines.append(f"  - {{{node}}}")
            listed = f"{{for: i in 1..{count}, from: {own}_r<i>}}"
            if self.rarely(2):
                body.add(own, f"use: {self.pick(SUMS)}, from: [{body.always[-1]}, {listed}]")
            else:
                body.always.append(f"{own}_r{count}")
        elif kind == "share":
            step = self.kept(x)
            first, second = body.always[-1], self.pick(body.always)
            # Another node may take the weights of a node, or both those of a name.
            given = f", share: {own}_w" if self.rarely(2) else ""
            shared = f"{own}_w" if given else own
            body.add(own, f"use: {step}, from: {first}{given}")
            body.add(body.take(), f"use: {step}, from: {second}, share: {shared}")
        elif kind == "group":
            self._group(body, own, x)
        elif kind == "split":
            first, second = body.take(), body.take()
            parts = f"{first}={x}.channels//2 {second}={x}.channels-{x}.channels//2"
            body.lines.append(f"  - {{name: {own}, use: split {parts}, from: {body.always[-1]}}}")
            body.add(f"{own}_c", f"use: concat, from: [{own}.{second}, {own}.{first}]")
        else:
            body.add(own, f"use: {self.kept(x)}{extra}")

    def _own(self, body: _Body, own: str, x: str) -> None:
        inner = [block for block in self.blocks if block.depth < 3 and not block.halves]
        if not inner:
            body.add(own, f"use: {self.kept(x)}")
            return
        block = self.pick(inner)
        body.depth = max(body.depth, block.depth + 1)
        text = f"use: {self.call(block, f'{x}.channels')}"
        if block.variadic:
            text += f", from: [{', '.join(self.some(body.always, 3))}]"
        elif block.inputs != ("x",):
            given = {port: self.pick(body.always) for port in block.inputs}
            text += f", from: {{{', '.join(f'{k}: {v}' for k, v in given.items())}}}"
        else:
            text += f", from: {body.always[-1]}"
        if not block.results:
            body.add(own, text)
            return
        body.lines.append(f"  - {{name: {own}, {text}}}")
        read = [f"{own}.{result}" for result in block.results]
        body.add(body.take(), f"use: {self.pick(SUMS)}, from: [{', '.join(self.some(read, 2))}]")

    def _repeat(self, body: _Body, own: str, x: str) -> None:
        plain = [b for b in self.blocks if b.plain and b.depth < 3 and not b.halves]
        count = self.pick(["2", "1", "3", f"{body.parameter} - 1"])
        if plain and self.rarely(2):
            block = self.pick(plain)
            body.depth = max(body.depth, block.depth + 1)
            text = f"use: {self.call(block, f'{x}.channels', variants=False)}, repeat: {count}"
            if self.rarely(2) and block.parameter not in text.partition(",")[0]:
                text += f", first: {{{block.parameter}: {self.pick([1, 3, 5])}}}"
        elif self.rarely(3):
            text = f"use: affine factor=1/(unit+1), repeat: {count}"
        else:
            text = f"use: {self.kept(x)}, repeat: {count}"
        # With a count of nothing the node does not exist.
        body.add(own, f"{text}, from: {body.always[-1]}", certain=count.isdigit())

    def _group(self, body: _Body, own: str, x: str) -> None:
        when = self.pick(["", "when: i > 1, "])
        source = f"{own}_g<i-1> else {body.always[-1]}"
        inner = f"{{name: {own}_f<i>, use: {self.kept(x)}, from: {source}}}"
        outer = f"{{name: {own}_g<i>, use: {self.kept(x)}, from: {own}_f<i>}}"
        body.lines.append(f"  - {{for: i in 1..2, {when}nodes: [{inner}, {outer}]}}")
        body.always.append(f"{own}_g2")

    def kept(self, x: str) -> str:
        """A step that keeps the width of the block's input, which every value has."""
        return self.pick(KEEPING).replace("x.channels", f"{x}.channels")

    def numbered(self, parameter: str, x: str) -> str:
        """A step that uses the block's own number, which is 1, 3 or 5."""
        steps = [
            f"conv channels={x}.channels kernel={parameter}",
            f"conv channels={x}.channels kernel={parameter}+1 padding=same",
            f"depthwise kernel={parameter}",
            f"batch-norm eps={parameter}/100",
            f"weighted-sum eps={parameter}/1000",
            f"conv channels={x}.channels kernel=3 dilation={parameter}",
            f"conv channels={x}.channels bias={parameter}==3",
            f"affine factor={parameter} offset=1/{parameter}",
            f"max-pool kernel={parameter}",
            f"max-pool kernel={parameter}+1 padding=same",
        ]
        return self.pick(steps)

    def call(self, block: OwnBlock, width: str, variants: bool = True) -> str:
        """A step that uses a block of the file."""
        text = block.name + (f" channels={width}" if block.widens else "")
        if block.variant and variants and self.rarely(2):
            text += f" variant={block.variant}"
        return text + (f" {block.parameter}={self.pick([1, 3, 5])}" if self.rarely(2) else "")

    def keeping(self, halves: bool = False) -> str:
        """A step, or a chain, that keeps the width."""
        own = [block for block in self.blocks if block.halves == halves and block.plain]
        if own and self.rarely(2):
            return self.call(self.pick(own), "x.channels")
        if not halves and self.rarely(5):
            return f"[gelu, {self.pick(KEEPING[:8])}, sigmoid]"
        return self.pick(HALVING if halves else KEEPING)
