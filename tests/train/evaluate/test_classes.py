"""Which class of a set each class of a detector is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from archgraph.errors import DataError
from archgraph.train.evaluate import map_classes
from tests.train.evaluate.support import detected


@pytest.mark.parametrize(
    ("detector", "dataset", "classes", "note"),
    [
        (["cat", "dog"], ["cat", "dog"], [0, 1], ""),
        (["cat", "dog"], ["dog", "cat"], [1, 0], ""),
        # COCO's ids with gaps, and without
        (["cat", "", "dog"], ["cat", "dog"], [0, -1, 1], ""),
        (["cat", "dog"], ["cat", "", "dog"], [0, 2], ""),
        (["cat", "dog", "cow"], ["dog"], [-1, 0, -1], "of 'cat' and 'cow' is left out"),
        (["class 0", "class 1"], ["cat", "dog"], [0, 1], "by their order.* no 'cat' and 'dog'"),
        ([], [], [], ""),
    ],
)
def test_classes_are_found_by_name_then_by_order(
    detector: Sequence[str], dataset: Sequence[str], classes: list[int], note: str
) -> None:
    found = map_classes(detector, dataset)
    assert found.classes.tolist() == classes
    assert bool(found.note) == bool(note)
    assert np.all([part in found.note for part in note.split(".*")])


def test_other_classes_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"has 2 classes and the set has 5; .*'a', 'b', 'c' and 2"
    ) as e:
        map_classes(["cat", "dog"], list("abcde"))
    assert e.value.diagnostics[0].code == "E534"


def test_detections_of_other_classes_are_left_out() -> None:
    boxes = [(0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 2.0, 2.0), (0.0, 0.0, 3.0, 3.0)]
    found = detected(boxes, [0.9, 0.8, 0.7], [2, 1, 0])
    classes = map_classes(["dog", "", "cat"], ["cat", "dog"])
    (told,) = classes.applied(lambda images: [found])([np.zeros((1, 1, 3), np.uint8)])
    assert told.classes.tolist() == [0, 1]
    assert told.scores.tolist() == [0.9, 0.7]
    assert told.boxes_xyxy.tolist() == [list(boxes[0]), list(boxes[2])]
