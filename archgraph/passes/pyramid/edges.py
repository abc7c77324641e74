"""What an edge does to the value it carries: its own steps, else those of the policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from archgraph.errors import Location, SpecError
from archgraph.expressions import Names, Step, Value, expand_template
from archgraph.ir import Edge, EdgeSteps, FeatureType, Model, Node
from archgraph.ir.pyramid import Fuse, Use
from archgraph.passes.context import Context
from archgraph.passes.fusion import with_channels
from archgraph.passes.infer import concrete, infer_chain
from archgraph.spec import SHARED, name_fault


@dataclass(frozen=True)
class Carried:
    """One operand on its way into a node.

    Attributes:
        steps: the concrete steps of the edge.
        result: the type of what arrives.
        target: the level at which the node takes it, None if it takes any.
        role: which of `up` and `down` had to change the level, empty if none.
    """

    steps: EdgeSteps
    result: FeatureType
    target: int | None
    role: str = ""

    @property
    def arrives(self) -> bool:
        """Whether the steps end at the level that the node needs."""
        return self.target is None or self.result.level == self.target


def carry(model: Model, node: Node, edge: Edge, x: FeatureType, target: int | None) -> Carried:
    """Resolve one edge: `project` first, then `up` or `down` if the level has to change.

    Args:
        model: the graph, for its policy and its blocks.
        node: the reader.
        edge: the operand.
        x: the type of the value that the edge starts from.
        target: the level that the node needs; None for one that takes any.

    Raises:
        SpecError: a step does not fit what it is applied to.
    """
    policy, written = model.graph.policy or EdgeSteps(), edge.steps
    where = edge.location or node.location
    default = policy.project if isinstance(node.op, Fuse) else ()
    chain = written.project if written.project is not None else default
    level = x.level if target is None else target
    projected, x = _chain(model, node, chain or (), x, level, where)
    steps = EdgeSteps(project=projected or None, resample=written.resample)
    if target is None or x.level == target:
        return Carried(steps, x, target)
    if x.level > target:
        chain = written.up if written.up is not None else policy.up
        resampled, x = _chain(model, node, chain or (), x, target, where)
        return Carried(EdgeSteps(steps.project, up=resampled), x, target, "up")
    chain = written.down if written.down is not None else policy.down
    resampled, x = _chain(model, node, chain or (), x, target, where)
    return Carried(EdgeSteps(steps.project, down=resampled), x, target, "down")


def _chain(
    model: Model,
    node: Node,
    steps: Sequence[Step],
    x: FeatureType,
    target: int,
    where: Location | None,
) -> tuple[tuple[Step, ...], FeatureType]:
    """Concrete steps and the type they give; steps whose condition is false are left out."""
    op = node.op
    assert isinstance(op, Fuse | Use)
    channels = op.channels if isinstance(op, Fuse) else x.channels
    settings = model.graph.settings_at(node.scope).updated(op.settings)
    like = FeatureType(target, channels)
    done: list[Step] = []
    for step in steps:
        names = edge_names(x, channels, op.level, target)
        names["settings"] = settings.attributes()
        if step.when and not step.when.evaluate(names):
            continue
        step = with_channels(concrete(step, names, model.blocks), channels, model.blocks)
        step = replace(step, share=_share(step, names))
        context = Context(names, settings, "", where, override=op.settings)
        x = infer_chain([step], [("", x)], model.blocks, context, like)
        done.append(step)
    return tuple(done), x


def _share(step: Step, names: Names) -> str:
    """The name of the weights of a step, now that its edge is known."""
    share = expand_template(step.share, names, step.location)
    fault = name_fault(share, step.location, SHARED) if share else None
    if fault:
        raise SpecError(fault)
    return share


def edge_names(x: FeatureType, channels: int, level: int, target: int) -> dict[str, Value]:
    """What the steps of an edge may name."""
    return {
        "x": {"channels": x.channels, "level": x.level},
        "channels": channels,
        "level": level,
        "distance": abs(x.level - target),
        "scale": 2 ** abs(x.level - target),
    }
