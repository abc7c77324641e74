"""Detections of several processes brought together, so that each has all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch.distributed as distributed

from archgraph.errors import ArchgraphError, Diagnostic
from archgraph.train.evaluate.detected import Detected


@dataclass(frozen=True)
class Share:
    """What one process has done.

    Attributes:
        found: detections by the id of the image.
        skipped: why images were left out, by their ids.
        error: what made it stop.
    """

    found: Mapping[int, Detected]
    skipped: Mapping[int, Diagnostic] = field(default_factory=dict)
    error: ArchgraphError | None = None


@dataclass(frozen=True)
class Place:
    """Which process of how many this is."""

    rank: int = 0
    count: int = 1


def place() -> Place:
    """Where this process stands in torch's group of processes; alone if there is none."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Place()
    return Place(distributed.get_rank(), distributed.get_world_size())


def gather(share: Share) -> Share:
    """What all processes have done; every one of them has to call this.

    Images that several processes have looked at, as samplers that pad do, count once.

    Raises:
        ArchgraphError: the first that a process stopped with, in every process.
    """
    shares: Sequence[Share | None] = [share]
    count = place().count
    if count > 1:
        shares = [None] * count
        distributed.all_gather_object(shares, share)
    found: dict[int, Detected] = {}
    skipped: dict[int, Diagnostic] = {}
    # From the last to the first, so that of equal images those of the first process stay.
    for one in reversed([one for one in shares if one is not None]):
        if one.error is not None:
            raise one.error
        found |= one.found
        skipped |= one.skipped
    return Share(dict(sorted(found.items())), dict(sorted(skipped.items())))
