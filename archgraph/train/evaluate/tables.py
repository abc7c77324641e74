"""The table of COCO, in the words of pycocotools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from archgraph.train.evaluate.evaluation import ABSENT, CocoNumbers


@dataclass(frozen=True)
class Row:
    """One of the twelve numbers.

    Attributes:
        what: precision or recall.
        overlap: from which one counts as found, or the range that is averaged over.
        area: of the objects.
        most: how many detections of each class on an image are looked at.
        value: the number; None where there are no such objects.
    """

    what: str
    overlap: str
    area: str
    most: int
    value: float | None

    def __str__(self) -> str:
        value = "-" if self.value is None else f"{self.value:0.3f}"
        title = f"Average {self.what}"
        short = "(AP)" if self.what == "Precision" else "(AR)"
        return (
            f"{title:<18} {short} @[ IoU={self.overlap:<9} | area={self.area:>6s} "
            f"| maxDets={self.most:>3d} ] = {value}"
        )


_WHOLE = "0.50:0.95"
_MEANING = (
    ("Precision", _WHOLE, "all", 100),
    ("Precision", "0.50", "all", 100),
    ("Precision", "0.75", "all", 100),
    ("Precision", _WHOLE, "small", 100),
    ("Precision", _WHOLE, "medium", 100),
    ("Precision", _WHOLE, "large", 100),
    ("Recall", _WHOLE, "all", 1),
    ("Recall", _WHOLE, "all", 10),
    ("Recall", _WHOLE, "all", 100),
    ("Recall", _WHOLE, "small", 100),
    ("Recall", _WHOLE, "medium", 100),
    ("Recall", _WHOLE, "large", 100),
)


def coco_rows(numbers: CocoNumbers) -> Sequence[Row]:
    """The twelve numbers with what they mean, in COCO's order."""
    values = [getattr(numbers, field.name) for field in fields(numbers)]
    return [
        Row(*meaning, None if value == ABSENT else value)
        for meaning, value in zip(_MEANING, values, strict=True)
    ]
