"""Runs a function in several processes that know of one another, as torchrun would start them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from archgraph.errors import ArchgraphError
from archgraph.train.fit.processes import process_group
from tests.train.fit.scenario import PRELOAD

LONGEST = 120  # seconds, after which they wait for each other forever


def in_group(work: Callable[..., Any], *arguments: Any, count: int = 2, folder: Path) -> list[Any]:
    """What the function returns in every process, or the diagnostics that it raises, or None."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOAD, "tests.train.fit.group"])
    processes = [
        context.Process(target=_one, args=(rank, count, port, folder, work, arguments))
        for rank in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(LONGEST)
        if process.is_alive():
            for each in processes:
                each.kill()
            raise AssertionError("the processes wait for each other")
    answers = [folder / f"answer-{rank}" for rank in range(count)]
    return [pickle.loads(each.read_bytes()) if each.exists() else None for each in answers]


def _one(
    rank: int, count: int, port: int, folder: Path, work: Callable[..., Any], given: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    multiprocessing.set_start_method("fork", force=True)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    answer: Any
    try:
        with process_group():
            answer = work(*given)
    except ArchgraphError as error:
        answer = [(each.code, each.message) for each in error.diagnostics]
    (folder / f"answer-{rank}").write_bytes(pickle.dumps(answer))
