"""What a check finds out: counts of a dataset, images that are not whole, samples to show."""

from __future__ import annotations

from pathlib import Path

from archgraph.train.data.check import check_dataset, chosen_samples
from archgraph.train.data.statistics import ASPECTS, PER_IMAGE, named_ranges
from tests.train.data.support import coco, entry, write_coco, write_image


def test_counts(tmp_path: Path) -> None:
    entries = [
        entry(bbox=[0, 0, 40, 20], area=1023.9),
        entry(id=2, bbox=[0, 0, 10, 20], area=1024),
        entry(id=3, bbox=[0, 0, 10, 10], area=9216, category_id=1, iscrowd=1),
        entry(id=4, image_id=11, bbox=[0, 0, 64, 48]),
    ]
    write_coco(tmp_path, coco(entries))
    found = check_dataset(f"coco:{tmp_path}").statistics
    assert (found.images, found.empty, found.objects, found.crowds) == (3, 1, 4, 1)
    assert found.areas == (1, 2, 1)
    assert [(one.name, one.objects, one.images) for one in found.classes] == [
        ("person", 1, 1),
        ("car", 3, 2),
    ]
    counted = dict(zip(named_ranges(PER_IMAGE), found.per_image, strict=True))
    assert {name: n for name, n in counted.items() if n} == {"0": 1, "1": 1, "3 to 4": 1}
    shapes = dict(zip(named_ranges(ASPECTS), found.aspects, strict=True))
    assert {name: n for name, n in shapes.items() if n} == {
        "0.5 to 0.75": 1,
        "1 to 1.5": 2,
        "2 to 4": 1,
    }
    assert sum(found.sides) == 4 and found.sides[-1] == 1
    assert (found.widths, found.heights) == ((64, 64), (48, 48))


def test_bad_images_are_found_and_not_shown(tmp_path: Path) -> None:
    write_coco(tmp_path, coco([entry(), entry(id=2, image_id=11)]))
    image = tmp_path / "val" / "0.png"
    image.write_bytes(image.read_bytes()[:-900])
    found = check_dataset(f"coco:{tmp_path}")
    assert (found.problems.counts, found.bad_images) == ({"image": 1}, frozenset({0}))
    assert chosen_samples(found, 12) == [1]
    assert check_dataset(f"coco:{tmp_path}", images=False).problems.counts == {}


def test_samples_are_spread_from_the_first_to_the_last(tmp_path: Path) -> None:
    for index in range(200):
        write_image(tmp_path / f"{index:03}.png", 2, 2)
    told: list[tuple[str, int, int]] = []
    found = check_dataset(f"folder:{tmp_path}", told=lambda *how_far: told.append(how_far))
    assert chosen_samples(found, 5) == [0, 50, 100, 149, 199]
    assert told[-1] == ("reading images", 200, 200)
    assert [what for what, done, whole in told if done == whole] == [
        "looking at images",
        "counting",
        "reading images",
    ]
