"""Weights go from file to file and into modules: all of them, unchanged, or none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import archgraph
from archgraph.errors import WeightsError
from archgraph.weights import Network, export_weights, import_weights, load_weights
from archgraph.weights.checkpoint import read_weights
from tests.weights.support import names, network, same, state_of

BACKBONE_ONLY = "the file has nothing for extra, neck, classes, boxes: initial weights stay"
PREDICTOR = (
    "'classes.predict.pointwise' keeps its initial weights: "
    "it has 180 channels in efficientdet d0, and 810 in the file"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@cache
def built() -> nn.Module:
    return archgraph.build("efficientdet", variant="d0")


@pytest.fixture
def module() -> nn.Module:
    """A module of `network()`, with ones everywhere."""
    module = built()
    for tensor in module.state_dict().values():
        tensor.fill_(-1)
    return module


def saved(state: Mapping[str, Tensor], name: str = "given.pth") -> str:
    torch.save(state, name)
    return name


def tensors(name: str) -> Mapping[str, Tensor]:
    return read_weights(name).tensors


@pytest.mark.parametrize("scheme", ["effdet", "effdet-level-first", "archgraph"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_round_trip_changes_nothing(scheme: str, suffix: str) -> None:
    given = state_of(network(), scheme)
    ours = import_weights(saved(given), network(), Path("ours.safetensors"), {"model": "m"})
    assert (ours.tensors, ours.names, ours.left_out, ours.notes) == (784, scheme, (), ())
    assert same(tensors("ours.safetensors"), state_of(network()))
    back = export_weights("ours.safetensors", network(), Path(f"back{suffix}"), scheme)
    assert (back.tensors, back.numbers, back.notes) == (784, ours.numbers, ())
    assert same(tensors(f"back{suffix}"), given)


def test_a_file_of_ours_says_what_it_is() -> None:
    origin = {"model": "efficientdet", "variant": "d0"}
    import_weights(saved(state_of(network(), "effdet")), network(), Path("a.safetensors"), origin)
    found = dict(read_weights("a.safetensors").metadata)
    assert found.pop("spec_hash") == vars(type(built()))["spec_hash"]
    assert found == {**origin, "names": "effdet", "left_out": []}


def test_either_order_of_the_norms_gives_the_same() -> None:
    for scheme in ("effdet", "effdet-level-first"):
        import_weights(
            saved(state_of(network(), scheme)), network(), Path(f"{scheme}.safetensors"), {}
        )
    assert same(tensors("effdet.safetensors"), tensors("effdet-level-first.safetensors"))


def test_counters_of_norms_may_be_missing() -> None:
    given = state_of(network(), "effdet")
    fewer = {name: t for name, t in given.items() if "num_batches" not in name}
    assert 0 < len(fewer) < len(given)
    found = import_weights(saved(fewer), network(), Path("a.safetensors"), {})
    assert (found.tensors, found.left_out) == (len(fewer), ())
    export_weights("a.safetensors", network(), Path("b.pth"), "effdet")
    assert same(tensors("b.pth"), fewer)


def test_a_file_of_effdet_fills_a_module(module: nn.Module) -> None:
    given = state_of(network(), "effdet")
    found = load_weights(module, network(), saved(given))
    assert (found.tensors, found.names, found.notes) == (784, "effdet", ())
    theirs = names(network(), "effdet")
    assert same({theirs[n]: t for n, t in module.state_dict().items()}, given)


def test_a_module_is_built_with_weights() -> None:
    file = saved(state_of(network(), "effdet"))
    module = archgraph.build("efficientdet", variant="d0", weights=file)
    assert same(module.state_dict(), state_of(network()))


def test_what_build_has_no_weights_for_is_warned_of() -> None:
    file = saved(state_of(network()))
    with pytest.warns(UserWarning, match="'classes.predict.pointwise' keeps its initial weights"):
        module = archgraph.build("efficientdet", variant="d0", classes=20, weights=Path(file))
    state, wanted = module.state_dict(), state_of(network())
    assert {name for name in state if not torch.equal(state[name], wanted[name])} == {
        "classes.predict.pointwise.weight",
        "classes.predict.pointwise.bias",
    }
    with pytest.raises(WeightsError, match="E432"):
        archgraph.build("efficientdet", variant="d1", weights=file)


def test_numbers_of_another_precision_fill_a_module(module: nn.Module) -> None:
    given = {
        name: t.half() if t.is_floating_point() else t for name, t in state_of(network()).items()
    }
    load_weights(module, network(), saved(given))
    assert same(module.state_dict(), state_of(network()))


@pytest.mark.parametrize("classifier", [False, True])
def test_a_backbone_of_timm_fills_the_backbone(module: nn.Module, classifier: bool) -> None:
    given = state_of(network(), "timm")
    more = {"conv_head.weight": 1, "bn2.weight": 1, "bn2.running_var": 1, "classifier.bias": 1}
    extra = {name: torch.ones(3) for name in more} if classifier else {}
    found = load_weights(module, network(), saved({**given, **extra}))
    assert found.left_out == ("extra", "neck", "classes", "boxes")
    said = ["left out what only a classifier has: conv_head, bn2, classifier"] if classifier else []
    assert found.notes == (*said, BACKBONE_ONLY)
    state, wanted = module.state_dict(), state_of(network())
    for name, tensor in state.items():
        expected = wanted[name] if name.startswith("backbone.") else torch.full_like(tensor, -1)
        assert torch.equal(tensor, expected)


def test_a_backbone_travels_alone() -> None:
    alone = network("efficientnet", "b0")
    given = saved(state_of(alone, "timm"))
    assert import_weights(given, alone, Path("b0.safetensors"), {}).left_out == ()
    assert same(tensors("b0.safetensors"), state_of(alone))
    export_weights("b0.safetensors", alone, Path("timm.pth"), "timm")
    assert same(tensors("timm.pth"), state_of(alone, "timm"))
    # and into a detector, and out again
    found = import_weights("b0.safetensors", network(), Path("d0.safetensors"), {})
    assert (found.names, found.notes) == ("archgraph-backbone", (BACKBONE_ONLY,))
    back = export_weights(
        "d0.safetensors", network(), Path("again.safetensors"), "archgraph-backbone"
    )
    assert same(tensors("again.safetensors"), state_of(alone))
    assert back.notes == (BACKBONE_ONLY,)


def test_a_file_with_a_backbone_says_so_and_still_loads(module: nn.Module) -> None:
    import_weights(saved(state_of(network(), "timm")), network(), Path("b.safetensors"), {})
    found = load_weights(module, network(), "b.safetensors")
    assert (found.tensors, found.notes) == (352, (BACKBONE_ONLY,))
    with pytest.raises(WeightsError, match=r"372 tensors are missing: extra \(6\); neck"):
        export_weights("b.safetensors", network(), Path("no.pth"), "effdet")
    assert not Path("no.pth").exists()


def test_what_others_have_no_place_for_is_said() -> None:
    given = saved(state_of(network()))
    found = export_weights(given, network(), Path("b0.pth"), "timm")
    assert found.notes == ("timm has no place for extra, neck, classes, boxes",)


@pytest.mark.parametrize("scheme", ["effdet", "archgraph"])
def test_another_number_of_classes(scheme: str) -> None:
    fewer = network(classes=20)
    found = import_weights(saved(state_of(network(), scheme)), fewer, Path("a.safetensors"), {})
    assert found.notes == (PREDICTOR,)
    assert found.left_out == ("classes.predict.pointwise",)
    kept = state_of(network())
    del kept["classes.predict.pointwise.weight"], kept["classes.predict.pointwise.bias"]
    assert same(tensors("a.safetensors"), kept)
    # the file is enough for either number of classes
    for of in (fewer, network()):
        assert import_weights("a.safetensors", of, Path("b.safetensors"), {}).tensors == 782
    with pytest.raises(WeightsError, match="2 tensors are missing"):
        export_weights("a.safetensors", fewer, Path("b.pth"), "effdet")


WRONG: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "another variant": (
        "d1",
        "effdet",
        (r"missing: backbone\.blocks\.0\.1 \(14\)", "another shape"),
    ),
    "another fusion": ("d6", "effdet", ("too many: fpn.cell.0.fnode.0.combine;", "missing")),
    "no squeezing": ("lite0", "effdet", (r"too many: backbone\.blocks\.0\.0\.se \(4\)",)),
    "another backbone": ("d2", "timm", ("another shape", "missing")),
}

SLOW = {"another fusion", "another backbone"}  # large networks


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.slow if case in SLOW else []) for case in WRONG],
)
def test_what_does_not_fit_changes_nothing(case: str, module: nn.Module) -> None:
    variant, scheme, said = WRONG[case]
    of = network(variant=variant)
    given = saved(state_of(network(), scheme))
    with pytest.raises(WeightsError) as raised:
        import_weights(given, of, Path("a.safetensors"), {})
    assert {found.code for found in raised.value.diagnostics} == {"E432"}
    assert all(re.search(part, str(raised.value)) for part in said)
    assert not Path("a.safetensors").exists()
    with pytest.raises(WeightsError):
        load_weights(module, network(), saved(state_of(of, scheme)))
    assert all((tensor == -1).all() for tensor in module.state_dict().values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"backbone.stem.conv.weight": torch.ones(32, 3, 5, 5)},
            "stem.conv.weight is [32, 3, 5, 5]",
        ),
        ({"boxes.predict.pointwise.weight": torch.ones(4, 64, 1, 1)}, "is [4, 64, 1, 1], not [36"),
        ({"classes.predict.depthwise.weight": torch.ones(9, 1, 3, 3)}, "is [9, 1, 3, 3], not [64"),
        ({"neck.cells.3.td6.fuse.weight": torch.ones(2)}, "1 tensor is too many: neck.cells.3"),
        ({"neck.cells.2.td6.fuse.weight": None}, "1 tensor is missing: neck.cells.2.td6.fuse"),
    ],
)
def test_one_tensor_is_enough(change: Mapping[str, Tensor | None], said: str) -> None:
    given = {**state_of(network()), **change}
    file = saved({name: tensor for name, tensor in given.items() if tensor is not None})
    with pytest.raises(WeightsError, match=re.escape(said)):
        import_weights(file, network(), Path("a.safetensors"), {})
    assert not Path("a.safetensors").exists()


def test_a_tensor_that_shows_one_number_a_trillion_times() -> None:
    given = {**state_of(network()), "backbone.stem.conv.weight": torch.ones(1).expand(1 << 40)}
    with pytest.raises(WeightsError, match=re.escape("is [1099511627776], not [32, 3, 3, 3]")):
        import_weights(saved(given), network(), Path("a.safetensors"), {})


def test_our_name_in_a_file_of_others_is_too_many() -> None:
    given = {**state_of(network(), "effdet"), "neck.cells.0.td6.fuse.weight": torch.ones(2)}
    with pytest.raises(WeightsError, match=r"1 tensor is too many: neck"):
        import_weights(saved(given), network(), Path("a.safetensors"), {})


def test_a_file_of_ours_says_what_it_was_made_for() -> None:
    origin = {"model": "efficientdet", "variant": "d0"}
    import_weights(saved(state_of(network())), network(), Path("a.safetensors"), origin)
    with pytest.raises(WeightsError, match="the file was made for 'efficientdet' 'd0'"):
        import_weights("a.safetensors", network(variant="d1"), Path("b.safetensors"), {})


def test_a_network_that_effdet_does_not_have() -> None:
    neck = network("bifpn", "", channels=64)
    assert isinstance(neck, Network)
    with pytest.raises(WeightsError, match="E433"):
        export_weights(saved(state_of(neck)), neck, Path("a.pth"), "effdet")
