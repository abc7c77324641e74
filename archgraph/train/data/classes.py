"""Ids of categories, which have gaps, and classes of a detector, which have none.

The references number COCO's classes by `id - 1`: 90 classes for 80 categories, since the ids run
from 1 to 90 with gaps. That is what their released weights were trained with. For a dataset of
one's own google/automl wants one class more than the largest id (its number of classes counts the
background, which its targets do not use).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from archgraph.train.data.problems import failed, shown

Ids = Literal["dense", "coco", "automl"]
# Every class is a row of a weight: an id above this was not meant to number classes.
MOST_CLASSES = 100_000


@dataclass(frozen=True)
class Classes:
    """The classes of a detector.

    Attributes:
        names: in order; "" for a gap.
        ids: of each class, in order.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...]

    def class_of(self) -> dict[int, int]:
        """The class of every id."""
        return {category: index for index, category in enumerate(self.ids)}


def number_classes(categories: Mapping[int, str], ids: Ids, file: object) -> Classes:
    """The classes for the categories of a file.

    Args:
        categories: names by id.
        ids: `dense`: the ids in ascending order are classes 0, 1, 2 and so on; `coco`: the class is
            `id - 1`, gaps are classes without a name; `automl`: as `coco`, and one class more.
        file: where they stand.

    Raises:
        DataError: E500, `ids` is none of these; E502, the ids cannot be numbered so.
    """
    if ids not in get_args(Ids):
        message = f"ids are numbered as one of {', '.join(get_args(Ids))}, not {shown(ids)}"
        raise failed("E500", message)
    known = sorted(categories)
    if ids == "dense":
        return Classes(tuple(categories[i] for i in known), tuple(known))
    hint = "ids='dense' numbers the classes by the order of their ids"
    if known and (known[0] < 1 or known[-1] > MOST_CLASSES):
        wrong = known[0] if known[0] < 1 else known[-1]
        message = f"{file}: category id {wrong} has no class where classes are ids less one"
        raise failed("E502", message, hint)
    largest = (known[-1] if known else 0) + (1 if ids == "automl" else 0)
    every = range(1, largest + 1)
    return Classes(tuple(categories.get(i, "") for i in every), tuple(every))
