"""Files of others may be anything; files of ours are whole or absent, and the same every time."""

from __future__ import annotations

import argparse
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from archgraph.errors import ArchgraphError, InputOutputError, WeightsError
from archgraph.weights.checkpoint import read_weights
from archgraph.weights.files import read_file, write_safetensors, write_torch


class Hostile:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch stolen",)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(file: str) -> ArchgraphError:
    with pytest.raises(ArchgraphError) as raised:
        read_weights(file)
    return raised.value


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_no_code_runs(protocol: int) -> None:
    Path("raw.pth").write_bytes(pickle.dumps(Hostile(), protocol=protocol))
    torch.save({"state_dict": {"a": Hostile()}}, "zipped.pth")
    for file in ("raw.pth", "zipped.pth"):
        assert refusal(file).diagnostics[0].code == "E430"
    assert not Path("stolen").exists()


def test_what_is_forbidden_is_named() -> None:
    torch.save({"a": Hostile()}, "a.pth")
    torch.save(torch.nn.Conv2d(1, 1, 1), "b.pth")
    (found,) = refusal("a.pth").diagnostics
    assert found.message == (
        f"'a.pth' holds '{os.name}.system', which is neither a tensor nor a plain value"
    )
    assert "state_dict" in found.hint
    assert "'torch.nn.modules.conv.Conv2d'" in refusal("b.pth").diagnostics[0].message


def test_the_options_of_a_training_script_are_no_obstacle() -> None:
    options = argparse.Namespace(lr=0.1, model="x", nested=argparse.Namespace(a=[1]))
    torch.save({"args": options, "state_dict": {"a": torch.ones(2)}}, "a.pth")
    assert list(read_weights("a.pth").tensors) == ["a"]


DAMAGED = {
    "empty.pth": b"",
    "short.safetensors": b"\0" * 9,
    "text.pth": b"hello, this is a text",
    "html.pth": b"<!DOCTYPE html><html></html>",
    "pickle.pth": b"\x80\x02junk",
    "zip.pth": b"PK\x03\x04 and no more",
    "header.safetensors": (1 << 40).to_bytes(8, "little") + b"{}",
    "json.safetensors": (5).to_bytes(8, "little") + b'{"a":',
    "list.safetensors": (24).to_bytes(8, "little") + b'{"a":[1,2,3],"b":[4,5]} ',
}


@pytest.mark.parametrize("file", DAMAGED)
def test_damaged_files(file: str) -> None:
    Path(file).write_bytes(DAMAGED[file])
    error = refusal(file)
    assert isinstance(error, WeightsError)
    (found,) = error.diagnostics
    assert found.code == "E430"
    assert file in found.message
    assert found.hint
    assert "weights_only" not in str(error)


@pytest.mark.parametrize("kept", [1, 9, 60, 300, 1000, -30, -1])
@pytest.mark.parametrize("file", ["a.pth", "legacy.pth", "a.safetensors"])
def test_files_that_are_cut_off(file: str, kept: int) -> None:
    tensors = {"a": torch.arange(500.0), "b": torch.ones(3)}
    if file == "a.safetensors":
        write_safetensors(Path(file), tensors, {})
    else:
        torch.save(tensors, file, _use_new_zipfile_serialization=file != "legacy.pth")
    Path(file).write_bytes(Path(file).read_bytes()[:kept])
    assert refusal(file).diagnostics[0].code == "E430"


def test_an_archive_that_unpacks_to_too_much() -> None:
    with zipfile.ZipFile("bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", b"\0" * 20_000_000)
    assert "20000000 bytes" in refusal("bomb.pth").diagnostics[0].message


def test_what_is_no_file() -> None:
    assert refusal("missing.pth").diagnostics[0].code == "E001"
    assert isinstance(refusal("missing.pth"), InputOutputError)
    assert refusal(".").diagnostics[0].code == "E430"
    assert refusal("/dev/null").diagnostics[0].code == "E430"


def test_files_of_ours_have_the_same_bytes_every_time() -> None:
    tensors = {name: torch.randn(3, 2) for name in "dbca"}
    metadata = {"model": "m", "variant": "d0", "names": "effdet", "left_out": ["x"]}
    other = dict(reversed(metadata.items()))
    for name, said in (("one", metadata), ("two", other)):
        write_safetensors(Path(f"{name}.safetensors"), tensors, said)
        write_torch(Path(f"{name}.pth"), tensors)
    assert Path("one.safetensors").read_bytes() == Path("two.safetensors").read_bytes()
    assert Path("one.pth").read_bytes() == Path("two.pth").read_bytes()
    assert read_file(Path("one.safetensors")).metadata == metadata


def test_a_file_is_whole_or_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Path("a.safetensors")
    target.write_bytes(b"before")

    def full(_: Path, __: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputOutputError, match=r"E020.*No space left on device"):
        write_safetensors(target, {}, {})
    with pytest.raises(InputOutputError, match=r"E020.*No space left on device"):
        write_torch(target, {})
    assert [path.name for path in Path().iterdir()] == ["a.safetensors"]
    assert target.read_bytes() == b"before"


@pytest.mark.parametrize("target", ["missing/a.pth", "."])
def test_places_that_cannot_be_written(target: str) -> None:
    with pytest.raises(InputOutputError, match="E020"):
        write_torch(Path(target), {"a": torch.ones(1)})
    assert not list(Path().iterdir())


def test_views_are_written_as_what_they_show() -> None:
    whole = torch.arange(6.0).reshape(2, 3)
    write_safetensors(Path("a.safetensors"), {"a": whole.T, "b": whole, "c": whole[:, 1]}, {})
    found = read_weights("a.safetensors").tensors
    assert torch.equal(found["a"], whole.T)
    assert torch.equal(found["c"], whole[:, 1])
