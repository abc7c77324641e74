"""Evaluation: what detections are worth, in COCO's numbers and in what they get wrong.

Start at `run.py`. The numbers are those of pycocotools, see `evaluators.py`; what is shown beside
them comes from `matching.py`.
"""

from archgraph.train.evaluate.classes import ClassMap, map_classes
from archgraph.train.evaluate.detected import Detected
from archgraph.train.evaluate.evaluation import (
    ClassResult,
    CocoNumbers,
    Curve,
    Evaluation,
    EvaluationSettings,
    ImageResult,
    Threshold,
)
from archgraph.train.evaluate.evaluators import check_evaluator
from archgraph.train.evaluate.gather import Place, place
from archgraph.train.evaluate.results_file import read_results, write_results
from archgraph.train.evaluate.run import Detect, evaluate, evaluate_detections
from archgraph.train.evaluate.tables import coco_rows

__all__ = [
    "ClassMap",
    "ClassResult",
    "CocoNumbers",
    "Curve",
    "Detect",
    "Detected",
    "Evaluation",
    "EvaluationSettings",
    "ImageResult",
    "Place",
    "Threshold",
    "check_evaluator",
    "coco_rows",
    "evaluate",
    "evaluate_detections",
    "map_classes",
    "place",
    "read_results",
    "write_results",
]
