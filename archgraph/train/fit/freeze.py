"""Parts of a network that are not trained, by the names of its modules."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from archgraph.errors import DataError, Diagnostic, nearest


def frozen_modules(network: nn.Module, patterns: Sequence[str]) -> list[str]:
    """The names of modules that patterns mean; what is below such a module is meant too.

    Args:
        network: whose modules.
        patterns: names such as `backbone`, with `*` and `?` as in names of files.

    Raises:
        DataError: E554, a pattern means nothing.
    """
    names = [name for name, _ in network.named_modules() if name]
    found: dict[str, None] = {}
    for pattern in patterns:
        matching = [name for name in names if fnmatchcase(name, pattern)]
        if not matching:
            meant = nearest(pattern, names)
            hint = f"did you mean '{meant}'?" if meant else _top(names)
            message = f"there is nothing called '{pattern}' to freeze"
            raise DataError(Diagnostic("E554", message, None, hint))
        found.update(dict.fromkeys(matching))
    return list(found)


def _top(names: Sequence[str]) -> str:
    return f"there are {', '.join(name for name in names if '.' not in name)}"


def freeze(network: nn.Module, patterns: Sequence[str]) -> None:
    """Stop gradients of what patterns mean, see `train_mode` too.

    Raises:
        DataError: E554, a pattern means nothing, or nothing is left to train.
    """
    for name in frozen_modules(network, patterns):
        network.get_submodule(name).requires_grad_(False)
    if not any(each.requires_grad for each in network.parameters()):
        message = f"{', '.join(map(repr, patterns))} freezes everything: nothing is left to train"
        raise DataError(Diagnostic("E554", message, None, "freeze less, such as 'backbone'"))


def train_mode(network: nn.Module, patterns: Sequence[str]) -> None:
    """Training mode, but for the norms of what is frozen: their statistics stay."""
    network.train()
    for name in frozen_modules(network, patterns):
        for module in network.get_submodule(name).modules():
            if isinstance(module, _BatchNorm):
                module.eval()
