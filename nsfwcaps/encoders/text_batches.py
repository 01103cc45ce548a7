"""Encoding of tokenised captions in batches of similar length, without waiting for the device.

    tokens [n, t] ─ sorted by length, in chunks ─▶ device ─ batches ─▶ rows on the device ─▶ host

The rows of a chunk come to the host together, while the device works on the next chunk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.encoders.batches import length_sorted
from nsfwcaps.encoders.encoder import unit_rows
from nsfwcaps.encoders.keeping import Keeper, Keeping

if TYPE_CHECKING:
    import torch

    from nsfwcaps.encoders.encoder import Vectors
    from nsfwcaps.runtime.batch_size import BatchSize

CHUNK_ON_CPU, CHUNK_ON_GPU = 65_536, 8192
"""Captions that are sorted together, and whose rows are collected on the device."""


class Tokenised(list[str]):
    """Captions `[n]` with their tokens `[n, t]` on the host and the lengths `[n]` of these."""

    def __init__(
        self,
        captions: Sequence[str],
        *,
        tokens: torch.Tensor,
        lengths: npt.NDArray[np.int64],
    ) -> None:
        super().__init__(captions)
        self.tokens, self.lengths = tokens, lengths


@dataclass(frozen=True, kw_only=True)
class TokenBatch:
    """A batch on the device."""

    ids: torch.Tensor
    """`[b, t]`, as long as the longest caption."""
    lengths: torch.Tensor
    """`[b]`"""
    padded: bool
    """Whether a caption is shorter than the longest one."""


def start_by_length(
    captions: Sequence[str],
    tokenise: Callable[[Sequence[str]], Tokenised],
    encode: Callable[[TokenBatch], torch.Tensor],
    *,
    size: BatchSize,
    device: str,
    width: int,
    advance: Callable[[int], None],
    keeper: Keeper | None = None,
) -> Callable[[], Vectors]:
    """Send captions `[n]` to the device, which may still be at work on return.

    Captions that are not tokenised yet are so in chunks, while a GPU is at work on the last one.
    The function returned waits for unit rows `[n, d]`, in the order given; any thread may call it.
    `advance` hears of captions when their batch has been sent.
    """
    keeping = Keeping(keeper)
    out, there, _ = keeping.known(len(captions), width)
    waiting: deque[tuple[Vectors, _Rows]] = deque()

    def collect(left: int) -> None:
        while len(waiting) > left:
            place, rows = waiting.popleft()
            rows.write(place)

    chunk = CHUNK_ON_CPU if device == "cpu" else CHUNK_ON_GPU
    with keeping:
        for start in range(0, len(captions), chunk):
            part = slice(start, start + chunk)
            if isinstance(captions, Tokenised):
                tokens, lengths = captions.tokens[part], captions.lengths[part]
            else:
                made = tokenise(captions[part])
                tokens, lengths = made.tokens, made.lengths
            order = np.argsort(lengths, kind="stable")
            known = _Known(places=start + order, there=there[part][order], rows=out)
            sent = _send(tokens, lengths, encode, size, device, known, keeping, advance)
            waiting.append((out[part], sent))
            collect(1)

    def rows() -> Vectors:
        collect(0)
        return out

    return rows


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Rows `[c, d]` of a chunk on their way to the host, sorted by length."""

    rows: torch.Tensor
    order: npt.NDArray[np.int64]
    arrived: Any
    """Event on the device; None if they are there."""

    def write(self, out: Vectors) -> None:
        """Wait for the rows, and put each in the place of its caption."""
        if self.arrived is not None:
            self.arrived.synchronize()
        out[self.order] = self.rows.numpy()


@dataclass(frozen=True, kw_only=True)
class _Known:
    """Rows of a chunk's captions that an earlier call has kept."""

    places: npt.NDArray[np.int64]
    """Places `[c]` of the captions, sorted by length, among all captions."""
    there: npt.NDArray[np.bool_]
    """Whether the row of each is known `[c]`."""
    rows: Vectors
    """Rows of all captions."""

    def of(self, batch: range) -> Vectors | None:
        """Return the rows of a batch of the chunk if all are known."""
        part = slice(batch.start, batch.stop)
        return self.rows[self.places[part]] if self.there[part].all() else None


def _send(
    tokens: torch.Tensor,
    lengths: npt.NDArray[np.int64],
    encode: Callable[[TokenBatch], torch.Tensor],
    size: BatchSize,
    device: str,
    known: _Known,
    keeping: Keeping,
    advance: Callable[[int], None],
) -> _Rows:
    import torch

    places, first = known.places, int(known.places.min())
    order = places - first
    ordered = lengths[order]
    ids = _to_device(tokens[torch.from_numpy(order), : int(ordered[-1])], device)
    on_device = _to_device(torch.from_numpy(ordered), device)
    shape = (len(order), known.rows.shape[1])
    rows = torch.empty(shape, dtype=torch.float32, device=device)

    def encoded(batch: range) -> torch.Tensor:
        captions, longest = slice(batch.start, batch.stop), int(ordered[batch.stop - 1])
        return encode(
            TokenBatch(
                ids=ids[captions, :longest],
                lengths=on_device[captions],
                padded=bool(ordered[batch.start] < longest),
            )
        )

    for batch in length_sorted(ordered, size):
        if (kept := known.of(batch)) is not None:
            rows[batch.start : batch.stop] = torch.from_numpy(kept).to(device)
            advance(len(batch))
            continue
        units = len(batch) * int(ordered[batch.stop - 1])
        for part, found in size.compute(batch, units, encoded):
            rows[part.start : part.stop] = unit_rows(found)
            keeping.add(places[part.start : part.stop], [rows[part.start : part.stop]])
            advance(len(part))
    return _to_host(rows, order)


def _to_device(tensor: torch.Tensor, device: str) -> torch.Tensor:
    """Copy a tensor to the device without waiting; on the CPU, return it."""
    if device == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def _to_host(rows: torch.Tensor, order: npt.NDArray[np.int64]) -> _Rows:
    """Start copying rows to the host."""
    import torch

    if rows.device.type == "cpu":
        return _Rows(rows=rows, order=order, arrived=None)
    there = torch.empty(rows.shape, dtype=rows.dtype, pin_memory=True)
    there.copy_(rows, non_blocking=True)
    arrived = torch.cuda.current_stream().record_event()
    return _Rows(rows=there, order=order, arrived=arrived)
