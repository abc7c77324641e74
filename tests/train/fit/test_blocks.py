"""Repeated blocks, frozen parts, precisions: the same numbers, or as near as they can be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partialmethod

import pytest
import torch
from torch import Tensor, nn

from archgraph.codegen import emit, load_module
from archgraph.compiler import compile_spec
from archgraph.detect import detection_loss
from archgraph.errors import DataError
from archgraph.train.fit import Trainer, TrainSettings
from archgraph.train.fit.blocks import compile_blocks, repeated_blocks
from archgraph.train.fit.freeze import frozen_modules, train_mode
from tests.train.fit.support import SMALL, batches, network, same, trainer

PLAIN = replace(SMALL, optimizer="sgd")


def one_step(settings: TrainSettings) -> tuple[Trainer, float]:
    made = trainer(settings)
    return made, made.step(batches(4, 1)[0], 0.01).total


def gradients(made: Trainer) -> dict[str, Tensor]:
    named = made.network.named_parameters()
    return {name: each.grad for name, each in named if each.grad is not None}


def test_heads_are_the_blocks_of_the_toy() -> None:
    toy = network()
    names = {module: name for name, module in toy.named_modules()}
    found = [names[block] for block in repeated_blocks(toy)]
    backbone = [f"backbone.{name}" for name in ("stem", "two", "three", "four", "five")]
    assert found[:5] == backbone and found[-2:] == ["classes", "boxes"]


@pytest.mark.slow
def test_blocks_of_d0() -> None:
    with torch.device("meta"):
        d0 = load_module(emit(compile_spec("efficientdet", variant="d0").operators.graph))
    blocks = repeated_blocks(d0)
    kinds = Counter(type(block).__name__ for block in blocks)
    assert (kinds["Mbconv"], kinds["BifpnCell"], kinds["DetectionHead"]) == (16, 3, 2)
    # None is part of another.
    inner = {module for block in blocks for module in block.modules() if module is not block}
    assert not inner & set(blocks)


def test_blocks_that_are_computed_twice_give_the_same() -> None:
    """Gradients, and statistics of norms, which count the images once."""
    once, loss = one_step(PLAIN)
    twice, again = one_step(replace(PLAIN, checkpoint=True))
    assert loss == again
    assert same(gradients(once), gradients(twice))
    assert same(dict(once.network.state_dict()), dict(twice.network.state_dict()))
    assert once.network.state_dict()["backbone.two.norm.num_batches_tracked"] == 1


def test_what_drops_out_is_the_same_when_it_is_computed_twice() -> None:
    def dropping(settings: TrainSettings) -> Trainer:
        made = trainer(settings)
        for block in repeated_blocks(made.network):
            block.register_forward_hook(lambda _, __, found: shaken(found))
        return made

    states = []
    for settings in (PLAIN, replace(PLAIN, checkpoint=True)):
        made = dropping(settings)
        made.step(batches(4, 1)[0], 0.01)
        states.append(dict(made.network.state_dict()))
    assert same(*states)


def shaken(found: object) -> object:
    """A block's maps with noise, drawn from torch's random numbers."""
    if isinstance(found, Tensor):
        return found * (1 + 0.1 * torch.rand_like(found))
    return type(found)(shaken(each) for each in found) if isinstance(found, list | tuple) else found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch, about itself
def test_compiled_blocks_give_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Captured and derived by torch; what its compilers make of that takes minutes."""
    real = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", partialmethod(real, backend="aot_eager"))
    plain, loss = one_step(PLAIN)
    compiled, again = one_step(replace(PLAIN, compile=True))
    assert again == pytest.approx(loss, rel=1e-4)
    assert plain.network.state_dict().keys() == compiled.network.state_dict().keys()
    for name, each in gradients(plain).items():
        assert torch.allclose(each, gradients(compiled)[name], rtol=1e-3, atol=1e-4), name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch, about itself
def test_no_block_of_d0_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch gives a kind up after eight shapes, of which D0's backbone alone has more."""
    source = emit(compile_spec("efficientdet", variant="d0").operators.graph)
    image, counts = torch.zeros(1, 3, 128, 128), Counter[str]()

    def counting(graph: torch.fx.GraphModule, _: object) -> object:
        def run(*given: object) -> object:
            counts["compiled"] += 1
            return graph(*given)

        return run

    plain, compiled = load_module(source).eval(), load_module(source).eval()
    for block in repeated_blocks(plain):
        block.register_forward_hook(lambda *_: counts.update(["called"]))
    real = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", partialmethod(real, backend=counting))
    compile_blocks(compiled)
    with torch.no_grad():
        plain(image)
        compiled(image)
    assert counts["compiled"] == counts["called"] > 16


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_losses_are_float32_whatever_the_precision(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.dtype, torch.dtype]] = []
    real = detection_loss

    def watched(logits: Tensor, *rest: object) -> object:
        found = real(logits, *rest)  # type: ignore[arg-type]
        seen.append((logits.dtype, found.total.dtype))
        return found

    monkeypatch.setattr("archgraph.train.fit.trainer.detection_loss", watched)
    made, loss = one_step(replace(PLAIN, precision=precision))  # type: ignore[arg-type]
    assert seen == [(getattr(torch, precision), torch.float32)]
    assert {each.dtype for each in made.network.parameters()} == {torch.float32}
    _, exact = one_step(PLAIN)
    assert loss == pytest.approx(exact, rel=0.02) and loss != exact


def test_another_order_in_memory_gives_nearly_the_same() -> None:
    plain, loss = one_step(PLAIN)
    other, again = one_step(replace(PLAIN, channels_last=True))
    assert again == pytest.approx(loss, rel=1e-4)
    weight = other.network.get_parameter("backbone.two.conv.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    strides = [
        {n: x.stride() for n, x in m.named_parameters()} for m in (other.network, other.average)
    ]
    assert strides[0] == strides[1]
    for name, each in gradients(plain).items():
        assert torch.allclose(each, gradients(other)[name], rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize("averaged", [True, False])
def test_what_is_frozen_does_not_move(averaged: bool) -> None:
    settings = replace(PLAIN, freeze=("backbone", "neck.cells.0.td?.block"))
    made = trainer(settings, average=averaged)
    before = {name: each.clone() for name, each in made.network.state_dict().items()}
    for parts in batches(4, 2):
        made.step(parts, 0.1)
    moved = {n for n, each in made.network.state_dict().items() if not torch.equal(each, before[n])}
    frozen = {
        n for n in before if n.startswith("backbone.") or ".td4.block." in n or ".td3.block." in n
    }
    assert not moved & frozen
    assert moved >= {name for name in before if name.startswith("classes.")}
    assert moved & {name for name in before if name.startswith("neck.")}
    assert not [name for name in gradients(made) if name in frozen]


def test_norms_of_what_is_frozen_use_what_they_have_seen() -> None:
    toy = network()
    train_mode(toy, ("backbone.t*",))
    modes = {n: m.training for n, m in toy.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert [name for name, training in modes.items() if not training] == [
        "backbone.two.norm",
        "backbone.three.norm",
    ]


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("bakbone", "did you mean 'backbone'?"),
        ("*.nothing", "there are backbone, neck, classes, boxes"),
    ],
)
def test_a_name_that_means_nothing(pattern: str, hint: str) -> None:
    with pytest.raises(DataError) as raised:
        frozen_modules(network(), ("backbone", pattern))
    (found,) = raised.value.diagnostics
    assert (found.code, found.hint) == ("E554", hint)


def test_something_has_to_be_left_to_train() -> None:
    with pytest.raises(DataError, match="nothing is left to train") as raised:
        trainer(replace(PLAIN, freeze=("*",)))
    assert raised.value.diagnostics[0].code == "E554"


def draws(made: Trainer) -> list[float]:
    """The first random number of each of two steps."""
    found: list[float] = []
    hook = made.network.register_forward_pre_hook(lambda *_: found.append(torch.rand(()).item()))
    for parts in batches(4, 2):
        torch.rand(len(found) + 3)
        made.step(parts, 0.01)
    hook.remove()
    return found


def test_what_is_random_depends_on_seed_process_and_step_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import archgraph.train.fit.trainer as module
    from archgraph.train.evaluate import Place

    first = draws(trainer(PLAIN))
    assert len({*first}) == 2
    assert draws(trainer(PLAIN)) == first
    later = trainer(PLAIN)
    later.steps = 1
    assert draws(later)[0] == first[1]
    assert not {*draws(trainer(replace(PLAIN, seed=1)))} & {*first}
    made = trainer(PLAIN)
    monkeypatch.setattr(module, "_mixed", lambda seed, rank, step: 100 * seed + 10 * rank + step)
    monkeypatch.setattr(module, "place", lambda: Place(3, 1))
    torch.manual_seed(30)
    expected = torch.rand(()).item()
    assert draws(made)[0] == expected


def test_a_trainer_goes_on_from_what_another_has_told() -> None:
    steps = batches(4, 3)
    whole, first, second = trainer(), trainer(), trainer()
    for parts in steps:
        whole.step(parts, 1e-3)
    first.step(steps[0], 1e-3)
    second.load_state(first.state())
    assert second.steps == 1
    for parts in steps[1:]:
        second.step(parts, 1e-3)
    assert same(dict(second.network.state_dict()), dict(whole.network.state_dict()))
    assert same(dict(second.average.state_dict()), dict(whole.average.state_dict()))
    assert not same(dict(whole.network.state_dict()), dict(whole.average.state_dict()))
