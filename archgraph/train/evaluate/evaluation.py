"""The results of an evaluation: numbers of COCO, classes, curves, mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from archgraph.errors import Diagnostic
from archgraph.train.evaluate.detected import Detected

ABSENT = -1.0


@dataclass(frozen=True)
class CocoNumbers:
    """The twelve numbers of COCO; -1 where there are no objects to find.

    `ap` is the precision, averaged over recalls and over overlaps from 0.50 to 0.95; `ap50` and
    `ap75` that at one overlap; `small` objects are below 32 x 32 pixels in area, `large` ones
    above 96 x 96. `ar` is the greatest recall, averaged over overlaps, with so many detections
    of each class on an image.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float

    def as_dict(self) -> dict[str, float | None]:
        """By name; None where there is no number."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: None if value == ABSENT else value for name, value in values.items()}


@dataclass(frozen=True)
class Curve:
    """Precision at recalls 0.00, 0.01, ... 1.00, as COCO interpolates it.

    Attributes:
        overlap: that counts as found.
        precision: 101 numbers; none where there are no objects.
    """

    overlap: float
    precision: Sequence[float]


@dataclass(frozen=True)
class Threshold:
    """Where to cut the scores of a class to have the best of both.

    Attributes:
        score: keep detections of this score and above.
        precision: which part of them is right (at an overlap of 0.5).
        recall: which part of the objects they find.
        f1: the harmonic mean of these two.
    """

    score: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ClassResult:
    """How well one class is found.

    Attributes:
        name: of the class.
        category_id: in files of results.
        objects: how many there are, without crowds.
        crowds: how many crowds there are.
        detections: how many there are.
        numbers: of this class alone.
        curves: at overlaps of 0.5 and 0.75.
        best: the score with the best F1; None where there is nothing to find or found.
    """

    name: str
    category_id: int
    objects: int
    crowds: int
    detections: int
    numbers: CocoNumbers
    curves: Sequence[Curve]
    best: Threshold | None


@dataclass(frozen=True)
class ImageResult:
    """What is right and wrong on one image, among detections above the score of the settings.

    Attributes:
        image_id: of the record.
        name: likewise.
        right: detections of an object, of its class.
        wrong_class: detections of an object, of another class.
        duplicate: detections of an object that a better one has taken.
        misplaced: detections that overlap an object of their class too little.
        background: detections of nothing.
        missed: objects that no detection has taken.
    """

    image_id: int
    name: str
    right: int = 0
    wrong_class: int = 0
    duplicate: int = 0
    misplaced: int = 0
    background: int = 0
    missed: int = 0

    @property
    def mistakes(self) -> int:
        false = self.duplicate + self.misplaced + self.background
        return self.wrong_class + false + self.missed

    @property
    def f1(self) -> float:
        """1 if everything is right, also where nothing is there and nothing was found."""
        # A detection of the wrong class is false, and the object it took is not found.
        whole = 2 * self.right + self.mistakes + self.wrong_class
        return 2 * self.right / whole if whole else 1.0


MISTAKES = ("wrong_class", "duplicate", "misplaced", "background", "missed")


@dataclass(frozen=True)
class EvaluationSettings:
    """What does not change COCO's numbers, but what is shown beside them.

    Attributes:
        least_score: detections below it are no part of the confusion matrix and of mistakes.
        overlap: that makes a detection an object, in both.
        near: an overlap below which a detection is not even misplaced.
    """

    least_score: float = 0.3
    overlap: float = 0.5
    near: float = 0.1


@dataclass(frozen=True)
class Evaluation:
    """All of it.

    Attributes:
        dataset: its name.
        evaluator: who computed COCO's numbers, with its version.
        numbers: of all classes that have objects, averaged.
        curves: likewise, at overlaps of 0.5 and 0.75.
        classes: one for each class of the set, in order.
        confusion: how often an object of a row was found as the class of a column; the last row
            is detections of nothing, the last column objects that were missed.
        images: one for each image, by id.
        skipped: why images were left out.
        settings: of confusion and mistakes.
        found: the detections, by the id of the image.
    """

    dataset: str
    evaluator: str
    numbers: CocoNumbers
    curves: Sequence[Curve]
    classes: Sequence[ClassResult]
    confusion: Sequence[Sequence[int]]
    images: Sequence[ImageResult]
    skipped: Sequence[Diagnostic]
    settings: EvaluationSettings
    found: Mapping[int, Detected] = field(default_factory=dict, compare=False, repr=False)

    @property
    def mistakes(self) -> Mapping[str, int]:
        """How many there are of each kind."""
        return {kind: sum(getattr(image, kind) for image in self.images) for kind in MISTAKES}

    def worst(self, most: int) -> Sequence[ImageResult]:
        """The images with the lowest F1, of equal ones those with more mistakes, then by id."""
        wrong = [image for image in self.images if image.mistakes]
        return sorted(wrong, key=lambda i: (i.f1, -i.mistakes, i.image_id))[:most]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return {
            "dataset": self.dataset,
            "evaluator": self.evaluator,
            "images": len(self.images),
            "skipped": [diagnostic.as_dict() for diagnostic in self.skipped],
            "numbers": self.numbers.as_dict(),
            "classes": [
                {
                    "name": one.name,
                    "category_id": one.category_id,
                    "objects": one.objects,
                    "crowds": one.crowds,
                    "detections": one.detections,
                    **one.numbers.as_dict(),
                    "best": None
                    if one.best is None
                    else {
                        "score": one.best.score,
                        "precision": one.best.precision,
                        "recall": one.best.recall,
                        "f1": one.best.f1,
                    },
                }
                for one in self.classes
            ],
            "mistakes": dict(self.mistakes),
        }
