"""What a user calls a dataset, `coco:photos/val`, and what is opened for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from archgraph.errors import nearest, suggest
from archgraph.train.data.classes import Ids
from archgraph.train.data.coco import read_coco
from archgraph.train.data.folder import read_folder
from archgraph.train.data.problems import Bad, failed, shown
from archgraph.train.data.voc import Corners, read_voc
from archgraph.train.data.yolo import find_yaml, parts_of, read_yolo
from archgraph.train.records import Advance, Dataset

if TYPE_CHECKING:
    from archgraph.train.samples.scenes import Scenes

FORMATS = ("coco", "yolo", "voc", "folder")
MADE = ("shapes", "glyphs")
# Pixels along a side of a scene.
SIZES = range(32, 2049)
_WAYS = (
    "coco:DIR, coco:FILE.json, yolo:DIR, yolo:FILE.yaml, voc:DIR, folder:DIR, shapes or glyphs; "
    "a part of a dataset is coco:DIR:val"
)


def open_dataset(
    source: str,
    *,
    ids: Ids = "dense",
    bad: Bad = "refuse",
    corners: Corners = "inclusive",
    progress: Advance | None = None,
) -> Dataset:
    """Open a dataset: its annotations are read and judged, its images opened but not decoded.

    Args:
        source: the format, a colon and a path, as `coco:photos`; after another colon a part of
            it, as `yolo:photos:val`; `shapes` and `glyphs` are made and not read, in the size that
            is said, as `shapes:val:128`.
        ids: how the ids of categories become classes: `dense`, `coco` or `automl`; see
            `number_classes`.
        bad: what becomes of entries with errors: `refuse` or `skip` them.
        corners: what the corners of a VOC file mean, see `Corners`.
        progress: told how many images were looked at, and how many there are.

    Raises:
        DataError: there is no such dataset, or it has errors that are refused.
    """
    if bad not in get_args(Bad):
        message = f"bad entries are one of {', '.join(get_args(Bad))}, not {shown(bad)}"
        raise failed("E500", message)
    kind, _, rest = source.partition(":")
    if kind in MADE:
        return _made(kind, rest)
    if kind not in FORMATS or not rest:
        meant = nearest(kind, (*FORMATS, *MADE))
        hint = f"did you mean '{meant}'?" if meant and meant != kind else f"write {_WAYS}"
        raise failed("E500", f"'{source}' names no dataset", hint)
    path, part = _path_and_part(source, rest)
    if kind == "coco":
        file, root = _coco_file(source, path, part)
        return read_coco(file, root, source, ids=ids, bad=bad, progress=progress)
    if kind == "yolo":
        return read_yolo(find_yaml(path), part, source, ids=ids, bad=bad, progress=progress)
    if kind == "voc":
        return read_voc(path, part, source, ids=ids, bad=bad, corners=corners, progress=progress)
    if part:
        raise failed("E500", f"'{source}' has no parts", f"write folder:{path / part}")
    return read_folder(path, source, bad=bad, progress=progress)


def train_and_val(source: str) -> tuple[str, str]:
    """The sources of the images to learn from and of those to evaluate on.

    Args:
        source: a dataset; where it has parts called so, these are meant.

    Returns:
        Two sources. The second is "" where the first has no such parts, or is one itself.

    Raises:
        DataError: E500, there is no such dataset.
    """
    kind, _, rest = source.partition(":")
    if kind in MADE and (not rest or rest.isdecimal()):
        size = f":{rest}" if rest else ""
        return f"{kind}:train{size}", f"{kind}:val{size}"
    if kind not in FORMATS or not rest:
        return source, ""
    path, part = _path_and_part(source, rest)
    parts = [] if part or (path.is_file() and kind == "coco") else _parts(kind, path)
    train, val = (
        next((each for each in parts if each.startswith(word)), "") for word in ("train", "val")
    )
    return (f"{source}:{train}", f"{source}:{val}") if train and val else (source, "")


def each_file(source: str) -> list[str]:
    """A dataset of COCO's with several files of annotations as as many; any other as it is."""
    kind, _, rest = source.partition(":")
    # os.path says no to names that no file can have.
    parts = _parts(kind, Path(rest)) if kind == "coco" and os.path.isdir(rest) else []  # noqa: PTH112
    return [f"{source}:{name}" for name in parts] if len(parts) > 1 else [source]


def _parts(kind: str, path: Path) -> list[str]:
    """What the parts of a dataset are called."""
    match kind:
        case "coco":
            return [name for name, _ in _coco_files(path)]
        case "yolo":
            return parts_of(find_yaml(path))
        case "voc":
            # The list of everything is called trainval.
            names = (file.stem for file in (path / "ImageSets" / "Main").glob("*.txt"))
            return sorted(name for name in names if name in ("train", "val"))
        case _:
            return []


def _made(kind: str, rest: str) -> Dataset:
    """A dataset that is drawn when it is looked at, of what stands after its name: part and size.

    Raises:
        DataError: E500, its images cannot have this size; E520, it has no such part.
    """
    from archgraph.train.samples.glyphs import Glyphs
    from archgraph.train.samples.shapes import Shapes

    words = rest.split(":") if rest else []
    size = int(words.pop()) if words and words[-1].isdecimal() else 0
    if size and size not in SIZES:
        raise failed("E500", f"scenes are not of {size} pixels", f"{SIZES[0]} to {SIZES[-1]} are")
    kinds: dict[str, type[Scenes]] = {"shapes": Shapes, "glyphs": Glyphs}
    part = ":".join(words) or "train"
    return kinds[kind](part, size=size) if size else kinds[kind](part)


def _path_and_part(source: str, rest: str) -> tuple[Path, str]:
    """The path, and what stands after a second colon."""
    if os.path.exists(rest):  # noqa: PTH110 - says no to names that no file can have
        return Path(rest), ""
    before, _, part = rest.rpartition(":")
    if before and part and os.path.exists(before):  # noqa: PTH110
        return Path(before), part
    raise failed("E500", f"'{source}': there is no '{before or rest}'", "check the path")


def _coco_file(source: str, path: Path, part: str) -> tuple[Path, Path]:
    """The file of annotations that is meant, and the folder of the dataset."""
    if path.is_file():
        if part:
            raise failed("E500", f"'{path}' is a file; it has no part '{part}'")
        if path.absolute().parent.name != "annotations":
            return path, path.parent
        return path, path.parent.parent if path.parent.name else Path("..")
    files = dict(_coco_files(path))
    if part:
        if part not in files:
            hint = suggest(part, files) or f"it has {len(files)} parts"
            raise failed("E500", f"'{path}' has no annotations called '{part}'", hint)
        return files[part], path
    if not files:
        hint = "name the file: coco:DIR/FILE.json"
        raise failed("E500", f"'{path}' holds no annotations in COCO's format", hint)
    if len(files) > 1:
        ways = " or ".join(f"coco:{path}:{name}" for name in files)
        raise failed("E500", f"'{source}' has several files of annotations", f"write {ways}")
    return next(iter(files.values())), path


def _coco_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files of annotations of a folder, by the name of the part that they are about."""
    for pattern in ("annotations/instances_*.json", "instances_*.json"):
        for file in sorted(folder.glob(pattern)):
            yield file.stem.removeprefix("instances_"), file
    for pattern in ("_annotations.coco.json", "*/_annotations.coco.json"):
        for file in sorted(folder.glob(pattern)):
            yield file.parent.name if file.parent != folder else "all", file
    if (folder / "annotations.json").is_file():
        yield "annotations", folder / "annotations.json"
    if not any(folder.glob("annotations/instances_*.json")):
        for file in sorted(folder.glob("annotations/*.json")):
            yield file.stem, file
