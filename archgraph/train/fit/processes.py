"""Several processes that train one network: their group, sums over it, and norms that share.

`torchrun` starts them; each reads which one it is from the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep
from typing import Any, TypeVar

import torch
import torch.distributed as distributed
from torch import Tensor, nn
from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous
from torch.nn.modules.batchnorm import _BatchNorm

from archgraph.errors import ArchgraphError, DataError, Diagnostic
from archgraph.train.detector import check_device
from archgraph.train.evaluate import Place, place

T = TypeVar("T")
# How long a process waits for the others: rank 0 may evaluate, or write to a slow disk.
PATIENCE = timedelta(minutes=30)
# How long it knocks where nobody may be.
KNOCKING = timedelta(seconds=5)
PORT = "archgraph/port"
# Seconds.
LETTING_GO = 0.5
LOST = "E559"
HINT = "the first message of the one that ended says why; go on with --resume"


def restarts() -> int:
    """How often torchrun has started this group again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


@contextmanager
def process_group(*, gpus: bool = False) -> Iterator[Place]:
    """The group of processes that torchrun started, and which of them this is; alone if it did not.

    Args:
        gpus: tensors of GPUs are to pass between them.

    Raises:
        DataError: E559, another of these processes cannot be reached, or ended.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1 or distributed.is_initialized():
        yield place()
        return
    gpus = gpus and distributed.is_nccl_available()
    # What is no tensor of a GPU does not have to pass through one.
    backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
    done = False
    try:
        store, rank, world = next(iter(rendezvous("env://", timeout=PATIENCE)))
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
            store = _own_store(store, rank, world)
        distributed.init_process_group(
            backend, store=store, rank=rank, world_size=world, timeout=PATIENCE
        )
        yield place()
        # Without it a process that is done may take the connections of others with it.
        distributed.barrier()
        done = True
    except RuntimeError as error:
        if not _is_about_others(error):
            raise
        said = str(error).splitlines()[0]
        message = f"processes that train together lost one another: {said}"
        raise DataError(Diagnostic(LOST, message, None, HINT)) from None
    finally:
        # Threads of gloo may still hold tensors of the last words. They need Python's lock to let
        # go of them, and what ends a group waits for its threads without giving the lock away.
        sleep(LETTING_GO)
        # NCCL waits for what the others are at, and they wait for this one; its end frees them.
        if distributed.is_initialized() and (done or not gpus):
            distributed.destroy_process_group()


def _own_store(common: Store, rank: int, world: int) -> Store:
    """A store of this start alone.

    That of torchrun keeps the addresses of processes of earlier starts, which new ones would try
    to reach; and machines may differ in how many starts they have counted. The first process
    opens one, and whoever reads its port from before finds nobody there and reads again.
    """
    host = os.environ["MASTER_ADDR"]
    if rank == 0:
        own = TCPStore(host, 0, world, is_master=True, timeout=PATIENCE, wait_for_workers=False)
        common.set(PORT, str(own.port))
        return own
    end = monotonic() + PATIENCE.total_seconds()
    while True:
        try:
            return TCPStore(host, int(common.get(PORT)), world, is_master=False, timeout=KNOCKING)
        except RuntimeError:
            if monotonic() > end:
                raise


def _is_about_others(error: RuntimeError) -> bool:
    """Whether torch says that another process does not answer; gloo has no exception of its own."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error)


def own_device(name: str) -> torch.device:
    """The device of this process: of several on a machine each has a GPU of its own.

    A GPU becomes the one that torch means where none is named.

    Raises:
        DataError: E541, torch cannot use such a device here, or several processes would share it.
    """
    if name.startswith("cuda:") and int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > 1:
        message = f"several processes of this machine cannot share '{name}'"
        raise DataError(
            Diagnostic("E541", message, None, "write --device cuda: each takes its own")
        )
    device = check_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if name == "cuda" else name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def summed(tensor: Tensor) -> Tensor:
    """The sum over all processes; without gradient."""
    if place().count > 1:
        tensor = tensor.clone()
        distributed.all_reduce(tensor)
    return tensor


def in_any(value: bool) -> bool:
    """Whether it is so in one of the processes at least."""
    return bool(summed(torch.tensor(value, dtype=torch.int64)))


def told(value: T) -> T:
    """What the first process says, in all of them."""
    if place().count == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values)
    return values[0]


def gathered(value: T) -> list[T]:
    """What every process says, in all of them; by their numbers."""
    count = place().count
    if count == 1:
        return [value]
    values: list[Any] = [None] * count
    distributed.all_gather_object(values, value)
    return values


@contextmanager
def together() -> Iterator[None]:
    """What one process cannot do ends all of them, with the error of the first that has one.

    All of them have to come by here. Without it the others would wait for one that is gone.
    """
    own: ArchgraphError | None = None
    try:
        yield
    except ArchgraphError as error:
        own = error
    if in_any(own is not None):
        raise next(each for each in gathered(own) if each is not None)


def share_statistics(network: nn.Module) -> None:
    """Let all processes have what the norms of the first one have seen."""
    if place().count > 1:
        for buffer in network.buffers():
            distributed.broadcast(buffer, 0)


def with_shared_norms(network: nn.Module) -> nn.Module:
    """Let the batch norms of a network take their statistics of all processes together."""
    if place().count == 1:
        return network
    if any(each.is_cuda for each in network.parameters()):
        whole: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return whole
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.BatchNorm2d:
                setattr(module, name, SharedBatchNorm.like(child))
    return network


def _shared_sum(tensor: Tensor) -> Tensor:
    """The sum over all processes, with gradient."""
    found: Tensor = _Summed.apply(tensor)  # type: ignore[no-untyped-call]
    return found


class _Summed(torch.autograd.Function):
    """The sum over all processes; the gradient of it is theirs together too."""

    @staticmethod
    def forward(_: Any, tensor: Tensor) -> Tensor:
        return summed(tensor)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return summed(gradient)


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the images of all processes, where torch's own knows GPUs only."""

    @classmethod
    def like(cls, norm: _BatchNorm) -> SharedBatchNorm:
        """With the parameters and statistics of another one."""
        made = cls(norm.num_features, norm.eps, norm.momentum, norm.affine)
        made.weight, made.bias = norm.weight, norm.bias
        made.running_mean, made.running_var = norm.running_mean, norm.running_var
        made.num_batches_tracked = norm.num_batches_tracked
        made.train(norm.training)
        return made

    def forward(self, input: Tensor) -> Tensor:
        """As torch's; shape (B, C, H, W)."""
        if not self.training:
            return super().forward(input)
        axes = (0, 2, 3)
        wide = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        sizes = wide.new_tensor([wide.numel() / wide.shape[1]])
        count = summed(sizes)
        mean = _shared_sum(wide.sum(axes)) / count
        apart = wide - mean[:, None, None]
        variance = _shared_sum(apart.square().sum(axes)) / count
        self._remember(mean.detach(), variance.detach(), count)
        scale = self.weight * (variance + self.eps).rsqrt()
        whole = apart * scale[:, None, None] + self.bias[:, None, None]
        normalized: Tensor = whole.to(input.dtype)
        return normalized

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        unbiased = variance * count / (count - 1).clamp(min=1)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
