"""Processes that train one model together, as torchrun starts them: each has a share of a batch.

Every process embeds its share, gathers the rows of the others and works out the loss of the whole
batch; gradients are summed. So all make the same step, and only the first one writes and speaks.
torchrun ends all when one has failed.
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

if TYPE_CHECKING:  # the command line asks for the rank and must answer at once
    import torch

# Others wait while the first process embeds, or runs the stages before.
_PATIENCE = datetime.timedelta(days=7)
_BUCKET_ELEMENTS = 2**24

GRACE_S = 10.0
"""What a process waits before it tells of a failure that may be another's to tell: by then torchrun
has ended it."""


def shares(count: int, parts: int) -> list[slice]:
    """Contiguous shares of n rows, in order; they differ by one row at most, and may be empty."""
    edges = [count * part // parts for part in range(parts + 1)]
    return [slice(start, end) for start, end in itertools.pairwise(edges)]


@dataclass(frozen=True, kw_only=True)
class Processes:
    """One process, which has nobody to wait for."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    def gather(self, rows: torch.Tensor, total: int) -> torch.Tensor:
        """Rows `[..., n, d]` of a batch of n, in its order, of this process's share of them.

        Its own rows keep their graph; those of the others are constants.
        """
        return rows

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Put the sum over all processes in the place of each gradient."""

    def broadcast(self, value: Any) -> Any:
        """The first process's value; what the others give does not matter."""
        return value

    def wait(self) -> None:
        """Wait until all have come here."""

    def call(self, work: Any) -> None:
        """Call the others to some work; only the first process does."""
        self.broadcast(work)

    def calls(self) -> Iterator[Any]:
        """Yield what the first process calls the others to, until it has nothing more."""
        while (work := self.broadcast(None)) is not None:
            yield work


class ProcessGroup(Processes):
    """Several processes that torch.distributed has joined.

    Raises `DeviceError` where another one has ended or cannot be reached.
    """

    def gather(self, rows: torch.Tensor, total: int) -> torch.Tensor:
        """Gather shares, which may differ by one row."""
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
        """Sum gradients, many small ones at a time."""
        import torch

        for bucket in _buckets([item.grad for item in parameters if item.grad is not None]):
            flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
            with _reaching_all():
                torch.distributed.all_reduce(flat)
            sums = torch.split(flat, [gradient.numel() for gradient in bucket])
            for gradient, summed in zip(bucket, sums, strict=True):
                gradient.copy_(summed.view_as(gradient))

    def broadcast(self, value: Any) -> Any:
        """Send the value, whatever can be pickled, through main memory."""
        import torch

        values = [value]
        with _reaching_all():
            torch.distributed.broadcast_object_list(values, device=torch.device("cpu"))
        return values[0]

    def wait(self) -> None:
        """Wait, which costs no time on a GPU."""
        import torch

        with _reaching_all():
            torch.distributed.all_reduce(torch.zeros(1))


def launched() -> Processes:
    """Which process of how many this is, as torchrun has left it; without torchrun the only one."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Processes()
    return Processes(rank=int(os.environ["RANK"]), count=int(os.environ["WORLD_SIZE"]))


def joined() -> Processes:
    """The processes that have joined this one, for whoever needs all of them."""
    import torch

    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return Processes()
    return ProcessGroup(rank=distributed.get_rank(), count=distributed.get_world_size())


@contextmanager
def join(device: Device | None) -> Iterator[Processes]:
    """Join all processes that torchrun has started, each with a device of its own.

    With None nothing is computed together, and this process stays alone.

    Raises:
        DeviceError: CUDA was asked for and is not there, or there are more processes than GPUs.
    """
    if device is None or launched().count == 1:
        yield Processes()
        return
    import torch

    torch.distributed.init_process_group(_backend(device), timeout=_PATIENCE)
    group = joined()
    yield group
    # An error does not come here: the others may wait for what will not come, and torchrun ends
    # them.
    if group.first:
        group.broadcast(None)
    torch.distributed.destroy_process_group()


def leave(code: int) -> NoReturn:
    """End this process; where there are several, without taking Python down first.

    A thread of gloo lets go of the tensors of the last exchange when it gets to it. Is Python on
    its way out by then, the thread cannot have its lock, and takes the process down: about one run
    in five on three processes, with all work done. Leaving a group does not end its threads.
    """
    if launched().count == 1:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _backend(device: Device) -> str:
    """Name what carries tensors; on GPUs, make this process's own the current one."""
    import torch

    from nsfwcaps.runtime.device import torch_device

    if torch_device(device) == "cpu":
        return "cpu:gloo"
    number, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if number >= gpus:
        raise DeviceError(
            f"torchrun started more processes than this machine has GPUs ({gpus}); give "
            f"--nproc-per-node {gpus}, or --device cpu"
        )
    torch.cuda.set_device(number)
    return "cpu:gloo,cuda:nccl"


@contextmanager
def _reaching_all() -> Iterator[None]:
    """Say of a failed exchange that another process is gone; it has said why."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        time.sleep(GRACE_S)
        raise DeviceError(
            "another process that trains along has ended or cannot be reached; run the same "
            "command again: training goes on from the last checkpoint"
        ) from error


def _buckets(gradients: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Gradients in order, some together: an exchange costs its time however little it carries."""
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
