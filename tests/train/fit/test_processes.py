"""Several processes are as one: in what they learn, in how they end, and in what they say."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archgraph.errors import DataError, Diagnostic
from archgraph.train.data import Ids
from archgraph.train.evaluate import place
from archgraph.train.fit import NotFiniteError, TrainSettings, resume, train
from archgraph.train.fit.diagnose import not_finite
from archgraph.train.fit.processes import (
    SharedBatchNorm,
    gathered,
    own_device,
    share_statistics,
    summed,
    together,
    told,
    with_shared_norms,
)
from archgraph.train.fit.trainer import Trainer
from archgraph.train.records import Dataset, ImageRecord, Pixels
from tests.train.fit.group import in_group
from tests.train.fit.scenario import after, die
from tests.train.fit.support import (
    SMALL,
    batches,
    compiled,
    job,
    network,
    opened,
    steps_of,
    trainer,
    weights,
)

# Steps that move the weights, so that a mistake would show. With channels last, the convolutions
# of a CPU add up in an order that depends on the number of images: 3e-5 in float32 after ten steps.
MOVING = replace(
    SMALL,
    optimizer="sgd",
    lr=0.02,
    lr_batch=0,
    clip_norm=10.0,
    clip_each=10.0,
    channels_last=False,
)


def learn(settings: TrainSettings, double: bool, accumulate: int = 1) -> dict[str, Any]:
    """Ten steps; the weights, their average and what was said."""
    made = trainer(settings, double=double)
    said = [made.step(parts, settings.lr) for parts in batches(settings.batch_size, 10, accumulate)]
    return {"state": made.state(), "said": said}


def furthest(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("double", "last", "most"), [(False, False, 1e-5), (True, False, 1e-10), (True, True, 1e-10)]
)
def test_two_processes_learn_as_one(double: bool, last: bool, most: float, tmp_path: Path) -> None:
    settings = replace(MOVING, channels_last=last)
    first, second = in_group(learn, settings, double, folder=tmp_path)
    (alone,) = in_group(learn, settings, double, count=1, folder=tmp_path)
    start = trainer(settings, double=double).state()["network"]
    assert furthest(start, alone["state"]["network"]) > 0.1
    for name in ("network", "average"):
        assert furthest(first["state"][name], alone["state"][name]) < most
        assert furthest(first["state"][name], second["state"][name]) == 0
    assert first["said"] == second["said"]
    for two, one in zip(first["said"], alone["said"], strict=True):
        assert (two.total, two.norm) == pytest.approx((one.total, one.norm), rel=1e-4)
        assert two.positives == one.positives > 0


@pytest.mark.slow
def test_norms_that_are_not_shared_learn_something_else(tmp_path: Path) -> None:
    """The test above can fail."""
    settings = replace(MOVING, sync_norm=False)
    first, second = in_group(learn, settings, True, folder=tmp_path)
    (alone,) = in_group(learn, settings, True, count=1, folder=tmp_path)
    assert furthest(first["state"]["network"], alone["state"]["network"]) > 1e-3
    statistics = [x["state"]["average"]["backbone.two.norm.running_mean"] for x in (first, second)]
    assert not torch.equal(*statistics)


@pytest.mark.slow
def test_parts_of_two_processes_are_a_batch(tmp_path: Path) -> None:
    """Where norms use what they have seen before, a batch is the sum of its images."""
    settings = replace(MOVING, batch_size=8, accumulate=2, freeze=("*norm*",))
    (alone,) = in_group(learn, replace(settings, accumulate=1), True, count=1, folder=tmp_path)
    first, _ = in_group(learn, settings, True, 2, folder=tmp_path)
    assert furthest(first["state"]["network"], alone["state"]["network"]) < 1e-10


@pytest.mark.slow
def test_parts_of_a_batch_are_a_batch() -> None:
    settings = replace(MOVING, freeze=("*norm*",))
    whole, parts = trainer(settings, double=True), trainer(settings, double=True)
    for one, two in zip(batches(4, 2), batches(4, 2, accumulate=2), strict=True):
        assert whole.step(one, 0.02).positives == parts.step(two, 0.02).positives
    assert furthest(whole.state()["network"], parts.state()["network"]) < 1e-12


def learn_checkpointed(settings: TrainSettings) -> dict[str, Tensor]:
    made = trainer(settings, double=True)
    for parts in batches(4, 2):
        made.step(parts, 0.02)
    found: dict[str, Tensor] = made.state()["network"]
    return found


@pytest.mark.slow
def test_blocks_that_are_computed_twice_count_images_once(tmp_path: Path) -> None:
    twice, _ = in_group(learn_checkpointed, replace(MOVING, checkpoint=True), folder=tmp_path)
    once, _ = in_group(learn_checkpointed, MOVING, folder=tmp_path)
    assert furthest(twice, once) < 1e-12


def normalise(whole: Tensor, cuts: Sequence[int]) -> dict[str, Tensor]:
    """A part of a batch of shape (B, 3, H, W) through a norm, with gradients of its own."""
    torch.manual_seed(1)
    norm = nn.BatchNorm2d(3).to(whole.dtype)
    nn.init.uniform_(norm.weight)
    nn.init.uniform_(norm.bias)
    wanted = torch.randn_like(whole)
    where = place()
    rows = slice(0, len(whole)) if where.count == 1 else slice(*cuts[where.rank : where.rank + 2])
    net = with_shared_norms(nn.Sequential(norm))
    assert isinstance(net[0], SharedBatchNorm) == (where.count > 1)  # type: ignore[index]
    part = whole[rows].clone().requires_grad_()
    net(part)
    found = net(part)
    (found * wanted[rows]).sum().backward()
    gradients = {
        name: summed(each.grad) for name, each in net.named_parameters() if each.grad is not None
    }
    assert part.grad is not None
    seen = {
        name: each for name, each in net.state_dict().items() if "running" in name or "num" in name
    }
    net.eval()
    later = net(part)
    return {
        "found": found.detach(),
        "input": part.grad,
        "later": later.detach(),
        **gradients,
        **seen,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "order"),
    [(torch.float64, torch.contiguous_format), (torch.float64, torch.channels_last)],
)
def test_a_shared_norm_is_the_norm_of_all_images(
    dtype: torch.dtype, order: torch.memory_format, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    whole = (torch.randn(6, 3, 4, 5, dtype=dtype) * 3 + 100).to(memory_format=order)
    parts = in_group(normalise, whole, (0, 4, 6), folder=tmp_path)
    alone = normalise(whole, (0, 6))
    for name in ("found", "input", "later"):
        both = torch.cat([parts[0][name], parts[1][name]])
        assert torch.allclose(both, alone[name], rtol=1e-9, atol=1e-9), name
    assert alone.keys() == parts[0].keys()
    for name in alone.keys() - {"found", "input", "later"}:
        assert torch.allclose(parts[0][name], alone[name], rtol=1e-9, atol=1e-9), name
        assert torch.equal(parts[0][name], parts[1][name]), name


def one_meets_nan() -> list[Any]:
    made = trainer(MOVING)
    (parts,) = batches(4, 1)
    if place().rank == 1:
        images = parts[0].images.clone()
        images[0] = math.nan
        parts = [parts[0].with_images(images)]
    try:
        made.step(parts, 0.02)
    except NotFiniteError as error:
        raise not_finite(made, compiled().operators.graph, error) from None
    return []


@pytest.mark.slow
def test_all_say_what_one_of_them_has_met(tmp_path: Path) -> None:
    first, second = in_group(one_meets_nan, folder=tmp_path)
    assert first == second
    assert first[0][0] == "E557" and first[0][1].endswith(" is not")
    assert "image " in first[0][1]


@dataclass(frozen=True)
class Broken:
    """Embedded scenes, one of which only one process cannot read."""

    inner: Dataset
    number: int
    name: str = "broken"

    @property
    def class_names(self) -> Sequence[str]:
        return self.inner.class_names

    @property
    def category_ids(self) -> Sequence[int]:
        return self.inner.category_ids

    def __len__(self) -> int:
        return len(self.inner)

    def record(self, index: int) -> ImageRecord:
        return self.inner.record(index)

    def pixels(self, index: int) -> Pixels:
        if index == self.number and place().rank == 1:
            raise DataError(Diagnostic("E505", f"image {index} is broken"))
        return self.inner.pixels(index)


def opened_broken(source: str, ids: Ids) -> Dataset:
    """The second step of the second process meets it."""
    return Broken(opened(source, ids), 6) if "train" in source else opened(source, ids)


def run(output: Path, settings: TrainSettings) -> tuple[Any, ...]:
    outcome = train(job(), settings, output, opened=opened)
    assert outcome.last is not None
    return outcome.steps, outcome.best, outcome.last.numbers


def run_on(output: Path) -> int:
    return resume(output, opened=opened).steps


@pytest.mark.slow
def test_an_image_that_one_cannot_read_ends_all(tmp_path: Path) -> None:
    found: list[Any] = []
    for seed in range(4):  # whichever process the image is for
        found = in_group(try_broken_with, tmp_path / f"run-{seed}", seed, folder=tmp_path)
        if isinstance(found[1], list):
            break
    assert found == [[("E505", "image 6 is broken")]] * 2


def try_broken_with(output: Path, seed: int) -> Any:
    return train(job(), replace(SMALL, seed=seed, epochs=1.0), output, opened=opened_broken).steps


@pytest.mark.slow
def test_a_folder_that_is_not_empty_ends_all(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("")
    first, second = in_group(run, tmp_path / "run", SMALL, folder=tmp_path)
    assert first == second and first[0][0] == "E020" and "thesis.tex" in first[0][1]
    assert [each.name for each in (tmp_path / "run").iterdir()] == ["thesis.tex"]


@pytest.mark.slow
def test_a_batch_that_processes_cannot_share(tmp_path: Path) -> None:
    found = in_group(run, tmp_path / "run", replace(SMALL, batch_size=3), folder=tmp_path)
    message = "a batch of 3 images cannot be divided between 2 processes, into 1 parts each"
    assert found == [[("E553", message)]] * 2
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_two_processes_run_as_one(tmp_path: Path) -> None:
    """Evaluations too; the first one writes, and a run goes on with other numbers of them."""
    # Slowly: what is lost by rounding grows with every step.
    settings = replace(MOVING, workers=1, lr=2e-3)
    first, second = in_group(run, tmp_path / "two", settings, folder=tmp_path)
    assert first == second and first[0] == 12
    in_group(run, tmp_path / "one", settings, count=1, folder=tmp_path)
    one, two = (weights(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    assert furthest(one, two) < 1e-4
    assert steps_of(tmp_path / "two", "eval") == [6, 12]


def killed(output: Path) -> int:
    if place().rank == 1:
        after(5, die, Trainer, "_backward")
    return train(job(), SMALL, output, opened=opened).steps


@pytest.mark.slow
def test_one_that_is_killed_ends_the_others_with_a_word(tmp_path: Path) -> None:
    first, second = in_group(killed, tmp_path / "run", folder=tmp_path)
    assert second is None
    assert first[0][0] == "E559"
    assert in_group(run_on, tmp_path / "run", folder=tmp_path) == [12, 12]


def asked(output: Path) -> tuple[int, bool]:
    """A signal to the second process alone, as where its machine is taken away."""
    if place().rank == 1:
        after(4, lambda: os.kill(os.getpid(), signal.SIGTERM), Trainer, "_backward")
    outcome = train(job(), SMALL, output, opened=opened)
    return outcome.steps, outcome.interrupted


@pytest.mark.slow
def test_a_signal_ends_all_after_the_same_step(tmp_path: Path) -> None:
    assert in_group(asked, tmp_path / "run", folder=tmp_path) == [(4, True), (4, True)]
    assert in_group(run_on, tmp_path / "run", folder=tmp_path) == [12, 12]


def talk() -> list[Any]:
    rank = place().rank
    net = nn.BatchNorm2d(1)
    assert net.running_mean is not None
    net.running_mean.fill_(rank + 5)
    share_statistics(net)
    found: list[Any] = [told(f"I am {rank}"), gathered(rank), net.running_mean.item()]
    with together():
        found.append("fine")
    if rank == 1:
        with pytest.raises(DataError), together():
            raise DataError(Diagnostic("E500", "mine"))
    else:
        with pytest.raises(DataError, match="mine"), together():
            pass
    return found


@pytest.mark.slow
def test_what_processes_tell_each_other(tmp_path: Path) -> None:
    assert in_group(talk, folder=tmp_path) == [["I am 0", [0, 1], 5.0, "fine"]] * 2


def test_one_process_is_alone() -> None:
    assert (told(3), gathered(4)) == (3, [4])
    tensor = torch.ones(2)
    assert summed(tensor) is tensor
    net = network()
    assert with_shared_norms(net) is net
    assert not [each for each in net.modules() if isinstance(each, SharedBatchNorm)]
    with pytest.raises(DataError, match="mine"), together():
        raise DataError(Diagnostic("E500", "mine"))


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "63")
    with pytest.raises(
        DataError, match=r"torch cannot use the device 'cuda:63' here: \w"
    ) as raised:
        own_device("cuda")
    assert "\n" not in raised.value.diagnostics[0].message
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(DataError, match="several processes of this machine cannot share 'cuda:0'"):
        own_device("cuda:0")


def open_run(folder: Path) -> None:
    """As a process on a machine that does not see the folder that another does."""
    resume(folder / "here" if place().rank == 0 else folder / "there")


@pytest.mark.slow
def test_an_error_of_a_later_process_is_one_of_all(tmp_path: Path) -> None:
    train(job(), replace(SMALL, epochs=1.0), tmp_path / "here", opened=opened)
    first, second = in_group(open_run, tmp_path, folder=tmp_path)
    assert first == second == [("E001", f"cannot read '{tmp_path / 'there'}': it is not there")]
