"""From what a file holds to named tensors: the state dict is found, and its names are cleaned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archgraph.errors import listing
from archgraph.weights.failure import failed
from archgraph.weights.files import read_file
from archgraph.weights.tensors import is_optional

if TYPE_CHECKING:
    from torch import Tensor

# What training scripts call the weights, and their moving average, in the file they save.
PLAIN = ("state_dict", "model", "model_state_dict", "module")
AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema")
# What wrappers put before every name: data parallel, compiled, effdet's benches.
WRAPPERS = ("module.", "_orig_mod.", "model.")
# effdet's benches keep their anchors beside the weights.
NO_WEIGHTS = frozenset({"anchors.boxes"})


@dataclass(frozen=True)
class Weights:
    """Named tensors of a file.

    Attributes:
        path: the file.
        tensors: by name, in the order of the file.
        metadata: what archgraph wrote beside them; empty for files of others.
        notes: what a reader should know of how they were found.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def left_out(self) -> tuple[str, ...]:
        """Modules whose tensors this file of archgraph lacks on purpose."""
        found = self.metadata.get("left_out", ())
        return tuple(str(each) for each in found) if isinstance(found, list) else ()

    @property
    def origin(self) -> str:
        """What this file of archgraph was made for, as in a command line; empty if it says none."""
        model, variant = (self.metadata.get(key, "") for key in ("model", "variant"))
        return " ".join(f"'{word}'" for word in (model, variant) if word)


def read_weights(path: str | Path, *, averaged: bool = False) -> Weights:
    """Read the named tensors of a checkpoint.

    Args:
        path: a `.pth`, `.pt` or `.safetensors` file.
        averaged: take the moving average (EMA) of the weights, which must be there.

    Raises:
        InputOutputError: E001, the file cannot be read.
        WeightsError: E430, it is no file of weights; E431, it holds no state dict, or not the
            one that is asked for.
    """
    file = Path(path)
    stored = read_file(file)
    state, notes = _state_dict(file, stored.content, averaged)
    tensors = _cleaned(file, state)
    return Weights(file, tensors, stored.metadata, notes)


def _state_dict(
    file: Path, content: object, averaged: bool
) -> tuple[Mapping[Any, Any], tuple[str, ...]]:
    """The mapping of names to tensors somewhere in what was saved."""
    top = _mapping(file, content)
    ema = next((name for name in AVERAGED if isinstance(top.get(name), Mapping)), None)
    plain = next((name for name in PLAIN if isinstance(top.get(name), Mapping)), None)
    if averaged and ema is None:
        there = listing([f"'{name}'" for name in list(top)[:6]])
        message = f"'{file}' holds no averaged weights; it holds {there}"
        raise failed("E431", message, "leave --ema out")
    if averaged and ema is not None:
        return _mapping(file, top[ema]), (f"took the averaged weights, '{ema}'",)
    if plain is None:
        return top, ()
    inner, notes = _state_dict(file, top[plain], averaged=False)
    if ema is not None:
        notes = (*notes, f"took '{plain}'; the averaged weights, '{ema}', are taken with --ema")
    return inner, notes


def _mapping(file: Path, content: object) -> Mapping[Any, Any]:
    if isinstance(content, Mapping):
        return content
    message = f"'{file}' holds a {type(content).__name__}, not tensors by name"
    raise failed("E431", message, "save the state_dict of a module")


def _cleaned(file: Path, state: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Tensors by name without what wrappers add to them."""
    tensors = {_checked_name(file, name): value for name, value in state.items()}
    for wrapper in WRAPPERS * 2:
        inner = {name for name in tensors if name not in NO_WEIGHTS}
        if inner and all(name.startswith(wrapper) for name in inner):
            tensors = {name.removeprefix(wrapper): value for name, value in tensors.items()}
    tensors = {name: value for name, value in tensors.items() if name not in NO_WEIGHTS}
    if not tensors:
        raise failed("E431", f"'{file}' holds no tensors", "save the state_dict of a module")
    for name, value in tensors.items():
        _check_tensor(file, name, value)
    return tensors


def _checked_name(file: Path, name: object) -> str:
    if isinstance(name, str):
        return name
    raise failed("E431", f"'{file}' names a tensor {name!r}, which is no text")


def _check_tensor(file: Path, name: str, value: object) -> None:
    import torch

    if not isinstance(value, torch.Tensor):
        what = f"a {type(value).__name__}"
    elif value.layout != torch.strided or value.is_quantized:
        what = "a sparse or quantized tensor"
    elif not value.is_floating_point() and not is_optional(name):
        what = f"a tensor of {str(value.dtype).removeprefix('torch.')}"
    else:
        return
    message = f"'{name}' in '{file}' is {what}, not a tensor of floating-point numbers"
    raise failed("E431", message, "save the state_dict of a module")
