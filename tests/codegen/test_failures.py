"""Errors out of a built module name the node, the places in the spec and the generated line."""

from __future__ import annotations

import gc
import pickle
import traceback
import weakref

from torch import Tensor, nn

from archgraph.codegen import emit, load_module
from tests.codegen.networks import Network

NETWORK = Network("bifpn", {"levels": "3..5", "channels": 8, "cells": 2})


def built() -> nn.Module:
    """The network, with the places of its lines."""
    return load_module(emit(NETWORK.compiled().operators.graph))


def failure(module: nn.Module, *arguments: object) -> Exception:
    """The error of a call."""
    try:
        module(*arguments)
    except Exception as error:
        return error
    raise AssertionError("there was no error")


def note(module: nn.Module, *arguments: object) -> str:
    """The one note of the error of a call."""
    error = failure(module, *arguments)
    (found,) = error.__notes__
    assert isinstance(found, str)
    return found


def test_a_wrong_shape_names_the_node_its_places_and_the_line() -> None:
    module = built()
    module.get_submodule("cells.1.td4.block").depthwise = nn.Conv2d(3, 8, 3)
    error = failure(module, NETWORK.features((64, 64)))
    assert type(error) is RuntimeError
    (found,) = error.__notes__
    assert found.splitlines() == [
        "archgraph: in node 'cells.1.td4.block.depthwise'"
        " (separable.yaml:34, used at panet.yaml:13, used at bifpn.yaml:3)",
        "    line 51 of the generated source: x = self.depthwise(F.relu(x))",
    ]
    shown = "".join(traceback.format_exception(error))
    assert "\n    x = self.depthwise(F.relu(x))\n" in shown
    assert shown.rstrip().endswith(found)


def test_a_function_is_named_by_its_line() -> None:
    """What has no module has no frame of its own."""
    module = built()
    features = NETWORK.features((64, 64))
    features[2] = features[2][0]
    first, second, *_ = note(module, features).splitlines()
    # In td4 it is `inputs.in5.up`, in td3 `inputs.td4.up`; they share a class.
    assert first == "archgraph: in node 'cells.0.td4' (panet.yaml:13, used at bifpn.yaml:3)"
    assert "above = F.interpolate(above, size=in_l.shape[-2:]," in second


def test_an_error_in_a_helper_is_placed_where_the_node_calls_it() -> None:
    module = built()
    features = NETWORK.features((64, 64))
    features[1] = features[1][:, :4]
    found = note(module, features)
    assert found.startswith(
        "archgraph: in node 'cells.0.td4.fuse' (panet.yaml:13, used at bifpn.yaml:3)\n"
    )
    assert "fused = fused + features[i]" in found
    assert found.endswith("map 1 (P4) has 4 channels, not 8: (1, 4, 4, 4)")


def test_without_origins_names_are_known_all_the_same() -> None:
    module = load_module(emit(NETWORK.compiled().operators.graph), {})
    module.get_submodule("cells.1.out5.block").pointwise = nn.Conv2d(3, 8, 1)
    found = note(module, NETWORK.features((64, 64)))
    assert found.startswith("archgraph: in node 'cells.1.out5.block.pointwise'\n")


def test_a_wrong_number_of_maps_is_explained() -> None:
    module = built()
    wanted = "    Bifpn takes a list of 3 maps: P3 x 8, P4 x 8, P5 x 8; it was given "
    features = NETWORK.features((64, 64))
    assert note(module, features[:2]).splitlines()[-1] == f"{wanted}2"
    assert note(module, features[0]).splitlines()[-1] == f"{wanted}a Tensor"
    assert note(module).splitlines() == ["archgraph: in Bifpn", f"{wanted}a NoneType"]
    assert type(failure(module)) is TypeError


def test_maps_in_the_wrong_order_are_explained() -> None:
    found = note(built(), NETWORK.features((64, 64))[::-1])
    assert found.splitlines()[2:] == [
        "    Bifpn takes a list of 3 maps: P3 x 8, P4 x 8, P5 x 8",
        "    map 1 (P4) measures 4 x 4; 1 x 1 is 1/2 of map 0, rounded up",
        "    map 2 (P5) measures 8 x 8; 2 x 2 is 1/2 of map 1, rounded up",
    ]


def test_maps_of_another_type_or_rank_are_explained() -> None:
    module = built()
    features = NETWORK.features((64, 64))
    found = note(module, [*features[:2], features[2].double()])
    assert found.endswith("map 2 (P5) is torch.float64; the weights are torch.float32")
    found = note(module, [*features[:2], features[2][0]])
    assert found.endswith("map 2 (P5) is shape (8, 2, 2), not (N, 8, height, width)")
    found = note(module, [features[0], features[1], None])
    assert found.endswith("map 2 (P5) is a NoneType, not (N, 8, height, width)")


def test_right_maps_are_not_blamed() -> None:
    module = built()
    module.get_submodule("cells.1.td4.block").depthwise = nn.Conv2d(3, 8, 3)
    assert "takes" not in note(module, NETWORK.features((500, 333)))


def test_an_error_that_comes_back_gets_its_note_once() -> None:
    module = built()
    raised = ValueError("again")

    def fail(*_: object) -> None:
        raise raised

    module.get_submodule("cells.0.td3").register_forward_hook(fail)
    for _ in range(2):
        assert failure(module, NETWORK.features((64, 64))) is raised
    (found,) = raised.__notes__
    assert found.startswith("archgraph: in node 'cells.0.td3' (panet.yaml:13, ")


def test_notes_travel_with_a_pickle() -> None:
    module = pickle.loads(pickle.dumps(built()))
    module.get_submodule("cells.1.td4.block").depthwise = nn.Conv2d(3, 8, 3)
    places = "(separable.yaml:34, used at panet.yaml:13, used at bifpn.yaml:3)"
    assert places in note(module, NETWORK.features((64, 64)))


def test_a_failed_run_keeps_no_map_alive() -> None:
    """Once the error is gone, so is all that its run made, without the garbage collector."""
    module = built()
    module.get_submodule("cells.1.td4.block").depthwise = nn.Conv2d(3, 8, 3)
    made: list[weakref.ref[Tensor]] = []

    def watch(_: nn.Module, __: object, output: Tensor) -> None:
        made.append(weakref.ref(output))

    module.get_submodule("cells.0.td4").register_forward_hook(watch)
    gc.disable()
    try:
        error = failure(module, NETWORK.features((64, 64)))
        assert error.__notes__
        del error
        assert [reference() for reference in made] == [None]
    finally:
        gc.enable()


def test_only_the_class_of_the_network_is_changed() -> None:
    """No hooks and no attributes: a run without errors costs one more call of Python."""
    module = built()
    changed = {
        type(child).__name__
        for child in module.modules()
        if type(child).__call__ is not nn.Module.__call__
    }
    assert changed == {"Bifpn"}
    assert not any(child._forward_hooks for child in module.modules())
