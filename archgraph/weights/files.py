"""Files of weights: what other programs saved is read with care, what we write is whole or absent.

A `.pth` file is a pickle. It is read by torch's restricted reader, which builds tensors and plain
values and refuses everything else, so no file can run code.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from archgraph.errors import Diagnostic, InputOutputError, WeightsError
from archgraph.weights.failure import failed

if TYPE_CHECKING:
    from torch import Tensor

ZIP, PICKLE = b"PK\x03\x04", b"\x80"
# safetensors keeps its metadata in no order; what is one value has one.
METADATA = "archgraph"
# An archive that unpacks to more than so many times its size was not written by torch.
MOST_UNPACKED = 8
_FORBIDDEN = re.compile(r"(?:Unsupported global: GLOBAL|unsupported GLOBAL) (\S+)")


@dataclass(frozen=True)
class Stored:
    """What a file holds.

    Attributes:
        content: the value that was saved; of a safetensors file its tensors by name.
        metadata: what archgraph wrote beside them; empty for files of others.
    """

    content: object
    metadata: Mapping[str, Any]


def read_file(path: Path) -> Stored:
    """Read a file, whose first bytes tell what it is.

    Raises:
        InputOutputError: E001, it cannot be read.
        WeightsError: E430, it is no file of weights, is damaged, or holds more than tensors and
            plain values.
    """
    head = _head(path)
    if head.startswith((ZIP, PICKLE)):
        return Stored(_read_torch(path), {})
    if len(head) > 8 and head[8:9] == b"{":
        return _read_safetensors(path)
    what = "is empty" if not head else "is neither a torch nor a safetensors file"
    hint = "a file that torch.save or safetensors wrote is needed"
    raise failed("E430", f"'{path}' {what}", hint)


def read_metadata(path: str | Path) -> Mapping[str, Any]:
    """What archgraph wrote beside the tensors of a safetensors file; empty for files of others.

    Raises:
        InputOutputError: E001, it cannot be read.
        WeightsError: E430, it is no file of weights.
    """
    path = Path(path)
    if _head(path).startswith((ZIP, PICKLE)):
        return {}
    return _read_safetensors(path, whole=False).metadata


def write_safetensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> None:
    """Replace a file in one step. Raises what `write_torch` raises."""
    from safetensors.torch import save

    whole = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    replace_file(path, save(whole, {METADATA: json.dumps(metadata, sort_keys=True)}))


def write_torch(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Replace a file by a plain state dict, in one step.

    Raises:
        InputOutputError: E020, it cannot be written; it is unchanged.
    """
    import io

    import torch

    whole = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    # A file of its own name would hold that name, so equal weights would be different bytes.
    buffer = io.BytesIO()
    torch.save(whole, buffer)
    replace_file(path, buffer.getvalue())


def replace_file(path: Path, content: bytes | memoryview) -> None:
    """Replace a file in one step: it holds all of `content`, or what it held before.

    Raises:
        InputOutputError: E020, it cannot be written; it is unchanged.
    """
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which replaces another in one step once all of it is on the disk.

    Raises:
        InputOutputError: E020, it cannot be written; the other is unchanged.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        if target.exists() and not target.is_file():
            raise OSError("it is a folder or a device")
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                temporary.chmod(target.stat().st_mode & 0o777)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        message = f"cannot write '{path}': {error.strerror or error}"
        raise InputOutputError(Diagnostic("E020", message)) from None


def _head(path: Path) -> bytes:
    try:
        if not path.exists():
            raise FileNotFoundError(2, "No such file or directory")
        if not path.is_file():
            hint = "name the file itself"
            raise failed("E430", f"'{path}' is a folder or a device, no file of weights", hint)
        with path.open("rb") as file:
            return file.read(9)
    except OSError as error:
        raise _unreadable(path, error) from None


def _read_torch(path: Path) -> object:
    import torch

    try:
        if zipfile.is_zipfile(path):
            _check_archive(path)
        # The reader of torch warns of pickles that it then reads, or refuses.
        with warnings.catch_warnings(), _plain_objects():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise failed("E430", f"'{path}' needs more memory than there is") from None
    except Exception as error:  # a damaged pickle raises whatever its bytes lead to
        raise _refused(path, error) from None


def _check_archive(path: Path) -> None:
    """Refuse an archive that unpacks to many times its size; torch does not compress."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > MOST_UNPACKED * max(path.stat().st_size, 1 << 20):
        raise zipfile.BadZipFile(f"it unpacks to {unpacked} bytes")


def _plain_objects() -> AbstractContextManager[object]:
    """Lets the reader take the options of a training script, a bag of values with no code."""
    import torch

    allow = getattr(torch.serialization, "safe_globals", None)
    return allow([argparse.Namespace]) if allow is not None else nullcontext()


def _refused(path: Path, error: Exception) -> WeightsError:
    said = str(error)
    forbidden = _FORBIDDEN.search(said)
    if forbidden is not None:
        name = forbidden[1].rstrip(".")
        message = f"'{path}' holds '{name}', which is neither a tensor nor a plain value"
        hint = "where you trust the file, load it and save its state_dict alone"
        return failed("E430", message, hint)
    # What the reader says of damage is long, and advice to read the file without care.
    reason = "" if "Weights only" in said or not said else f": {said.splitlines()[0]}"
    message = f"'{path}' is damaged, or no file that torch.save wrote{reason}"
    return failed("E430", message, "get the file again")


def _read_safetensors(path: Path, *, whole: bool = True) -> Stored:
    """The tensors and what archgraph wrote beside them, or that alone."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            names = file.keys() if whole else ()
            return Stored(
                {name: file.get_tensor(name) for name in names}, _decoded(file.metadata())
            )
    except (SafetensorError, OSError, MemoryError, ValueError, TypeError, RuntimeError) as error:
        message = f"'{path}' is no complete safetensors file: {error}"
        raise failed("E430", message, "get the file again") from None


def _decoded(metadata: Mapping[str, str] | None) -> Mapping[str, Any]:
    try:
        found = json.loads((metadata or {}).get(METADATA, "{}"))
    except (json.JSONDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _unreadable(path: Path, error: OSError) -> InputOutputError:
    return InputOutputError(Diagnostic("E001", f"cannot read '{path}': {error.strerror or error}"))
