"""A detector over a set of images, batch by batch, and what its detections are worth."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from archgraph.errors import ArchgraphError, DataError, Diagnostic
from archgraph.train.evaluate.detected import (
    Detected,
    DetectionsLike,
    check_detected,
    compared,
)
from archgraph.train.evaluate.evaluation import Evaluation, EvaluationSettings
from archgraph.train.evaluate.evaluators import check_evaluator
from archgraph.train.evaluate.gather import Place, Share, gather, place
from archgraph.train.evaluate.measures import measure
from archgraph.train.evaluate.results_file import Progress, write_results
from archgraph.train.records import Advance, Dataset, ImageRecord, Pixels

Detect = Callable[[Sequence[Pixels]], Sequence[DetectionsLike]]


def evaluate(
    detect: Detect,
    dataset: Dataset,
    *,
    batch_size: int = 8,
    workers: int = 2,
    progress: Advance | None = None,
    limit: int | None = None,
    bad: Literal["refuse", "skip"] = "refuse",
    evaluator: str = "auto",
    settings: EvaluationSettings | None = None,
    results: Path | None = None,
    run: Mapping[str, Any] | None = None,
) -> Evaluation:
    """What a detector is worth on a set of images.

    In a group of processes (`torch.distributed`) each looks at its part of the images, and all
    return the same as one process would.

    Args:
        detect: gives detections for images, one set for each.
        dataset: the images and what is on them.
        batch_size: how many images the detector sees at once.
        workers: how many threads read images ahead of it; 0 for none.
        progress: called again and again, at least after every batch.
        limit: look at no more than the first so many images.
        bad: whether an image that cannot be read ends the evaluation or is left out.
        evaluator: who computes COCO's numbers, see `run_evaluator`.
        settings: of the confusion matrix and of mistakes.
        results: where to write COCO's results; a run that was interrupted goes on where it
            stopped, from the lines in `RESULTS.partial`.
        run: which run this is, such as model and weights; another one does not go on.

    Raises:
        DataError: an image cannot be read, or detections cannot be compared (E531); there is no
            such evaluator (E530); the lines of another run stand in the way (E533).
        InputOutputError: E020, results cannot be written.
    """
    check_evaluator(evaluator)
    where = place()
    share = Share({})
    kept: Progress | None = None
    try:
        if results is not None:
            # Every process has lines of its own.
            part = (
                results if where.count == 1 else results.with_name(f"{results.name}.{where.rank}")
            )
            kept = Progress(part, _same_run(dataset, limit, where, run or {}))
        numbers = range(len(dataset) if limit is None else min(limit, len(dataset)))
        share = _detections(
            detect,
            _Plan(dataset, numbers[where.rank :: where.count], batch_size, workers, bad),
            progress,
            kept,
        )
    except ArchgraphError as error:
        share = Share({}, {}, error)
    whole = gather(share)
    if results is not None and kept is not None:
        if where.rank == 0:
            write_results(results, whole.found, dataset.category_ids)
        kept.done()
    return evaluate_detections(
        dataset,
        whole.found,
        limit=limit,
        skipped=whole.skipped,
        evaluator=evaluator,
        settings=settings,
    )


def _same_run(
    dataset: Dataset, limit: int | None, where: Place, run: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What has to be the same for a run to go on with the detections of another."""
    place = [where.rank, where.count]
    return {**run, "data": dataset.name, "images": len(dataset), "limit": limit, "place": place}


def evaluate_detections(
    dataset: Dataset,
    found: Mapping[int, Detected],
    *,
    limit: int | None = None,
    skipped: Mapping[int, Diagnostic] | None = None,
    evaluator: str = "auto",
    settings: EvaluationSettings | None = None,
) -> Evaluation:
    """What detections are worth.

    Args:
        dataset: the images and what is on them.
        found: detections by the id of the image; on other images nothing was found.
        limit: look at no more than the first so many images.
        skipped: images that are left out, and why.
        evaluator: who computes COCO's numbers, see `run_evaluator`.
        settings: of the confusion matrix and of mistakes.

    Raises:
        DataError: E531, detections cannot be compared; E530, there is no such evaluator.
    """
    skipped = skipped or {}
    content = compared(dataset, found, limit=limit, skipped=frozenset(skipped))
    return measure(
        content, dataset.name, evaluator, settings or EvaluationSettings(), list(skipped.values())
    )


@dataclass(frozen=True)
class _Plan:
    """Which images are looked at, and how."""

    dataset: Dataset
    numbers: Sequence[int]
    batch_size: int
    workers: int
    bad: Literal["refuse", "skip"]


def _detections(
    detect: Detect, plan: _Plan, progress: Advance | None, kept: Progress | None
) -> Share:
    """Detections of every image of a plan, but for those that an earlier run has kept."""
    found: dict[int, Detected] = dict(kept.found) if kept is not None else {}
    skipped: dict[int, Diagnostic] = {}
    left = [n for n in plan.numbers if not found or plan.dataset.record(n).image_id not in found]
    batch: list[tuple[ImageRecord, Pixels]] = []
    done = len(plan.numbers) - len(left)
    for place_in_row, read in enumerate(_read_ahead(plan, left), 1):
        record, pixels = read
        if isinstance(pixels, DataError):
            if plan.bad == "refuse":
                raise pixels
            skipped[record.image_id] = pixels.diagnostics[0]
        else:
            batch.append((record, pixels))
        if len(batch) == plan.batch_size or (batch and place_in_row == len(left)):
            new = _batch(detect, batch, len(plan.dataset.class_names))
            if kept is not None:
                kept.add(new)
            found |= new
            batch = []
        if progress is not None:
            progress(done + place_in_row - len(batch), len(plan.numbers))
    return Share(found, skipped)


def _batch(
    detect: Detect, batch: Sequence[tuple[ImageRecord, Pixels]], class_count: int
) -> dict[int, Detected]:
    given = detect([pixels for _, pixels in batch])
    found: dict[int, Detected] = {}
    for (record, _), detections in zip(batch, given, strict=True):
        detected = Detected.of(detections)
        check_detected(detected, class_count, record.name)
        found[record.image_id] = detected
    return found


def _read_ahead(
    plan: _Plan, numbers: Sequence[int]
) -> Iterator[tuple[ImageRecord, Pixels | DataError]]:
    """Images in order, read by threads a little before they are needed."""

    def read(number: int) -> tuple[ImageRecord, Pixels | DataError]:
        record = plan.dataset.record(number)
        try:
            return record, plan.dataset.pixels(number)
        except DataError as error:
            return record, error

    if plan.workers <= 0:
        yield from map(read, numbers)
        return
    # No more wait than a batch and what the threads are busy with.
    ahead = plan.batch_size + plan.workers
    waiting: deque[Future[tuple[ImageRecord, Pixels | DataError]]] = deque()
    with ThreadPoolExecutor(plan.workers) as pool:
        try:
            for number in numbers:
                waiting.append(pool.submit(read, number))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
