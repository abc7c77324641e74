"""Wrong specs in several files: which files are found, and which never are.

Nothing outside the folder of a spec, the search path and the library is ever read.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archgraph.compiler import check_spec
from archgraph.errors import ArchgraphError, Diagnostic, InputOutputError
from archgraph.spec import Library
from tests.spec.written import pointed, told

NECK = """\
topology: neck
parameters: {levels: {levels: 3..4}, channels: 8}
nodes:
  - {name: a, use: STEP, from: in3}
outputs: {3: a, 4: in4}
"""
BLOCK = "block: NAME\nnodes:\n  - {name: a, use: relu}\n"


def block(name: str, use: str = "relu") -> str:
    return BLOCK.replace("NAME", name).replace("relu", use)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one, inside another."""
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    return inside


def found(files: dict[str, str], library: Library | None = None) -> list[Diagnostic]:
    """What `check` says of `neck.yaml` among these files."""
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return check_spec("neck.yaml", library=library)


# --- several files ---------------------------------------------------------------------------


def test_blocks_that_use_one_another_across_files(folder: Path) -> None:
    files = {"neck.yaml": NECK.replace("STEP", "one"), "1.yaml": block("one", "two")}
    (circle,) = found({**files, "2.yaml": block("two", "one")})
    assert told([circle]) == ["E110 3:20 'use' goes in a circle: one -> two -> one"]
    assert circle.location and circle.location.file == "2.yaml" and pointed(circle) == "one"


def test_topologies_that_extend_one_another_across_files(folder: Path) -> None:
    files = {
        "neck.yaml": "topology: neck\nextends: one\n",
        "1.yaml": "topology: one\nextends: two\n",
    }
    (circle,) = found({**files, "2.yaml": "topology: two\nextends: neck\n"})
    assert circle.code == "E110" and circle.message.endswith("neck -> one -> two -> neck")


def test_a_topology_that_extends_its_own_name(folder: Path) -> None:
    """It means the next of that name; where there is none it goes in a circle."""
    assert found({"neck.yaml": "topology: panet\nextends: panet\n"}) == []
    (circle,) = found({"neck.yaml": "topology: neck\nextends: neck\n"})
    assert circle.code == "E110" and circle.message.endswith("neck -> neck")


def test_two_documents_of_one_name_in_two_files(folder: Path) -> None:
    files = {"1.yaml": block("one"), "2.yaml": block("one", "silu")}
    (twice,) = found({**files, "neck.yaml": NECK.replace("STEP", "one")})
    assert told([twice]) == ["E104 4:20 'one' is in '1.yaml' and in '2.yaml'"]
    assert pointed(twice) == "one"
    # what stands in the same file comes first, and who names neither is not asked
    assert found({"neck.yaml": NECK.replace("STEP", "one") + "---\n" + block("one")}) == []
    assert found({"neck.yaml": NECK.replace("STEP", "relu")}) == []
    base = "topology: base\nextends: panet\n"
    (twice,) = found(
        {"3.yaml": base, "4.yaml": base, "neck.yaml": "topology: neck\nextends: base\n"}
    )
    assert told([twice]) == ["E104 2:10 'base' is in '3.yaml' and in '4.yaml'"]


def test_a_mistake_in_another_file_is_placed_there(folder: Path) -> None:
    files = {"neck.yaml": NECK.replace("STEP", "one"), "1.yaml": block("one", "reluu")}
    (wrong,) = found(files)
    assert wrong.location and wrong.location.file == "1.yaml"
    assert wrong.code == "E109" and wrong.hint == "did you mean 'relu'?"


def test_a_file_beside_that_is_no_yaml_is_no_mistake_unless_it_is_used(folder: Path) -> None:
    broken = "block: one\nnodes: [\n"
    assert found({"neck.yaml": NECK.replace("STEP", "relu"), "1.yaml": broken}) == []
    (wrong,) = found({"neck.yaml": NECK.replace("STEP", "one"), "1.yaml": broken})
    assert wrong.code == "E003" and wrong.location and wrong.location.file == "1.yaml"


def test_a_block_beside_where_a_topology_is_needed(folder: Path) -> None:
    (wrong,) = found({"neck.yaml": "topology: neck\nextends: one\n", "1.yaml": block("one")})
    assert told([wrong]) == ["E116 2:10 a topology cannot extend 'one', which is a block"]


def test_a_long_chain_of_files(folder: Path) -> None:
    files = {f"{i}.yaml": f"topology: t{i}\nextends: t{i + 1}\n" for i in range(70)}
    (long,) = found({**files, "neck.yaml": "topology: neck\nextends: t0\n"})
    assert long.code == "E110" and "more than 64" in long.message


# --- what is never read ----------------------------------------------------------------------

SECRET = block("secret") + "# do not read me\n"
PATHS = [
    *("../secret", "..", "../secret.yaml", "/etc/passwd", "~/secret", "file:///etc/passwd", "./secret"),
    *("sub/secret", "secret.yaml", "secret.yaml#secret", "#secret", "C:\\secret", "\\\\host\\secret"),
    *("..\\secret", "con", "secret\0", "\0", "secret ", " secret", "%2e%2e/secret", "$HOME", "-", "*"),
    *("secret\n", "\u202esecret", "se\u200bcret", "/", "//", "...", "secret/..", "http://a.b/secret"),
]  # fmt: skip


def quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(c):08x}" for c in text) + '"'


@pytest.mark.parametrize("path", PATHS)
def test_no_path_is_followed(path: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.parent / "secret.yaml").write_text(SECRET)
    (folder / "sub").mkdir()
    (folder / "sub" / "secret.yaml").write_text(SECRET)
    read: list[Path] = []
    real = Path.read_bytes

    def noted(self: Path) -> bytes:
        read.append(self)
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", noted)
    step = NECK.replace("STEP", quoted(path))
    extending = f"topology: neck\nextends: {quoted(path)}\n"
    setting = NECK.replace("STEP", "act").replace(
        "nodes:", f"settings: {{act: {quoted(path)}}}\nnodes:"
    )
    for text in (step, extending, setting):
        assert [each.code for each in found({"neck.yaml": text})][:1] in (["E109"], ["E306"])
    root = Library().root
    assert {path for path in read if not path.is_relative_to(root)} == {folder / "neck.yaml"}


def link(source: Path, target: Path) -> None:
    try:
        source.symlink_to(target)
    except OSError:
        pytest.skip("no links here")


@pytest.mark.parametrize("target", ["../secret.yaml", "../outside", "loop.yaml", "/dev/zero", "/"])
def test_no_link_is_followed_out_of_the_folder(target: str, folder: Path) -> None:
    (folder.parent / "secret.yaml").write_text(SECRET)
    (folder.parent / "outside").mkdir()
    (folder.parent / "outside" / "secret.yaml").write_text(SECRET)
    link(folder / "loop.yaml", folder / target)
    (wrong,) = found({"neck.yaml": NECK.replace("STEP", "secret")})
    assert told([wrong]) == ["E109 4:20 there is no block 'secret'"]


def test_no_link_is_followed_out_of_the_search_path(folder: Path) -> None:
    (folder.parent / "secret.yaml").write_text(SECRET)
    (folder.parent / "more").mkdir()
    link(folder.parent / "more" / "secret.yaml", folder.parent / "secret.yaml")
    library = Library(search=[folder.parent / "more"])
    (wrong,) = found({"neck.yaml": NECK.replace("STEP", "secret")}, library)
    assert wrong.code == "E109"
    (folder.parent / "more" / "secret.yaml").unlink()
    (folder.parent / "more" / "secret.yaml").write_text(SECRET)
    library = Library(search=[folder.parent / "more"])
    assert found({"neck.yaml": NECK.replace("STEP", "secret")}, library) == []


def test_files_that_are_no_files(folder: Path) -> None:
    """A folder, a pipe and a device that are called like a spec are passed over."""
    (folder / "secret.yaml").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.yaml")
    (wrong,) = found({"neck.yaml": NECK.replace("STEP", "secret")})
    assert wrong.code == "E109"
    for reference in ("secret.yaml", "absent.yaml", "absent/neck.yaml", "neck.yaml/more.yaml"):
        with pytest.raises(InputOutputError) as caught:
            check_spec(reference)
        assert [each.code for each in caught.value.diagnostics] == ["E001"]


@pytest.mark.parametrize(
    "reference", ["a\0b.yaml", "\0", "x" * 5000 + ".yaml", "", "#", "neck.yaml#", "."]
)
def test_odd_names_of_files_are_mistakes(reference: str, folder: Path) -> None:
    (folder / "neck.yaml").write_text(NECK.replace("STEP", "relu"))
    try:
        told(check_spec(reference))
    except ArchgraphError as error:
        assert error.diagnostics  # noqa: PT017
