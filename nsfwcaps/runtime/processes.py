"""Data-parallel training by processes that torchrun starts, each with a share of every batch.

Every process embeds its share, gathers the rows of the others and computes the loss of the full
batch; gradients are summed. All processes thus make the same step. Only the first one writes files
and prints. torchrun ends all of them when one fails.
"""

from __future__ import annotations

import datetime
import itertools
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from nsfwcaps.enums import Device
from nsfwcaps.errors import DeviceError

if TYPE_CHECKING:  # the command line reads the rank, and its help must be fast
    import torch

# The others wait while the first process embeds or runs earlier stages.
_PATIENCE = datetime.timedelta(days=7)
_BUCKET_ELEMENTS = 2**24

GRACE_S = 10.0
"""Delay before a process reports a failure that another may have caused and reported. By then
torchrun has ended it."""


def shares(count: int, parts: int) -> list[slice]:
    """Contiguous shares of n rows, in order. Sizes differ by at most one; a share may be empty."""
    edges = [count * part // parts for part in range(parts + 1)]
    return [slice(start, end) for start, end in itertools.pairwise(edges)]


@dataclass(frozen=True, kw_only=True)
class Processes:
    """A single process: every collective operation is trivial."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def gather(self, rows: torch.Tensor, total: int) -> torch.Tensor:
        """Gather rows `[..., n, d]` of a batch of n, in order, from this process's share `rows`.

        Its own rows keep their autograd graph; those of the others are constants.
        """
        return rows

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes."""

    def broadcast(self, value: Any) -> Any:
        """The first process's value; the arguments of the others are ignored."""
        return value

    def wait(self) -> None:
        """Wait until all processes reach this call."""

    def call(self, work: Any) -> None:
        """Send a work item to the other processes; only the first process calls this."""
        self.broadcast(work)

    def calls(self) -> Iterator[Any]:
        """Yield the work items that the first process sends, until it is done."""
        while (work := self.broadcast(None)) is not None:
            yield work


class ProcessGroup(Processes):
    """Several processes joined by torch.distributed.

    Methods raise `DeviceError` if another process has ended or is unreachable.
    """

    def gather(self, rows: torch.Tensor, total: int) -> torch.Tensor:
        """Gather shares, whose sizes may differ by one row."""
        import torch
        from torch.nn.functional import pad

        sizes = [share.stop - share.start for share in shares(total, self.count)]
        own = pad(rows.detach(), (0, 0, 0, max(sizes) - rows.shape[-2])).contiguous()
        found = [torch.empty_like(own) for _ in sizes]
        with _reaching_all():
            torch.distributed.all_gather(found, own)
        parts = [part[..., :size, :] for part, size in zip(found, sizes, strict=True)]
        parts[self.rank] = rows
        return torch.cat(parts, dim=-2)

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Sum gradients, batching small ones."""
        import torch

        for bucket in _buckets([item.grad for item in parameters if item.grad is not None]):
            flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
            with _reaching_all():
                torch.distributed.all_reduce(flat)
            sums = torch.split(flat, [gradient.numel() for gradient in bucket])
            for gradient, summed in zip(bucket, sums, strict=True):
                gradient.copy_(summed.view_as(gradient))

    def broadcast(self, value: Any) -> Any:
        """Send any picklable value through main memory."""
        import torch

        values = [value]
        with _reaching_all():
            torch.distributed.broadcast_object_list(values, device=torch.device("cpu"))
        return values[0]

    def wait(self) -> None:
        """Wait on the CPU, without occupying a GPU."""
        import torch

        with _reaching_all():
            torch.distributed.all_reduce(torch.zeros(1))


def launched() -> Processes:
    """Rank and count from torchrun's environment; a single process without torchrun."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Processes()
    return Processes(rank=int(os.environ["RANK"]), count=int(os.environ["WORLD_SIZE"]))


def joined() -> Processes:
    """The current process group; a single process outside of `join`."""
    import torch

    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return Processes()
    return ProcessGroup(rank=distributed.get_rank(), count=distributed.get_world_size())


@contextmanager
def join(device: Device | None) -> Iterator[Processes]:
    """Join all processes that torchrun started, each with its own device.

    With `device` None, no stage is distributed and this process runs alone.

    Raises:
        DeviceError: CUDA was requested but is not available, or there are fewer GPUs than
            processes.
    """
    if device is None or launched().count == 1:
        yield Processes()
        return
    import torch

    torch.distributed.init_process_group(_backend(device), timeout=_PATIENCE)
    group = joined()
    yield group
    # Not in a `finally`: after an error the others may be waiting for a call that never comes.
    # torchrun ends them.
    if group.first:
        group.broadcast(None)
    torch.distributed.destroy_process_group()


def leave(code: int) -> NoReturn:
    """End this process; with several, skip Python's finalisation.

    A gloo thread releases the tensors of the last exchange with a delay. If Python is already
    finalising, the thread cannot take the GIL and crashes the process, although all work is done:
    about one run in five with three processes. Destroying the group does not end its threads.
    """
    if launched().count == 1:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _backend(device: Device) -> str:
    """Communication backend; on GPUs, also selects this process's GPU."""
    import torch

    from nsfwcaps.runtime.device import torch_device

    if torch_device(device) == "cpu":
        return "cpu:gloo"
    number, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if number >= gpus:
        raise DeviceError(
            f"torchrun started more processes than this machine has GPUs ({gpus}); use "
            f"--nproc-per-node {gpus}, or --device cpu"
        )
    torch.cuda.set_device(number)
    return "cpu:gloo,cuda:nccl"


@contextmanager
def _reaching_all() -> Iterator[None]:
    """Turn a failed exchange into an error; the process that caused it reports the reason."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        time.sleep(GRACE_S)
        raise DeviceError(
            "another training process has ended or is unreachable; rerun the same command to "
            "resume from the last checkpoint"
        ) from error


def _buckets(gradients: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Group gradients, in order, because every exchange has a fixed cost."""
    bucket: list[torch.Tensor] = []
    elements = 0
    for gradient in gradients:
        if bucket and elements + gradient.numel() > _BUCKET_ELEMENTS:
            yield bucket
            bucket, elements = [], 0
        bucket.append(gradient)
        elements += gradient.numel()
    if bucket:
        yield bucket
