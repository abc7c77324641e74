"""Train a detector: from a spec and data to a folder of a run, and on from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from archgraph.codegen import GeneratedSource, emit, load_module
from archgraph.codegen.standalone import detector_settings
from archgraph.compiler import Compilation, compile_spec
from archgraph.errors import DataError, Diagnostic, SpecError
from archgraph.spec import Arguments, ArgumentValue, Library
from archgraph.train.data import Ids, open_dataset, train_and_val
from archgraph.train.detector import Detector
from archgraph.train.evaluate import Detect, map_classes, place
from archgraph.train.fit.checkpoint import read_checkpoint
from archgraph.train.fit.digest import digests
from archgraph.train.fit.folder import (
    GRAPH,
    LAST,
    MODEL,
    SPEC,
    Facts,
    RunFolder,
    graph_text,
    versions,
)
from archgraph.train.fit.keeper import Keeper
from archgraph.train.fit.load import network_of
from archgraph.train.fit.loop import Loop, Outcome, Plan, make_plan
from archgraph.train.fit.processes import (
    gathered,
    own_device,
    process_group,
    restarts,
    together,
    told,
)
from archgraph.train.fit.settings import TrainSettings, checked
from archgraph.train.fit.trainer import Trainer
from archgraph.train.fit.watch import Watcher, Watchers
from archgraph.train.records import Dataset
from archgraph.train.runs import is_run
from archgraph.weights import Network, load_weights

Opened = Callable[[str, Ids], Dataset]


@dataclass(frozen=True)
class Job:
    """What is to be trained, on what.

    Attributes:
        reference: a name of the library, a file, or `file.yaml#name`.
        data: images to learn from, or their source, see `open_dataset`; where that has parts
            called train and val and `val` is not given, the second is evaluated on.
        val: images to evaluate on, or their source; "" for none, or for a part of `data`.
        arguments: values of parameters, as of `compile_spec`; `classes` is told by the data.
        library: where names are looked up.
        variant: the row of `variants` that is chosen, if any.
        weights: a file to begin with; of another number of classes all but their layer is taken.
        ids: how categories become classes, see `open_dataset`.
    """

    reference: str
    data: str | Dataset
    val: str | Dataset = ""
    arguments: Arguments | None = None
    library: Library | None = None
    variant: str = ""
    weights: Path | None = None
    ids: Ids = "dense"


def train(
    job: Job,
    settings: TrainSettings,
    output: Path,
    *,
    device: str = "cpu",
    watchers: Sequence[Watcher] = (),
    opened: Opened | None = None,
) -> Outcome:
    """Train a detector.

    Under torchrun all processes call this together. The first one writes the folder; where
    torchrun has started them again after a crash, they go on with it.

    Args:
        job: what is trained, on what.
        settings: how.
        output: the folder of the run, which must not be there or be empty.
        device: where it runs, as torch names it; a process takes the GPU of its number.
        watchers: are told how it goes.
        opened: opens a source with its way to number classes; `open_dataset` if not given.

    Raises:
        SpecError: every mistake of the spec.
        CodegenError: E414, it is no detector.
        WeightsError: the weights do not fit.
        DataError: settings, data or classes cannot be used; E557, a loss is no number.
        InputOutputError: the folder cannot be written.
    """
    settings = checked(settings)
    with process_group(gpus=device.startswith("cuda")):
        with together():
            where = own_device(device)
        # Machines count their own starts: one that was not at fault may not have counted the last.
        if max(gathered(restarts())) and told(is_run(output)):
            given = [None if isinstance(each, str) else each for each in (job.data, job.val)]
            return _resume(output, settings, where, watchers, opened, (given[0], given[1]))
        with together():
            begun, texts = _begun(job, settings, opened or _open)
        trainer = _trainer(begun, where)
        with together():
            if place().rank == 0:
                RunFolder.make(output, begun.facts, settings, texts)
        with together():
            loop = _loop(RunFolder(output), begun, trainer, watchers)
        return loop.run()


def resume(
    output: Path,
    *,
    data: Dataset | None = None,
    val: Dataset | None = None,
    device: str = "cpu",
    workers: int | None = None,
    watchers: Sequence[Watcher] = (),
    opened: Opened | None = None,
) -> Outcome:
    """Go on with a run where it stopped, however it stopped.

    On the same machine with as many processes its weights become those of a run that was never
    stopped.

    Args:
        output: the folder of the run.
        data: the images to learn from, if the run did not open them by itself.
        val: likewise those to evaluate on.
        device: as of `train`.
        workers: processes that read images, if not as before; this changes no number.
        watchers: as of `train`.
        opened: as of `train`.

    Raises:
        DataError: E555, a file of the run is damaged; E558, the data is not what it was.
        InputOutputError: there is no such run.
    """
    with process_group(gpus=device.startswith("cuda")):
        with together():
            where, settings = own_device(device), RunFolder(output).settings
            if workers is not None:
                settings = checked(replace(settings, workers=workers))
        return _resume(output, settings, where, watchers, opened, (data, val))


def _resume(
    output: Path,
    settings: TrainSettings,
    device: torch.device,
    watchers: Sequence[Watcher],
    opened: Opened | None,
    data: tuple[Dataset | None, Dataset | None] = (None, None),
) -> Outcome:
    with together():
        folder = RunFolder(output)
        facts, open_ = folder.facts, opened or _open
        train_set = data[0] or open_(facts.train, facts.ids)
        val_set = data[1] or (open_(facts.val, facts.ids) if facts.val else None)
        now = digests(train_set, val_set)
        for name, found, was in zip((facts.train, facts.val), now, facts.digests, strict=True):
            if found != was:
                message = f"'{name}' is not what it was when '{output}' began"
                hint = "bring back its images and annotations, or begin a new run with --weights"
                raise DataError(Diagnostic("E558", message, None, hint))
        plan = make_plan(train_set, val_set, settings)
        torch.manual_seed(settings.seed)
        parts = _Parts(facts, plan, network_of(folder), network_of(folder))
    trainer = _trainer(parts, device)
    with together():
        loop = _loop(folder, parts, trainer, watchers, seconds=_loaded(folder, trainer))
    return loop.run()


@dataclass(frozen=True)
class _Parts:
    """What a training needs besides its folder; `notes` are for the user."""

    facts: Facts
    plan: Plan
    network: nn.Module
    average: nn.Module
    notes: Sequence[str] = ()


def _begun(job: Job, settings: TrainSettings, open_: Opened) -> tuple[_Parts, Mapping[str, str]]:
    """What a training begins with, and the files that tell of it."""
    data, val = _sources(job)
    train_set = open_(data, job.ids) if isinstance(data, str) else data
    val_set = (open_(val, job.ids) if isinstance(val, str) else val) if val else None
    plan = make_plan(train_set, val_set, settings)
    compiled = _compiled(job, train_set)
    graph = compiled.operators.graph
    source = emit(graph)
    facts = _facts(job, compiled, source, settings, (train_set, val_set), (_name(data), _name(val)))
    if val_set is not None:
        map_classes(facts.class_names, val_set.class_names)
    torch.manual_seed(settings.seed)
    network = load_module(source)
    notes: Sequence[str] = ()
    if job.weights is not None:
        notes = load_weights(network, Network(graph, compiled.name), job.weights).notes
    texts = {SPEC: _spec_text(job), GRAPH: graph_text(graph), MODEL: source.text}
    return _Parts(facts, plan, network, load_module(source), notes), texts


def _trainer(parts: _Parts, device: torch.device) -> Trainer:
    """What makes the steps; in a group of processes all have to come by here."""
    settings = parts.plan.settings
    if settings.deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    average = parts.average.to(device) if settings.ema else None
    return Trainer(parts.network.to(device), average, parts.facts.detector, settings)


def _loaded(folder: RunFolder, trainer: Trainer) -> float:
    """Bring a trainer to where a run stopped; how many seconds that took."""
    if (folder.path / LAST).is_file():
        checkpoint = read_checkpoint(folder.path / LAST)
        try:
            trainer.load_state(checkpoint.trainer)
        except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
            raise folder.damaged(LAST, error) from None
        return checkpoint.seconds
    if folder.facts.weights:
        # It stopped before its first state was written.
        load_weights(trainer.network, folder.network, folder.facts.weights)
        trainer.begin_again()
    return 0.0


def _loop(
    folder: RunFolder,
    parts: _Parts,
    trainer: Trainer,
    watchers: Sequence[Watcher],
    *,
    seconds: float = 0.0,
) -> Loop:
    """All that a training needs, put together."""
    facts, plan = parts.facts, parts.plan
    watcher = Watchers(watchers if place().rank == 0 else ())
    detector = Detector(
        trainer.average,
        facts.detector,
        facts.class_names,
        facts.category_ids,
        plan.settings.resize,
    )
    detect: Detect = detector.detect
    notes = list(parts.notes)
    if plan.val is not None:
        classes = map_classes(facts.class_names, plan.val.class_names)
        detect = classes.applied(detector.detect)
        notes += [classes.note] if classes.note else []
    for note in notes:
        watcher.noted(f"note: {note}")
    keeper = Keeper(folder, trainer.steps, watcher.noted)
    return Loop(trainer, plan, detector, detect, keeper, watcher, seconds=seconds)


def _open(source: str, ids: Ids) -> Dataset:
    return open_dataset(source, ids=ids)


def _name(data: str | Dataset) -> str:
    return data if isinstance(data, str) else data.name


def _sources(job: Job) -> tuple[str | Dataset, str | Dataset]:
    if job.val or not isinstance(job.data, str):
        return job.data, job.val
    return train_and_val(job.data)


def _compiled(job: Job, data: Dataset) -> Compilation:
    """The detector, for as many classes as the data has."""
    count = len(data.class_names)
    arguments = dict(job.arguments or {})
    given = arguments.get("classes")
    compile_ = partial(compile_spec, library=job.library or Library(), variant=job.variant)
    if given is None:
        try:
            return compile_(job.reference, {**arguments, "classes": ArgumentValue(count)})
        except SpecError as error:
            # A spec without such a parameter has its number of classes written down.
            if not any("classes" in each.message for each in error.diagnostics):
                raise
    return compile_(job.reference, arguments)


def _facts(
    job: Job,
    compiled: Compilation,
    source: GeneratedSource,
    settings: TrainSettings,
    sets: tuple[Dataset, Dataset | None],
    sources: tuple[str, str],
) -> Facts:
    data = sets[0]
    detector = detector_settings(compiled.operators.graph)
    if detector.classes != len(data.class_names):
        message = (
            f"'{compiled.name}' tells {detector.classes} classes apart, and {data.name} has "
            f"{len(data.class_names)}"
        )
        hint = f"set classes={len(data.class_names)}"
        raise DataError(Diagnostic("E540", message, None, hint))
    size = settings.image_size
    return Facts(
        compiled.name,
        " ".join([job.reference, *([job.variant] if job.variant else [])]),
        source.class_name,
        *sources,
        job.ids,
        digests(*sets),
        tuple(data.class_names),
        tuple(data.category_ids),
        (size, size) if size else detector.image_size,
        detector.anchors,
        detector.classes,
        detector.pixels,
        str(job.weights.resolve()) if job.weights else "",
        versions(),
    )


def _spec_text(job: Job) -> str:
    """The file of the spec, with what was asked of it."""
    library = job.library or Library()
    file, _ = library.open(job.reference)
    said: Mapping[str, ArgumentValue] = job.arguments or {}
    asked = [job.reference, *([f"--variant {job.variant}"] if job.variant else [])]
    asked += [f"--set {key}={value.value}" for key, value in said.items()]
    return f"# {' '.join(asked)}\n{file.path.read_text('utf-8')}"
