"""What is no number stops a training, which says where it appeared first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from archgraph.codegen.interpreter import Interpreter
from archgraph.errors import DataError, Diagnostic
from archgraph.train.fit import NotFiniteError, Trainer, train
from archgraph.train.fit.checkpoint import read_checkpoint
from archgraph.train.fit.diagnose import not_finite
from archgraph.train.samples.loader import Batch
from tests.train.fit.support import SMALL, batches, compiled, job, network, opened, same, trainer

PRICE = 1e-3


def diagnosed(made: Trainer, parts: Sequence[Batch]) -> Diagnostic:
    """What is said of a step that cannot be made, which leaves all weights as they were."""
    before = {name: each.detach().clone() for name, each in made.network.named_parameters()}
    average = {name: each.clone() for name, each in made.average.state_dict().items()}
    with pytest.raises(NotFiniteError) as raised:
        made.step(parts, PRICE)
    assert made.steps == 0
    assert all(
        torch.equal(each, before[name]) or each.isnan().any()
        for name, each in made.network.named_parameters()
    )
    assert same(dict(made.average.state_dict()), average)
    error = not_finite(made, compiled().operators.graph, raised.value)
    (found,) = error.diagnostics
    assert found.code == "E557"
    return found


def weight(made: Trainer, name: str) -> Tensor:
    return made.network.get_parameter(name).data


def test_the_first_node_is_named_with_its_place() -> None:
    made = trainer()
    weight(made, "backbone.three.conv.weight").fill_(3e38)
    found = diagnosed(made, batches(4, 1)[0])
    assert found.message == (
        "the loss of step 1 is not a finite number: "
        "node 'backbone.three.conv' (conv) is not, for all images"
    )
    assert found.location is not None
    assert (found.location.file, found.location.line) == ("specs/blocks/convolutions.yaml", 14)
    assert found.hint


def test_the_second_part_of_a_step_is_looked_at_too() -> None:
    made = trainer()
    parts = batches(4, 1, accumulate=2)[0]
    images = parts[1].images.clone()
    images[1] = 3e38
    found = diagnosed(made, [parts[0], parts[1].with_images(images)])
    assert f"is not, for image {parts[1].image_ids[1]}" in found.message


def test_weights_that_are_no_numbers() -> None:
    made = trainer()
    weight(made, "neck.cells.0.td4.fuse.weight")[0] = math.nan
    found = diagnosed(made, batches(4, 1)[0])
    assert found.message.endswith(": weights 'neck.cells.0.td4.fuse.weight' are not")


def test_an_image_that_is_no_number() -> None:
    made, (batch,) = trainer(), batches(4, 1)[0]
    images = batch.images.clone()
    images[2, 1, 5, 5] = math.nan
    found = diagnosed(made, [batch.with_images(images)])
    assert found.message.endswith(f": image {batch.image_ids[2]} is not")


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("neck.cells.0.td3.fuse.weight", "node 'neck.cells.0.td3.fuse' (weighted-sum)"),
        ("backbone.two.norm.bias", "node 'backbone.two.norm' (batch-norm)"),
        ("classes.predict.pointwise.weight", "node 'classes.p5.predict.pointwise' (conv)"),
    ],
)
def test_a_gradient_that_is_no_number(name: str, node: str) -> None:
    """Clipping must not spread it over all others before somebody looks."""
    made = trainer()
    made.network.get_parameter(name).register_hook(lambda gradient: gradient * math.nan)
    found = diagnosed(made, batches(4, 1)[0])
    assert found.message.startswith("the gradient of step 1 is not a finite number: that of")
    assert node in found.message
    assert found.location is not None


def test_gradients_that_are_too_long_together() -> None:
    made = trainer()
    for parameter in made.network.parameters():
        parameter.register_hook(lambda gradient: torch.full_like(gradient, 1e30))
    found = diagnosed(made, batches(4, 1)[0])
    assert found.message.endswith("together they are too large")


def test_float16_leaves_out_a_step_that_overflows() -> None:
    made = trainer(replace(SMALL, precision="float16"))
    made.network.get_parameter("backbone.two.norm.bias").register_hook(lambda g: g * math.inf)
    before = {name: each.clone() for name, each in made.network.named_parameters()}
    scale = made.state()["scaler"]["scale"]
    made.step(batches(4, 1)[0], PRICE)
    assert all(torch.equal(each, before[name]) for name, each in made.network.named_parameters())
    assert (made.steps, made.state()["scaler"]["scale"]) == (1, scale / 2)


def test_float16_does_not_excuse_a_gradient_for_ever() -> None:
    made = trainer(replace(SMALL, precision="float16"))
    hook = made.network.get_parameter("backbone.two.norm.bias").register_hook(
        lambda g: g * math.nan
    )
    (batch,) = batches(4, 1)[0]
    for _ in range(16):  # from 2 ** 16 down to 1
        made.step([batch], PRICE)
    with pytest.raises(NotFiniteError):
        made.step([batch], PRICE)
    hook.remove()
    made.step([batch], PRICE)  # of a loop of one's own, which goes on


@pytest.mark.slow
def test_a_training_stops_and_its_last_state_is_whole(tmp_path: Path) -> None:
    how = replace(SMALL, lr=1e30, save_minutes=1e-9, optimizer="sgd")
    with pytest.raises(DataError) as raised:
        train(job(), how, tmp_path / "run", opened=opened)
    (found,) = raised.value.diagnostics
    assert found.code == "E557" and "is not, for all images" in found.message
    assert found.location is not None and found.location.file.startswith("specs/")
    state = read_checkpoint(tmp_path / "run" / "last.pt").trainer
    assert 1 <= state["steps"] < 12
    assert all(each.isfinite().all() for each in state["network"].values())


def test_an_interpreter_tells_every_value_in_order() -> None:
    graph = compiled().operators.graph
    again, net = Interpreter(graph).eval(), network().eval()
    again.load_state_dict(net.state_dict())
    image = batches(4, 1)[0][0].images
    found = {node.name: value for node, value in again.values([image])}
    assert list(found) == [node.name for node in graph.order()]
    assert torch.equal(found["image"], image)
    with torch.no_grad():
        maps = net(image)
    outputs = [found[name] for name in graph.outputs.values()]
    assert all(
        torch.allclose(a, b, atol=1e-6) for a, b in zip(outputs, [*maps[0], *maps[1]], strict=True)
    )
    assert [each.shape for each in again(image[None].unbind())] == [each.shape for each in outputs]
