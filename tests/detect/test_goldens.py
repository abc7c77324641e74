"""The numbers that efficientdet-pytorch 0.4.1 gives for a small image: anchors to detections."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from archgraph.detect import (
    BACKGROUND,
    Anchors,
    LossSettings,
    PostprocessSettings,
    Targets,
    detection_loss,
    flat,
    match,
    postprocess,
)
from archgraph.detect.boxes import xyxy_from_yxyx

SIZES = (16, 8, 4, 2, 1)
CLASSES = 90


@pytest.fixture(scope="module")
def anchors() -> Tensor:
    return Anchors().xyxy(128, 128)


@pytest.fixture(scope="module")
def maps() -> tuple[Tensor, Tensor]:
    classes = [_map(100 + i, CLASSES * 9, size, 0.5) - 4 for i, size in enumerate(SIZES)]
    boxes = [_map(200 + i, 36, size, 0.1) for i, size in enumerate(SIZES)]
    return flat(classes, CLASSES), flat(boxes, 4)


def _map(seed: int, channels: int, size: int, factor: float) -> Tensor:
    drawn = np.random.RandomState(seed).standard_normal((2, channels, size, size))
    return torch.from_numpy(factor * drawn).float()


@pytest.fixture(scope="module")
def targets(anchors: Tensor) -> list[Targets]:
    objects: list[tuple[list[list[float]], list[int]]] = [
        ([[10, 20, 60, 90], [30.5, 40.25, 100, 120]], [0, 16]),
        ([[5, 5, 20, 20]], [89]),
    ]
    return [
        match(anchors, xyxy_from_yxyx(torch.tensor(boxes)), torch.tensor(classes))
        for boxes, classes in objects
    ]


# --- anchors ---------------------------------------------------------------------------------


def test_anchors(anchors: Tensor) -> None:
    assert anchors.shape == (3069, 4)
    assert anchors.double().sum().item() == pytest.approx(785664.001346, abs=1e-4)
    assert anchors.double().abs().sum().item() == pytest.approx(864204.553116, abs=1e-4)


def test_first_and_last_anchors() -> None:
    found = xyxy_from_yxyx(Anchors().xyxy(512, 512))
    expected = [
        [-12, -12, 20, 20],
        [-7.2, -18.4, 15.2, 26.4],
        [-18.4, -7.2, 26.4, 15.2],
        [-16.1587, -16.1587, 24.1587, 24.1587],
        [-10.1111, -24.2222, 18.1111, 32.2222],
    ]
    torch.testing.assert_close(found[:5], torch.tensor(expected), atol=1e-4, rtol=0)
    last = torch.tensor([-120.9245, 163.5377, 1016.9246, 732.4623])
    torch.testing.assert_close(found[-1], last, atol=1e-4, rtol=0)
    larger = xyxy_from_yxyx(Anchors(scale=5.0).xyxy(1536, 1536))
    torch.testing.assert_close(larger[0], torch.tensor([-16.0, -16.0, 24.0, 24.0]))


@pytest.mark.parametrize(
    ("size", "top", "count"),
    [
        (512, 7, 49_104),
        (640, 7, 76_725),
        (768, 7, 110_484),
        (1536, 7, 441_936),
        (1536, 8, 442_260),
        (320, 7, 19_206),
        (448, 7, 37_629),
    ],
)
def test_how_many_anchors(size: int, top: int, count: int) -> None:
    assert len(Anchors(levels=tuple(range(3, top + 1))).xyxy(size, size)) == count


# --- targets and loss ------------------------------------------------------------------------


def test_targets(targets: list[Targets]) -> None:
    assert [int(each.positives) for each in targets] == [57, 1]
    ends = np.cumsum([9 * size * size for size in SIZES])
    for each, expected in zip(targets, [[23, 34, 0, 0, 0], [1, 0, 0, 0, 0]], strict=True):
        parts = np.split((each.matched != BACKGROUND).numpy(), ends[:-1])
        assert [int(part.sum()) for part in parts] == expected


@pytest.mark.parametrize(
    ("image", "anchor", "kind", "deltas"),
    [
        (0, (3 * 16 + 5) * 9 + 6, 0, [0.137804, 0.216549, -0.015811, 0.320661]),
        (0, 2304 + (3 * 8 + 4) * 9, 16, [0.144531, 0.126953, 0.082444, 0.220014]),
        (1, 1 * 9 + 2, 89, [0.189732, 0.022321, -1.094158, -0.401011]),
    ],
)
def test_some_targets(
    targets: list[Targets], image: int, anchor: int, kind: int, deltas: list[float]
) -> None:
    found = targets[image]
    assert int(found.classes[anchor]) == kind
    torch.testing.assert_close(found.deltas_yxhw[anchor], torch.tensor(deltas), atol=2e-6, rtol=0)


@pytest.mark.parametrize(
    ("smoothing", "total", "classes"), [(0.0, 2.264558, 1.602502), (0.1, 6.227462, 5.565406)]
)
def test_loss(
    maps: tuple[Tensor, Tensor],
    targets: list[Targets],
    anchors: Tensor,
    smoothing: float,
    total: float,
    classes: float,
) -> None:
    settings = LossSettings(label_smoothing=smoothing)
    found = detection_loss(*maps, targets, anchors, settings)
    assert found.total.item() == pytest.approx(total, abs=2e-5)
    assert found.classes.item() == pytest.approx(classes, abs=2e-5)
    assert found.boxes.item() == pytest.approx(0.01324111, abs=1e-7)


# --- detections ------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "total"), [("hard", 31467.0008), ("gaussian", 31191.8224)])
def test_detections(
    maps: tuple[Tensor, Tensor], anchors: Tensor, method: str, total: float
) -> None:
    settings = PostprocessSettings(method=method)  # type: ignore[arg-type]
    found = postprocess(*maps, anchors, settings, [(128, 128)] * 2, [1.0, 1.0])[0]
    assert len(found.scores) == 100
    # The reference counts classes from 1.
    numbers = found.boxes_xyxy.sum() + found.scores.sum() + (found.classes + 1).sum()
    assert numbers.item() == pytest.approx(total, abs=2e-2)
    if method == "hard":
        rows = torch.cat(
            [found.boxes_xyxy, found.scores[:, None], found.classes[:, None] + 1.0], dim=1
        )
        expected = [
            [89.1637, 0, 128, 102.2400, 0.1579, 11],
            [0, 15.0650, 32.6936, 50.2670, 0.1486, 78],
            [0, 31.4588, 28.1810, 90.7636, 0.1403, 65],
            [69.0973, 37.1088, 107.6311, 109.7024, 0.1395, 88],
        ]
        torch.testing.assert_close(rows[:4], torch.tensor(expected), atol=1e-4, rtol=0)
