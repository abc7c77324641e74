"""How a detector is trained: one object, from the command line, from YAML or from Python."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from archgraph.detect import LossSettings
from archgraph.errors import DataError, Diagnostic, InputOutputError, Location, suggest
from archgraph.spec import ArgumentValue
from archgraph.spec.reader import read_documents
from archgraph.train.fit.optimizer import Kind as OptimizerKind
from archgraph.train.fit.schedule import Kind as ScheduleKind
from archgraph.train.samples.resize import Way

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
FromZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Steps = Literal["reference", "strong", "flip", "none"]


@dataclass(frozen=True)
class TrainSettings:
    """All that a training depends on besides the spec, its weights and the data.

    The defaults are those of google/automl for EfficientDet; `RECIPES` has others.

    Attributes:
        recipe: which of `RECIPES` these began as; only a note.
        epochs: how many times every image is seen; may be a fraction.
        batch_size: images of a step, of all processes and of all its parts together.
        accumulate: in how many parts a process goes over its images of a step.
        time_limit: minutes after which training ends; the learning rate then follows the time,
            so that it has fallen when the time is over. 0 for none.
        optimizer: `sgd` or `adamw`.
        lr: the highest learning rate, for a batch of `lr_batch` images; it grows with the batch.
        lr_batch: 0 for a rate that does not depend on the batch.
        momentum: of SGD; the first of Adam's two.
        weight_decay: of kernels alone.
        clip_each: the longest gradient of one parameter; 0 for any.
        clip_norm: the longest gradient of all together; 0 for any.
        schedule: of the learning rate, see `Schedule`.
        warmup: epochs over which the rate rises.
        warmup_lr: where it starts; not scaled with the batch.
        final_lr: where it ends, of schedules that have such an end.
        cooldown: further epochs at the final rate, of `timm-cosine`.
        ema: how much of the moving average of weights stays at a step; 0 for no average.
        ema_warmup: less of it stays in the first steps.
        sync_norm: processes share the statistics of their norms.
        freeze: names of modules that are not trained; `*` and `?` are wild.
        alpha, gamma, label_smoothing, delta, box_weight, overlap, overlap_weight: of the loss, see
            `LossSettings`; `overlap` is `none` or a kind of it.
        match_threshold: the overlap that makes an anchor answer for an object.
        image_size: height and width of what the detector sees, both this; 0 for what its spec says.
        augment: `reference` is flip and scale jitter; `strong` adds mosaic, colour and mixup.
        jitter: the smallest and the largest scale of `reference`.
        resize: a way to resize, see `fit_pixels`.
        most_objects: of an image, the first so many are learned from.
        bad: `refuse` ends the training at an image that cannot be read, `replace` takes another.
        eval_every: epochs from one evaluation to the next.
        precision: `float32`, `bfloat16` or `float16`; losses are float32 in any case.
        channels_last: the order of tensors in memory that many GPUs, and CPUs, like better.
        compile: repeated blocks are compiled by torch.
        checkpoint: repeated blocks are computed twice, which saves memory.
        deterministic: same numbers on a GPU every time, where torch can.
        workers: processes that read images, for each process that trains.
        seed: of weights, of the order of images, of augmentations and of what drops out.
        save_minutes: how much work a crash may cost; the end of an epoch is always saved.
        log_steps: how many steps a line of `metrics.jsonl` is about.
    """

    recipe: str = "efficientdet"
    epochs: Positive = 300.0
    batch_size: Count = 64
    accumulate: Count = 1
    time_limit: FromZero = 0.0
    optimizer: OptimizerKind = "sgd"
    lr: Positive = 0.08
    lr_batch: Annotated[int, Field(ge=0)] = 64
    momentum: Share = 0.9
    weight_decay: FromZero = 4e-5
    clip_each: FromZero = 10.0
    clip_norm: FromZero = 10.0
    schedule: ScheduleKind = "automl-cosine"
    warmup: FromZero = 1.0
    warmup_lr: FromZero = 0.008
    final_lr: FromZero = 0.0
    cooldown: Annotated[int, Field(ge=0)] = 0
    ema: Share = 0.9998
    ema_warmup: bool = True
    sync_norm: bool = True
    freeze: tuple[str, ...] = ()
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.25
    gamma: FromZero = 1.5
    label_smoothing: Share = 0.0
    delta: Positive = 0.1
    box_weight: FromZero = 50.0
    overlap: Literal["none", "iou", "giou", "diou", "ciou"] = "none"
    overlap_weight: FromZero = 1.0
    match_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    image_size: Annotated[int, Field(ge=0, le=1 << 14)] = 0
    augment: Steps = "reference"
    jitter: tuple[Positive, Positive] = (0.1, 2.0)
    resize: Way = "torch"
    most_objects: Count = 100
    bad: Literal["refuse", "replace"] = "refuse"
    eval_every: Positive = 1.0
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    channels_last: bool = False
    compile: bool = False
    checkpoint: bool = False
    deterministic: bool = False
    workers: Annotated[int, Field(ge=0, le=256)] = 2
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    save_minutes: Positive = 10.0
    log_steps: Count = 50

    @property
    def loss(self) -> LossSettings:
        """What the loss takes of these."""
        return LossSettings(
            self.alpha,
            self.gamma,
            self.label_smoothing,
            self.delta,
            self.box_weight,
            None if self.overlap == "none" else self.overlap,
            self.overlap_weight,
        )

    @property
    def peak_lr(self) -> float:
        """The highest learning rate for this batch size."""
        return self.lr * self.batch_size / self.lr_batch if self.lr_batch else self.lr

    def as_yaml(self) -> str:
        """One line for each setting, as `read_settings` reads them."""
        return "".join(f"{key}: {json.dumps(value)}\n" for key, value in asdict(self).items())


NAMES = tuple(each.name for each in fields(TrainSettings))
_EXPECTED: Mapping[str, str] = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "too_long": "a shorter list",
    "missing": "a longer list",
}


def make_settings(
    given: Mapping[str, ArgumentValue], start: TrainSettings | None = None
) -> TrainSettings:
    """Settings with some of them changed.

    Args:
        given: by name, with their places.
        start: the others; the defaults if not given.

    Raises:
        DataError: E550, every name or value that means nothing.
    """
    found = list(_unknown(given))
    values = asdict(start or TrainSettings())
    for key, each in given.items():
        if key in NAMES:
            # Lists of YAML are tuples here.
            value = tuple(each.value) if isinstance(each.value, list) else each.value
            try:
                values[key] = _adapters()[key].validate_python(value, strict=True)
            except ValidationError as error:
                found.append(_mistake(error, key, each))
    if not found:
        found += _together(values, given)
    if found:
        raise DataError(found)
    return TrainSettings(**values)


def checked(settings: TrainSettings) -> TrainSettings:
    """Settings that were made in Python. Raises what `make_settings` raises."""
    return make_settings({key: ArgumentValue(value) for key, value in asdict(settings).items()})


def read_settings(path: Path, start: TrainSettings | None = None) -> TrainSettings:
    """Settings of a YAML file, over others.

    Raises:
        InputOutputError: E001, it cannot be read.
        SpecError: it is no YAML.
        DataError: E550, see `make_settings`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"cannot read '{path}': {error.strerror or error}"
        raise InputOutputError(Diagnostic("E001", message)) from None
    raw = read_documents(content, str(path))[0]
    given = {key: ArgumentValue(raw.data[key], raw.place.at(key).location) for key in raw.data}
    return make_settings(given, start)


def _unknown(given: Mapping[str, ArgumentValue]) -> Iterator[Diagnostic]:
    for key in given:
        if key not in NAMES:
            hint = suggest(key, NAMES, "settings")
            place = _place_of_key(key, given[key].location)
            yield Diagnostic("E550", f"there is no setting '{key}'", place, hint)


def _place_of_key(key: str, value: Location | None) -> Location | None:
    """Where the key of a value stands, if it is on the line of the value."""
    if value is None or (start := value.text.rfind(key, 0, value.column - 1)) < 0:
        return value
    return value.narrowed(start + 1 - value.column, len(key))


def _together(
    values: Mapping[str, Any], given: Mapping[str, ArgumentValue]
) -> Iterator[Diagnostic]:
    """What is wrong with settings that are right one by one."""

    def place(key: str) -> Location | None:
        return given[key].location if key in given else None

    if values["jitter"][0] > values["jitter"][1]:
        message = "the smallest scale of 'jitter' is larger than the largest"
        yield Diagnostic("E550", message, place("jitter"), "write [SMALLEST, LARGEST]")
    if values["compile"] and values["checkpoint"]:
        # Torch may take other code for the second time than for the first.
        message = "'compile' and 'checkpoint' exclude each other"
        yield Diagnostic("E550", message, place("checkpoint"), "set one of them to false")


def _mistake(error: ValidationError, key: str, given: ArgumentValue) -> Diagnostic:
    first = error.errors(include_url=False)[0]
    wanted = _EXPECTED.get(first["type"], first["msg"].replace("Input should be ", ""))
    said = json.dumps(given.value, default=str)
    return Diagnostic("E550", f"'{key}' is {said}; expected {wanted}", given.location)


@cache
def _adapters() -> Mapping[str, TypeAdapter[Any]]:
    """What checks a value, for each setting."""
    hints = get_type_hints(TrainSettings, include_extras=True)
    return {name: TypeAdapter(hints[name]) for name in NAMES}
