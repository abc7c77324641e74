"""`archgraph train`: from a spec and annotated images to a detector."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archgraph.cli.data_check import IdsOption
from archgraph.cli.options import (
    DeviceOption,
    SearchOption,
    SetOption,
    UsageError,
    VariantOption,
    make_library,
    parse_settings,
)
from archgraph.cli.output import note, progress, progress_bar, write
from archgraph.cli.training_bar import is_later_process, watching
from archgraph.errors import ArchgraphError, Diagnostic

if TYPE_CHECKING:
    from archgraph.spec import ArgumentValue
    from archgraph.train.data import Ids
    from archgraph.train.fit import Outcome, TrainSettings
    from archgraph.train.records import Dataset

EXAMPLES = """
[bold]Examples[/]
  archgraph train efficientdet --variant d0 --data coco:photos -o runs/d0
  archgraph train d.yaml --data coco:photos --recipe finetune -o runs/voc
  archgraph train d.yaml --data shapes --recipe small --minutes 8 -o runs/s
  archgraph train --resume runs/d0
"""

# Settings that have an option of their own.
OPTIONS = {
    "epochs": "--epochs",
    "batch_size": "--batch-size",
    "lr": "--lr",
    "time_limit": "--minutes",
    "seed": "--seed",
}


def train(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC",
            help="The detector, as of 'emit'; none with --resume.",
            show_default=False,
        ),
    ] = "",
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="SOURCE",
            help="Images to learn from: coco:DIR, yolo:DIR, voc:DIR, shapes; of one with parts "
            "train and val the second is evaluated on.",
            show_default=False,
        ),
    ] = "",
    val: Annotated[
        str,
        typer.Option("--val", metavar="SOURCE", help="Images to evaluate on.", show_default=False),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="The folder of the run.", show_default=False
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume", metavar="DIR", help="Go on with a run that was ended.", show_default=False
        ),
    ] = None,
    settings: SetOption = None,
    variant: VariantOption = "",
    search: SearchOption = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", metavar="FILE", help="Weights to begin with.", show_default=False
        ),
    ] = None,
    ids: IdsOption = "dense",
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe", metavar="NAME", help="efficientdet, effdet, paper, finetune or small."
        ),
    ] = "",
    settings_file: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            metavar="FILE.yaml",
            help="Settings, over those of the recipe; a run keeps its own in settings.yaml.",
            show_default=False,
        ),
    ] = None,
    chosen: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="KEY=VALUE",
            help="One setting, over all others. May be repeated.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option("--epochs", help="How often every image is seen.", show_default=False),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size", help="Images of a step, of all processes.", show_default=False
        ),
    ] = None,
    lr: Annotated[
        float | None, typer.Option("--lr", help="The highest learning rate.", show_default=False)
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", help="Train no longer than this.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of everything random.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes that read images.", show_default=False),
    ] = None,
    device: DeviceOption = "cpu",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard's files into the folder too.")
    ] = False,
) -> None:
    """Train a detector, evaluate it as it learns, and keep everything in one folder.

    A run that is interrupted, killed or preempted goes on with --resume, and comes to the same
    weights. The same command after `torchrun --nproc-per-node 8 -m` trains on many devices. A run
    that has a time limit lowers its learning rate by the clock.
    """
    numbers = {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "time_limit": minutes,
        "seed": seed,
    }
    given = {
        "SPEC": spec,
        "--data": data,
        "--val": val,
        "-o": output,
        "--set": settings,
        "--variant": variant,
        "--search": search,
        "--weights": weights,
        "--ids": ids != "dense",
        "--recipe": recipe,
        "--settings": settings_file,
        "--with": chosen,
        **{OPTIONS[name]: value is not None for name, value in numbers.items()},
    }
    _check_usage(given, resume)
    opened = _Opener()
    try:
        if resume is not None:
            with progress("loading torch"):
                from archgraph.train.fit import resume as go_on
            with watching(resume, tensorboard=tensorboard) as watchers:
                outcome = go_on(
                    resume, device=device, workers=workers, watchers=watchers, opened=opened
                )
            _tell(outcome, resume, device)
            return
        assert output is not None
        arguments, library = parse_settings(settings), make_library(search)
        with progress("loading torch"):
            from archgraph.train.fit import Job
            from archgraph.train.fit import train as fit
        how = _settings(recipe, settings_file, chosen, {**numbers, "workers": workers})
        job = Job(spec, data, val, arguments, library, variant, weights, ids)
        with watching(output, tensorboard=tensorboard) as watchers:
            outcome = fit(job, how, output, device=device, watchers=watchers, opened=opened)
        _tell(outcome, output, device)
    except ArchgraphError as error:
        # The first process says it for all, unless it is gone itself.
        if is_later_process() and not any(each.code == "E559" for each in error.diagnostics):
            raise typer.Exit(error.exit_code) from None
        raise


COMMAND = train


@dataclass(frozen=True)
class _Opener:
    """Opens a source with a bar."""

    def __call__(self, source: str, ids: Ids) -> Dataset:
        from archgraph.train.data import open_dataset

        with progress_bar(f"reading {source}") as told:
            return open_dataset(source, ids=ids, progress=told)


def _check_usage(given: Mapping[str, object], resume: Path | None) -> None:
    """Refuse options that say too much or too little.

    Raises:
        UsageError: E125.
    """
    said = [name for name, value in given.items() if value]
    if resume is None:
        if "SPEC" not in said:
            raise _unusable("there is nothing to train", "give a SPEC, or --resume DIR")
        if "--data" not in said:
            raise _unusable("there are no images to learn from", "give --data coco:DIR or shapes")
        if "-o" not in said:
            raise _unusable("there is no folder for the run", "give -o runs/NAME")
        return
    if said:
        message = (
            f"'--resume' goes on with what the run began with; '{said[0]}' says something else"
        )
        raise _unusable(message, "leave it out, or begin a new run with --weights")


def _unusable(message: str, hint: str) -> UsageError:
    return UsageError(Diagnostic("E125", message, None, hint))


def _settings(
    recipe: str,
    path: Path | None,
    chosen: Sequence[str] | None,
    numbers: Mapping[str, float | None],
) -> TrainSettings:
    """Those of the recipe, under those of the file, under those of the command line."""
    from archgraph.spec import ArgumentValue
    from archgraph.train.fit import make_settings, read_settings
    from archgraph.train.fit import recipe as settings_of

    settings = settings_of(recipe or "efficientdet")
    if path is not None:
        settings = read_settings(path, settings)
    given: dict[str, ArgumentValue] = {
        name: ArgumentValue(value) for name, value in numbers.items() if value is not None
    }
    return make_settings({**given, **parse_settings(chosen, "--with")}, settings)


def _tell(outcome: Outcome, folder: Path, device: str) -> None:
    """How it ended; in the first process."""
    from archgraph.train.fit.watch import duration

    if is_later_process():
        raise typer.Exit(130 if outcome.interrupted else 0)
    if outcome.interrupted:
        where = "" if device == "cpu" else f" --device {shlex.quote(device)}"
        note(f"interrupted after step {outcome.steps:,}; go on with")
        note(f"  archgraph train --resume {shlex.quote(str(folder))}{where}")
        raise typer.Exit(130)
    write(f"{outcome.steps:,} steps in {duration(outcome.seconds)}\n")
    if outcome.best is not None:
        ap, step = outcome.best
        write(f"best AP {ap:.3f} at step {step:,}\n")
    write(f"the run is in {folder}\n")
