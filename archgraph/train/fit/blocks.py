"""The blocks that a network repeats: compiled one by one, or computed twice to save memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

# Of the blocks of a kind, each of which torch compiles once.
MOST_SHAPES = 64


def repeated_blocks(network: nn.Module) -> list[nn.Module]:
    """The largest modules of which a network has several of a kind, in order.

    Only what the generated file defines counts, such as the cells of a neck or the blocks of a
    backbone; modules of torch are too small to be worth it.
    """
    own = type(network).__module__
    kinds = Counter(type(each) for each in network.modules() if type(each).__module__ == own)
    return list(_outermost(network, {kind for kind, count in kinds.items() if count > 1}))


def _outermost(module: nn.Module, kinds: set[type[nn.Module]]) -> Iterator[nn.Module]:
    for child in module.children():
        if type(child) in kinds:
            yield child
        else:
            yield from _outermost(child, kinds)


def compile_blocks(network: nn.Module) -> int:
    """Have torch compile every repeated block, in place; how many there are.

    Blocks of a kind share what torch makes of them, so it takes a fraction of the time that the
    whole network would. Names of weights stay as they are.
    """
    blocks = repeated_blocks(network)
    # Torch gives a kind up after a few shapes; a backbone has more, and a head one for each level.
    from torch._dynamo import config

    config.recompile_limit = max(config.recompile_limit, MOST_SHAPES)
    for block in blocks:
        block.compile(dynamic=False)
    return len(blocks)


def checkpoint_blocks(network: nn.Module) -> int:
    """Let every repeated block forget what backward needs and compute it again; how many."""
    blocks = repeated_blocks(network)
    for block in blocks:
        again = partial(_contexts, block)
        block.forward = partial(_twice, block, block.forward, again)
    return len(blocks)


def _twice(block: nn.Module, forward: Any, contexts: Any, *given: Any, **named: Any) -> Any:
    if not block.training:
        return forward(*given, **named)
    return checkpoint(forward, *given, use_reentrant=False, context_fn=contexts, **named)


def _contexts(block: nn.Module) -> tuple[Any, Any]:
    """Of the first time and of the second, in which norms do not count the images again."""
    return nullcontext(), _uncounted(block)


@contextmanager
def _uncounted(block: nn.Module) -> Iterator[None]:
    """Norms compute what they have computed, and remember it with a weight of 0."""
    counting = [
        (each, each.momentum, each.num_batches_tracked)
        for each in block.modules()
        if isinstance(each, _BatchNorm) and each.training and each.num_batches_tracked is not None
    ]
    for norm, _, count in counting:
        norm.momentum = 0.0
        norm.num_batches_tracked = count.clone()
    try:
        yield
    finally:
        for norm, momentum, count in counting:
            norm.momentum, norm.num_batches_tracked = momentum, count
