"""What the nodes of a topology do: `fuse` and `use` with their steps and settings."""

from __future__ import annotations

from collections.abc import Callable

from archgraph.assemble.binding import bind_step, check_step, insert_step, with_defaults
from archgraph.assemble.steps import IMPLIED, StepReader
from archgraph.errors import Diagnostic, SpecError, suggest
from archgraph.expressions import Names, Step, Table
from archgraph.ir.pyramid import Fuse, Use
from archgraph.ir.signature import (
    BUILTIN_NAMES,
    FUSIONS,
    argument_kinds,
    fusion_kinds,
    input_names,
    result_names,
    too_many,
)
from archgraph.spec import (
    ExpandedNode,
    Located,
    NodeModel,
    TopologyDocument,
    steps_of,
    used_steps,
)

# The name of an input that is only measured; where it is not given the edge gives it.
LIKE = "like"


class NodeOps:
    """Makes the operations of one topology's nodes.

    Args:
        document: the topology, for its `defaults.node`.
        steps: reads the steps.
        keep: runs one part and keeps what is wrong with it, so that the rest is looked at too.
    """

    def __init__(
        self,
        document: TopologyDocument,
        steps: StepReader,
        keep: Callable[..., tuple[Step, ...] | Step | None],
    ) -> None:
        self.document = document
        self.steps = steps
        self.blocks = steps.blocks
        self.keep = keep

    # --- use -------------------------------------------------------------------------------

    def use(self, node: ExpandedNode, level: int, names: Names) -> Use:
        """The operation of a `use` node.

        Raises:
            SpecError: everything that is wrong with it; its `block` is looked at by `keep`.
        """
        model = node.model
        settings = self.blocks.settings(model.settings)
        block = self.keep(self.steps.read, model.block, model, names, "block") or ()
        for key, hint in (
            ("fuse", "a node either fuses its inputs or uses a block; delete one of the two"),
            ("pin", "passes never touch a node with 'use'; delete 'pin'"),
        ):
            if getattr(model, key):
                message = f"node '{node.name}' has 'use' and '{key}'"
                raise SpecError(Diagnostic("E119", message, model.key_at(key), hint))
        chain = self.steps.bound(used_steps(model), names)
        results = result_names(chain[-1], self.blocks.known) if chain else ()
        several = next((step for step in chain if result_names(step, self.blocks.known)), None)
        if several and (block or len(chain) > 1):
            key = "block" if block else "use"
            message = f"'{several.use}' has several results, and stands beside other steps"
            hint = "give it a node of its own"
            raise SpecError(Diagnostic("E119", message, model.key_at(key), hint))
        if not chain:
            message = f"node '{node.name}' uses nothing"
            raise SpecError(Diagnostic("E106", message, model.at("use")))
        if not node.faulty:
            self._check_ports(chain[0], node)
        assert isinstance(block, tuple)
        return Use(level, chain, block, settings, results)

    def _check_ports(self, step: Step, node: ExpandedNode) -> None:
        """Inputs that differ in meaning are named; what is named must exist, and all of it."""
        ports = input_names(step, self.blocks.known)
        variadic = not ports
        named = [edge for edge in node.edges if edge.port]
        where, wanted = node.model.key_at("from"), ", ".join(f"{port}: ..." for port in ports)
        if variadic and named:
            sources = ", ".join(edge.source for edge in named)
            message = f"'{step.use}' takes any number of inputs, which have no names"
            raise SpecError(
                Diagnostic("E215", message, where, f"write a list: 'from: [{sources}]'")
            )
        if not variadic and not named and len(ports) > 1 and len(node.edges) > 1:
            message = f"'{step.use}' has {len(ports)} inputs that differ"
            hint = f"say which is which: from: {{{wanted}}}"
            raise SpecError(Diagnostic("E215", message, where, hint))
        for edge in named:
            if edge.port not in ports:
                message = f"'{step.use}' has no input '{edge.port}'"
                free = [port for port in ports if all(port != e.port for e in named)]
                hint = suggest(edge.port, free or ports, f"'{step.use}' reads")
                raise SpecError(Diagnostic("E112", message, edge.port_place, hint))
        if node.faulty:  # what is missing was reported
            return
        if not variadic and len(ports) == 1 and len(node.edges) > 1:
            raise too_many(step.use, 1, len(node.edges), step.location)
        given = {edge.port for edge in named} if named else set(ports[: len(node.edges)])
        missing = [port for port in ports if port not in given and port != LIKE]
        if missing and not variadic:
            message = f"'{step.use}' reads '{missing[0]}', which is not given"
            raise SpecError(Diagnostic("E215", message, where, f"write 'from: {{{wanted}}}'"))

    # --- fuse ------------------------------------------------------------------------------

    def fuse(self, node: ExpandedNode, level: int, names: Names) -> Fuse:
        """The operation of a `fuse` node.

        Raises:
            SpecError: everything that is wrong with it; its steps are looked at by `keep`.
        """
        model, defaults = node.model, self.document.defaults.node
        settings = self.blocks.settings(model.settings)
        block = self.keep(self.steps.read, model.block, model, names, "block", implied=IMPLIED)
        for key, hint in (
            ("with", "it belongs to 'use'; write 'fuse: fast eps=0.1'"),
            ("repeat", "it belongs to 'use'; write it on a step of 'block'"),
            ("first", "it belongs to 'use'; write it on a step of 'block'"),
        ):
            if getattr(model, "with_" if key == "with" else key):
                raise SpecError(stray(model, key, hint))
        owner: Located = model if model.fuse is not None else defaults
        form = model.fuse if model.fuse is not None else defaults.fuse
        chain = steps_of(form, owner, "fuse")
        if chain and len(chain) > 1:
            message = f"node '{node.name}' has {len(chain)} fusions"
            hint = "a node fuses once; what follows is its 'block'"
            raise SpecError(Diagnostic("E119", message, owner.at("fuse", 1), hint))
        if not chain:
            message = f"node '{node.name}' says neither 'fuse' nor 'use'"
            hint = "write 'fuse: sum' on the node or under defaults.node"
            raise SpecError(Diagnostic("E106", message, node.location, hint))
        refuse_extras("a fusion", chain[0], "give the node itself a 'when'")
        fusion = self.keep(bound_fusion, self.steps, chain[0], names)
        if block is None and model.block is None:
            block = self.keep(
                self.steps.read, defaults.block, defaults, names, "block", implied=IMPLIED
            )
        assert not isinstance(block, Step) and not isinstance(fusion, tuple)
        channels = self._channels(node, level, names)
        return Fuse(level, channels, fusion or Step("sum"), block or (), settings, model.pin)

    def _channels(self, node: ExpandedNode, level: int, names: Names) -> int:
        channels = names.get("channels")
        missing = ""
        if isinstance(channels, Table):
            missing = f": 'channels' has no value for level {level}"
            channels = channels.entries.get(level)
        if isinstance(channels, bool) or not isinstance(channels, int | float):
            message = f"the channels of node '{node.name}' are not known{missing}"
            raise SpecError(Diagnostic("E113", message, node.location))
        return int(channels)


def bound_fusion(steps: StepReader, step: Step, names: Names) -> Step:
    """A fusion by name, or a block with one input that takes many values.

    Raises:
        SpecError: there is none of this name, or what is wrong with its arguments.
    """
    step = insert_step(step, names, steps.places)
    kinds = fusion_kinds(step)
    if kinds is None:
        step = _fusion_block(steps, step)
        kinds = argument_kinds(step, steps.blocks.known) or {}
    check_step(step, kinds, steps.blocks.known, IMPLIED)
    return steps.blocks.with_words(bind_step(step, kinds, names, frozenset()))


def _fusion_block(steps: StepReader, step: Step) -> Step:
    if step.use in BUILTIN_NAMES or not steps.blocks.finds(step):
        hint = suggest(step.use, FUSIONS, "fusions")
        message = f"there is no fusion '{step.use}'"
        raise SpecError(Diagnostic("E109", message, step.name_location, hint))
    step = steps.blocks.resolve(with_defaults(step, steps.document), ())
    if not steps.blocks.known[step.use].variadic:
        message = f"'{step.use}' is no fusion: it does not take any number of inputs"
        hint = "a block that fuses says 'inputs: [many x]'"
        raise SpecError(Diagnostic("E116", message, step.location, hint))
    return step


def stray(model: NodeModel, key: str, hint: str) -> Diagnostic:
    """A key that means nothing where it stands."""
    return Diagnostic("E119", f"'{key}' has nothing to act on here", model.key_at(key), hint)


def refuse_extras(what: str, step: Step, hint: str) -> None:
    """Refuse what only steps have that make values.

    Raises:
        SpecError: E119, the step has a condition, is repeated or shares weights.
    """
    for key, value in (("when", step.when), ("repeat", step.repeat), ("share", step.share)):
        if value:
            where = value.location if not isinstance(value, str) else step.location
            message = f"{what} has no '{key}'"
            advice = hint if key == "when" else f"delete '{key}'"
            raise SpecError(Diagnostic("E119", message, where or step.location, advice))
