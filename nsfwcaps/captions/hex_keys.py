"""The first 64 bits of hexadecimal digests, a column at a time."""

from __future__ import annotations

import binascii

import numpy as np
import numpy.typing as npt
import pyarrow as pa

DIGITS = 16

HexKeys = npt.NDArray[np.uint64]


def hex_keys(texts: pa.Array) -> HexKeys:
    """Return the first 16 hexadecimal digits of texts `[n]` as numbers `[n]`.

    >>> hex_keys(pa.array(["00000000000000ff01", "0000000000000001"]))
    array([255,   1], dtype=uint64)

    Raises:
        ValueError: a text is null, too short, or has another sign among them.
    """
    if not len(texts):
        return np.empty(0, np.uint64)
    # A copy, as a slice would begin within its buffers.
    texts = pa.concat_arrays([texts, texts[:0]]).cast(pa.string())
    offsets = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1)
    starts = offsets[:-1]
    if texts.null_count or np.diff(offsets).min() < DIGITS:
        raise ValueError(f"expected at least {DIGITS} hexadecimal digits in every text")
    signs = np.frombuffer(texts.buffers()[2], np.uint8)
    first = signs[starts[:, None] + np.arange(DIGITS, dtype=np.int32)]
    return np.frombuffer(binascii.unhexlify(first.tobytes()), ">u8").astype(np.uint64)
