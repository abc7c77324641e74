"""Errors out of a built module name the node, the places in the spec and the generated line."""

from __future__ import annotations

import gc
import pickle
import re
import traceback
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor, nn

from archgraph.codegen import emit, load_module
from archgraph.errors import Location
from tests.codegen.golden_vectors import TF
from tests.codegen.networks import Network

NETWORK = Network("bifpn", {"levels": "3..5", "channels": 8, "cells": 2})
NETWORKS = [
    NETWORK,
    Network("panet", {"levels": "3..5", "channels": 8, "in_channels": [4, 6, 10]}),
    Network("fpn", {"levels": "3..4", "channels": 8, "in_channels": [4, 6], "settings": TF}),
]


def built() -> nn.Module:
    """The network, freshly made."""
    return load_module(emit(NETWORK.compiled().operators.graph))


def place(location: Location | None) -> str:
    """`panet.yaml:13`."""
    assert location
    return f"{Path(location.file).name}:{location.line}"


def places(path: str) -> str:
    """Where the spec says what the node at `path` is: its own place, its node's, its cell's."""
    graph = NETWORK.compiled().operators.graph
    inner = place(graph[path].location) if path in graph else ""
    cell = ".".join(path.split(".")[:2])
    node = ".".join(path.split(".")[:3])
    found = [inner, place(graph.scopes[node].location), place(graph.scopes[cell].location)]
    return ", used at ".join(dict.fromkeys(each for each in found if each))


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
    name = "cells.1.td4.block.depthwise"
    where, line = found.splitlines()
    assert where == f"archgraph: in node '{name}' ({places(name)})"
    assert places(name).count("yaml:") == 3
    text = "x = self.depthwise(F.relu(x))"
    assert re.fullmatch(rf"    line \d+ of the generated source: {re.escape(text)}", line)
    shown = "".join(traceback.format_exception(error))
    assert f"\n    {text}\n" in shown
    assert shown.rstrip().endswith(found)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_every_module_is_found(network: Network) -> None:
    """Its name is that of the node in the graph, the first place that of the node."""
    graph = network.compiled().operators.graph
    module = load_module(emit(graph)).eval()
    features = network.features((64, 64))

    def fail(*_: object) -> None:
        raise ValueError("on purpose")

    found: dict[str, str] = {}
    for path, child in module.named_modules():
        if path in graph:
            hook = child.register_forward_pre_hook(fail)
            found[path] = note(module, features).splitlines()[0]
            hook.remove()
    assert len(found) >= 4
    for path, where in found.items():
        expected = f"archgraph: in node '{path}' ({place(graph[path].location)}"
        assert where.startswith((f"{expected})", f"{expected}, used at ")), where


class Flat(nn.Module):
    """Gives a map that no function takes."""

    def forward(self, x: Tensor, *_: Tensor) -> Tensor:
        return x[0, 0, 0]


def test_a_function_is_named_by_its_line() -> None:
    """What has no module has no frame of its own."""
    module = built()
    module.get_submodule("cells.1").td3 = Flat()
    first, second, *_ = note(module, NETWORK.features((64, 64))).splitlines()
    name = "cells.1.out4.inputs.td3.down"
    assert first == f"archgraph: in node '{name}' ({places(name)})"
    assert "td3 = F.max_pool2d(td3, 3, 2, padding=1)" in second


def test_a_function_of_several_nodes_is_not_given_the_name_of_the_first() -> None:
    """In td4 it is `inputs.in5.up`, in td3 `inputs.td4.up`; they share a class."""
    module = built()
    module.get_submodule("cells.1").td4 = Flat()
    first, second, *_ = note(module, NETWORK.features((64, 64))).splitlines()
    assert first == f"archgraph: in node 'cells.1.td3' ({places('cells.1.td3')})"
    assert "above = F.interpolate(above, size=in_l.shape[-2:]," in second


def test_the_place_is_that_of_the_module_not_of_the_whole_line() -> None:
    module = built()
    module.get_submodule("cells.1.td4.block").pointwise = nn.Conv2d(3, 8, 1)
    first, second = note(module, NETWORK.features((64, 64))).splitlines()
    name = "cells.1.td4.block.pointwise"
    assert first == f"archgraph: in node '{name}' ({places(name)})"
    assert second.endswith("x = self.norm(self.pointwise(x))")


def test_an_error_in_a_helper_is_placed_where_the_node_calls_it() -> None:
    module = built()
    features = NETWORK.features((64, 64))
    features[1] = features[1][:, :4]
    found = note(module, features)
    name = "cells.0.td4.fuse"
    assert found.startswith(f"archgraph: in node '{name}' ({places(name)})\n")
    assert "fused = fused + features[i]" in found
    assert found.endswith("map 1 (P4) has 4 channels, not 8: (1, 4, 4, 4)")


def test_without_origins_names_are_known_all_the_same() -> None:
    source = emit(NETWORK.compiled().operators.graph)
    module = load_module(replace(source, origins={}))
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
    assert found.startswith("archgraph: in node 'cells.0.td3' (")


def test_notes_travel_with_a_pickle() -> None:
    module = pickle.loads(pickle.dumps(built()))
    module.get_submodule("cells.1.td4.block").depthwise = nn.Conv2d(3, 8, 3)
    name = "cells.1.td4.block.depthwise"
    assert f"'{name}' ({places(name)})" in note(module, NETWORK.features((64, 64)))


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
