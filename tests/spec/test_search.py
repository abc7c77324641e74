"""The search path: where names are looked up, in which order, and where nothing is ever read."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.compiler import build, check_spec, compile_spec
from archgraph.errors import InputOutputError, SpecError
from archgraph.spec import Library
from tests.spec.test_library import NECK, block, kernels

USER = NECK.replace("block: none", "block: own")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`first` and `second` have a block each, the second below a folder; `neck.yaml` uses it."""
    monkeypatch.chdir(tmp_path)
    for folder, kernel in (("first", 3), ("second/below", 5)):
        Path(folder).mkdir(parents=True)
        Path(folder, "blocks.yaml").write_text(block("own", kernel))
    Path("neck").mkdir()
    Path("neck/neck.yaml").write_text(USER)
    return tmp_path


def test_folders_are_searched_in_their_order(folders: Path) -> None:
    assert kernels("neck/neck.yaml", Library(search=["first", "second"])) == {3}
    assert kernels("neck/neck.yaml", Library(search=["second", "first"])) == {5}
    assert {d.code for d in check_spec("neck/neck.yaml")} == {"E109"}


def test_the_file_and_its_neighbours_come_first(folders: Path) -> None:
    Path("neck/beside.yaml").write_text(block("own", 7))
    assert kernels("neck/neck.yaml", Library(search=["first"])) == {7}
    Path("neck/neck.yaml").write_text(f"{USER}---\n{block('own', 9)}")
    assert kernels("neck/neck.yaml#neck", Library(search=["first"])) == {9}


def test_the_library_comes_last(folders: Path) -> None:
    Path("first/panet.yaml").write_text(NECK.replace("neck", "panet").replace("mid<l>", "own<l>"))
    library = Library(search=["first"])
    assert "own3" in compile_spec("panet", None, library).written.graph
    assert "td3" in compile_spec("panet").written.graph
    # what the library itself names is still its own
    assert "td3" in compile_spec("bifpn", None, Library(search=["second"])).written.graph


def test_a_search_folder_can_extend_the_library(folders: Path) -> None:
    Path("first/panet.yaml").write_text(
        "topology: panet\nextends: panet\nparameters: {channels: 8}\n"
    )
    found = compile_spec("panet", None, Library(search=["first"]))
    assert found.written.graph["td3"].op.infer(()).channels == 8


def test_names_that_are_found_are_suggested(folders: Path) -> None:
    Path("neck/neck.yaml").write_text(USER.replace("block: own", "block: owm"))
    (found,) = check_spec("neck/neck.yaml", None, Library(search=["first"]))
    assert found.hint == "did you mean 'own'?"


@pytest.mark.parametrize(
    "name",
    ["../first/blocks", "../../first/blocks.yaml", "/etc/passwd", "first/own", "./own", ".."],
)
@pytest.mark.parametrize("key", ["extends: ", "defaults: {node: {block: "])
def test_a_name_is_never_a_path(name: str, key: str, folders: Path) -> None:
    line = f"{key}'{name}'" + ("}}" if "{" in key else "")
    head, nodes = NECK.split("defaults:")[0], NECK[NECK.index("nodes:") :]
    Path("neck/neck.yaml").write_text(f"{head}{line}\n{nodes}")
    found = check_spec("neck/neck.yaml", None, Library(search=["first"]))
    assert {d.code for d in found if d.code != "E106"} <= {"E109", "E306"}
    assert found


def test_links_that_leave_a_folder_are_not_followed(folders: Path) -> None:
    Path("outside.yaml").write_text(block("secret", 3))
    Path("first/link.yaml").symlink_to("../outside.yaml")
    Path("first/loop.yaml").symlink_to("loop.yaml")
    Path("first/up").symlink_to("..", target_is_directory=True)
    Path("first/inside.yaml").symlink_to("blocks.yaml")
    Path("neck/link.yaml").symlink_to("../outside.yaml")
    library = Library(search=["first"])
    assert "secret" not in library.names()
    assert kernels("neck/neck.yaml", library) == {3}
    Path("neck/neck.yaml").write_text(USER.replace("block: own", "block: secret"))
    found = check_spec("neck/neck.yaml", None, Library(search=["first"]))
    assert {d.code for d in found} == {"E109"}


def test_what_is_no_folder_is_said(folders: Path) -> None:
    for wrong in ("nowhere", "neck/neck.yaml"):
        with pytest.raises(InputOutputError) as caught:
            Library(search=[wrong])
        assert caught.value.diagnostics[0].code == "E001"
    for search in ("first", [3], None, {"first": 1}):
        with pytest.raises(SpecError) as refused:
            build("panet", search=search)
        assert refused.value.diagnostics[0].code == "E113"
    with pytest.raises(SpecError) as refused:
        build("panet", variant=3)
    assert refused.value.diagnostics[0].message == "'variant' is the name of one, not 3"


def test_python_has_the_search_path(folders: Path) -> None:
    module = build("neck/neck.yaml", search=["first"], channels=4)
    shapes = {tuple(value.shape[2:]) for value in module.state_dict().values() if value.dim() == 4}
    assert shapes == {(3, 3)}
