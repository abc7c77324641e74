"""Settings that others have published, by name, and ours where nobody has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from archgraph.errors import DataError, Diagnostic, suggest
from archgraph.train.fit.settings import TrainSettings


@dataclass(frozen=True)
class Recipe:
    """Settings, and where they come from."""

    settings: TrainSettings
    source: str


AUTOML = TrainSettings()
EFFDET = replace(
    AUTOML,
    recipe="effdet",
    lr=0.09,
    batch_size=64,
    clip_each=0.0,
    schedule="timm-cosine",
    warmup=5.0,
    warmup_lr=1e-4,
    final_lr=1e-5,
    cooldown=10,
    ema_warmup=False,
    resize="effdet",
)
RECIPES: Mapping[str, Recipe] = {
    "efficientdet": Recipe(
        AUTOML, "google/automl, efficientdet/hparams_config.py: how the released models came about"
    ),
    "effdet": Recipe(
        EFFDET,
        "efficientdet-pytorch, README: D0 on four cards, 310 epochs",
    ),
    "paper": Recipe(
        replace(
            AUTOML,
            recipe="paper",
            lr=0.16,
            batch_size=128,
            lr_batch=128,
            schedule="cosine",
            warmup_lr=0.0,
            clip_each=0.0,
            clip_norm=0.0,
        ),
        "Tan, Pang and Le, arXiv 1911.09070, section 5.1",
    ),
    "finetune": Recipe(
        replace(
            EFFDET,
            recipe="finetune",
            epochs=150.0,
            lr=0.008,
            warmup=3.0,
            ema=0.9966,
            ema_warmup=True,
        ),
        "efficientdet-pytorch, README: from COCO to Pascal VOC; the average starts as automl's",
    ),
    "small": Recipe(
        replace(
            AUTOML,
            recipe="small",
            epochs=30.0,
            batch_size=16,
            optimizer="adamw",
            lr=0.015,
            lr_batch=0,
            weight_decay=0.02,
            clip_each=0.0,
            schedule="cosine",
            warmup=0.5,
            warmup_lr=0.0,
            final_lr=1e-4,
            ema=0.999,
            augment="flip",
            log_steps=20,
        ),
        "ours: small networks from their initial weights, in minutes",
    ),
}


def recipe(name: str) -> TrainSettings:
    """The settings of a recipe.

    Raises:
        DataError: E551, there is no such recipe.
    """
    if name not in RECIPES:
        message = f"there is no recipe '{name}'"
        raise DataError(Diagnostic("E551", message, None, suggest(name, RECIPES, "recipes")))
    return RECIPES[name].settings
