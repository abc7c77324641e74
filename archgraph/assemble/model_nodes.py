"""What the nodes of a model say: what they use, with which arguments, reading what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from archgraph.assemble.binding import insert_step, with_defaults
from archgraph.assemble.blocks import Blocks
from archgraph.assemble.node_ops import bound_fusion, refuse_extras
from archgraph.assemble.steps import StepReader
from archgraph.errors import Diagnostic, SpecError, suggest
from archgraph.expressions import Argument, Step, Table, expand_template, parse_expression
from archgraph.expressions.template import parse_range
from archgraph.ir.signature import BUILTIN_NAMES, VARIANT, input_names, result_names
from archgraph.spec import (
    IMAGE,
    INPUT_CHANNELS,
    AnyDocument,
    Arguments,
    ArgumentValue,
    Data,
    ExpandedModel,
    ExpandedModelNode,
    ExpandedTopology,
    LevelsParameter,
    MapParameter,
    ModelDocument,
    Read,
    StepParameter,
    TopologyDocument,
    VariantModel,
    steps_of,
    variant_of,
    with_arguments,
)

Pyramid = Mapping[int, str]


class ModelNodes:
    """Reads the nodes of one model.

    Args:
        model: the expanded document.
        blocks: where blocks are looked up.
    """

    def __init__(self, model: ExpandedModel, blocks: Blocks) -> None:
        self.model = model
        self.blocks = blocks
        self.names = model.bound.names
        self.reader = StepReader(blocks, model.document, model.bound.places)

    # --- what a node uses ------------------------------------------------------------------

    def check_keys(self, node: ExpandedModelNode) -> None:
        """Keys that mean nothing beside one another.

        Raises:
            SpecError: E106 it neither uses nor fuses anything, E119 a key has nothing to act on.
        """
        model = node.model
        if model.use is None and model.fuse is None:
            message = f"node '{node.name}' says neither 'use' nor 'fuse'"
            hint = "'use' names a backbone, a topology or a block"
            raise SpecError(Diagnostic("E106", message, node.location, hint))
        stray = {
            "fuse": (model.use is not None, "a node uses one thing or fuses several"),
            "own": (not model.share, "it says what shared weights do not share: add 'share'"),
        }
        if model.use is None:
            stray |= dict.fromkeys(("with", "share", "passes"), (True, "it belongs to 'use'"))
        for key, (is_stray, hint) in stray.items():
            if is_stray and getattr(model, "with_" if key == "with" else key):
                raise SpecError(self._stray(node, key, hint))
        if isinstance(model.from_, list) and model.use is not None and len(model.from_) > 1:
            hint = "name the inputs of its block: from: {name: node, ...}, or 'fuse' the nodes"
            message = f"node '{node.name}' uses a thing and reads a list"
            raise SpecError(Diagnostic("E215", message, model.key_at("from"), hint))

    def _stray(self, node: ExpandedModelNode, key: str, hint: str) -> Diagnostic:
        return Diagnostic(
            "E119", f"'{key}' has nothing to act on here", node.model.key_at(key), hint
        )

    def fusion(self, node: ExpandedModelNode) -> Step:
        """The fusion of a `fuse` node."""
        model = node.model
        chain = steps_of(model.fuse, model, "fuse") or ()
        if len(chain) != 1:
            message = f"node '{node.name}' fuses with {len(chain)} fusions; it takes one"
            raise SpecError(Diagnostic("E119", message, model.key_at("fuse")))
        refuse_extras("a fusion", chain[0], "give the node itself a 'when'")
        return bound_fusion(self.reader, chain[0], self.names)

    def steps(self, node: ExpandedModelNode) -> tuple[Step, ...]:
        """The steps of `use`, parameters that hold a step inserted.

        Raises:
            SpecError: E106, it uses nothing; E119, `with` beside a chain.
        """
        model = node.model
        chain = steps_of(model.use, model, "use") or ()
        if not chain:
            message = f"node '{node.name}' uses nothing"
            raise SpecError(Diagnostic("E106", message, model.at("use")))
        if len(chain) == 1:
            chain = (with_arguments(chain[0], model.with_, model),)
        elif model.with_:
            raise SpecError(self._stray(node, "with", "it belongs to a single step"))
        return tuple(insert_step(step, self.names, self.reader.places) for step in chain)

    def document(self, steps: Sequence[Step]) -> AnyDocument | None:
        """The document that a single step names; None for an operator or a chain of blocks.

        Raises:
            SpecError: E109 there is none, E116 it is a model.
        """
        if len(steps) > 1 or steps[0].use in BUILTIN_NAMES:
            return None
        step, library = steps[0], self.blocks.library
        near = self.blocks.near(step)
        found = library.find(step.use, near)
        if found is None:
            known = library.names(near)
            message = f"there is no backbone, topology or block '{step.use}'"
            hint = suggest(step.use, known)
            raise SpecError(Diagnostic("E109", message, step.name_location, hint))
        library.refuse_ambiguous(found, near, step.location)
        document = library.document(*found)
        if isinstance(document, ModelDocument):
            message = f"'{document.name}' is a model, and a model cannot stand in another"
            hint = f"start from it: 'extends: {document.name}'"
            raise SpecError(Diagnostic("E116", message, step.name_location, hint))
        return document

    def bound(self, node: ExpandedModelNode, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        """Steps that name blocks, with the names of the model filled in."""
        if node.model.passes:
            raise SpecError(self._stray(node, "passes", "they rewrite a topology"))
        bound = self.reader.bound(steps, self.names)
        for step in bound:
            self._check_variant(step)
        several = next((s for s in bound if result_names(s, self.blocks.known)), None)
        if several and len(bound) > 1:
            message = f"'{several.use}' has several results, and stands beside other steps"
            hint = "give it a node of its own"
            raise SpecError(Diagnostic("E119", message, node.model.key_at("use"), hint))
        if several and node.model.share == "levels":
            raise SpecError(self._stray(node, "share", f"'{several.use}' is used once"))
        return bound

    def _check_variant(self, step: Step) -> None:
        argument, block = step.argument(VARIANT), self.blocks.known.get(step.use)
        if argument and block and block.variants and argument.text not in block.variants:
            message = f"'{step.use}' has no variant '{argument.text}'"
            hint = suggest(argument.text, block.variants, "variants")
            raise SpecError(Diagnostic("E123", message, argument.location, hint))

    def results(self, step: Step) -> tuple[str, ...]:
        """The names of the results of a step that has several."""
        return result_names(step, self.blocks.known)

    # --- arguments of a topology -----------------------------------------------------------

    def arguments(self, step: Step, document: TopologyDocument) -> Arguments:
        """What a step gives to the parameters of a topology, evaluated in the model.

        Raises:
            SpecError: E119 what follows from elsewhere is given, or what an expression says.
        """
        step = with_defaults(step, self.model.document)
        found: dict[str, ArgumentValue] = {}
        for argument in step.arguments:
            if argument.key == INPUT_CHANNELS:
                message = f"'{INPUT_CHANNELS}' has nothing to act on here"
                hint = "they follow from what the node reads"
                raise SpecError(Diagnostic("E119", message, argument.location, hint))
            if argument.key != VARIANT:
                found[argument.key] = ArgumentValue(
                    self._value(argument, document), argument.location
                )
        return found

    def _value(self, argument: Argument, document: TopologyDocument) -> Data:
        text, where = argument.text, argument.location
        form = document.parameters.get(argument.key)
        if isinstance(form, StepParameter):
            return expand_template(text, self.names, where)
        if argument.key == "levels" or isinstance(form, LevelsParameter):
            text = expand_template(text, self.names, where)
            if text.strip().isdigit():
                return int(text)
            start, stop, _ = parse_range(text, where)
            ends = (start.evaluate(self.names), stop.evaluate(self.names))
            return f"{int(ends[0])}..{int(ends[1])}"
        known = self.names.get(text.strip())
        if isinstance(known, Table) and (
            isinstance(form, MapParameter) or argument.key == "channels"
        ):
            by_level: Data = {str(level): value for level, value in known.entries.items()}
            return by_level
        return parse_expression(text, where).evaluate(self.names)

    def variant(self, step: Step, document: TopologyDocument) -> VariantModel | None:
        """The row of the topology that a step chooses."""
        argument = step.argument(VARIANT)
        if argument is None:
            return None
        name = expand_template(argument.text, self.names, argument.location)
        try:
            return variant_of(document, name)
        except SpecError as error:
            first = error.diagnostics[0]
            raise SpecError(
                Diagnostic(first.code, first.message, argument.location, first.hint)
            ) from None

    def with_input_channels(
        self, arguments: Arguments, channels: Mapping[int, int]
    ) -> dict[str, ArgumentValue]:
        """The arguments with the channels of what is read; of a level that is not, any."""
        some = next(iter(channels.values()), 1)
        by_level: Data = {str(level): channels.get(level, some) for level in range(32)}
        return {**arguments, INPUT_CHANNELS: ArgumentValue(by_level)}

    # --- what a node reads -----------------------------------------------------------------

    def feeds(
        self,
        node: ExpandedModelNode,
        step: Step,
        topology: ExpandedTopology,
        reads: Mapping[str, Pyramid],
    ) -> dict[str, str]:
        """The value for every input of a topology.

        Raises:
            SpecError: E124, a level is not there; E112, an input is named that there is not.
        """
        found: dict[str, str] = {}
        names = [given.name for given in topology.inputs]
        for read in node.reads:
            if read.port and read.port not in names:
                message = f"'{step.use}' has no input '{read.port}'"
                hint = suggest(read.port, names, "it reads")
                raise SpecError(Diagnostic("E112", message, read.location, hint))
        for given in topology.inputs:
            pyramid = reads.get(given.name, reads.get(""))
            source = next((r.source for r in node.reads if r.port in (given.name, "")), "")
            if pyramid is None:
                message = f"'{step.use}' reads '{given.name}', which is not given"
                raise SpecError(Diagnostic("E215", message, node.model.key_at("from")))
            if given.level not in pyramid:
                wanted = {each.level for each in topology.inputs}
                raise SpecError(self._missing_level(node, step, wanted, source, pyramid))
            found[given.name] = pyramid[given.level]
        return found

    def _missing_level(
        self, node: ExpandedModelNode, step: Step, wanted: Set[int], source: str, pyramid: Pyramid
    ) -> Diagnostic:
        argument = step.argument("levels")
        where = (argument.location if argument else None) or step.location or node.location
        missing = levels_text(wanted - set(pyramid))
        message = f"'{node.name}' reads level {missing}, which '{source}' does not give"
        hint = f"'{source}' gives level {levels_text(pyramid)}"
        if both := wanted & set(pyramid):
            hint += f": write 'levels={levels_text(both)}', or make the others with 'pooled-levels'"
        if source == IMAGE:
            hint = "put a backbone before it"
        return Diagnostic("E124", message, where, hint)

    def ports(
        self, node: ExpandedModelNode, step: Step, reads: Mapping[str, Pyramid]
    ) -> dict[str, Pyramid]:
        """What each input of a block reads, by the input's name.

        Raises:
            SpecError: E112 there is no such input, E215 one is not given.
        """
        names = input_names(step, self.blocks.known) or ("x",)
        where = node.model.key_at("from") or node.location
        wanted = ", ".join(f"{name}: ..." for name in names)
        if "" in reads:
            if len(names) > 1:
                message = f"'{step.use}' has {len(names)} inputs"
                hint = f"say which is which: from: {{{wanted}}}"
                raise SpecError(Diagnostic("E215", message, where, hint))
            return {names[0]: reads[""]}
        for read in node.reads:
            if read.port not in names:
                message = f"'{step.use}' has no input '{read.port}'"
                hint = suggest(read.port, names, f"'{step.use}' reads")
                raise SpecError(Diagnostic("E112", message, read.location, hint))
        missing = [name for name in names if name not in reads]
        if missing:
            message = f"'{step.use}' reads '{missing[0]}', which is not given"
            raise SpecError(Diagnostic("E215", message, where, f"write 'from: {{{wanted}}}'"))
        return {name: reads[name] for name in names}

    def one_value(self, node: ExpandedModelNode, pyramid: Pyramid) -> str:
        """The value of a pyramid that has one level.

        Raises:
            SpecError: E124, it has several.
        """
        if len(pyramid) == 1:
            return next(iter(pyramid.values()))
        message = f"'{node.name}' reads one value, and is given levels {levels_text(pyramid)}"
        hint = "a backbone reads the image: from: image"
        where = node.model.key_at("from") or node.location
        raise SpecError(Diagnostic("E124", message, where, hint))

    # --- mistakes --------------------------------------------------------------------------

    def levels_differ(
        self, node: ExpandedModelNode, read: Read, first: Pyramid, other: Pyramid
    ) -> Diagnostic:
        """What a node reads stands on different levels."""
        message = f"what '{node.name}' reads stands on different levels:"
        message += f" {levels_text(first)}, and {levels_text(other)} of '{read.source}'"
        return Diagnostic("E124", message, read.location, "bring both to the same levels first")

    def same_level(self, node: ExpandedModelNode, level: int, result: str) -> Diagnostic:
        """Two results of a block stand on one level."""
        message = f"two results of '{node.name}' stand on level {level}, the second is '{result}'"
        hint = "a pyramid has one value for each level"
        return Diagnostic("E124", message, node.location, hint)

    def one_pixel(self, node: ExpandedModelNode) -> Diagnostic:
        """What a node makes has no level."""
        message = f"node '{node.name}' makes a single pixel, which has no level"
        hint = "do this in a block, which puts the pixel on a map again"
        return Diagnostic("E124", message, node.location, hint)

    def wrong_level(
        self, node: ExpandedModelNode, step: Step, result: str, level: int
    ) -> Diagnostic:
        """A backbone gives a map under a level that it does not have."""
        message = f"'{step.use}' gives a map of level {level} as that of level {result[1:]}"
        hint = f"under 'outputs' of '{step.use}' write {level}: ..., or change its strides"
        return Diagnostic("E115", message, step.location or node.location, hint)


def levels_text(pyramid: Iterable[int]) -> str:
    """Levels as people write them: `3..7`, or `2, 4`."""
    levels = sorted(pyramid)
    if levels == list(range(levels[0], levels[-1] + 1)) and len(levels) > 1:
        return f"{levels[0]}..{levels[-1]}"
    return ", ".join(map(str, levels))
