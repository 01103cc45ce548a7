"""Conversion of user arrays to the half-precision unit rows that a search compares."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.errors import InputError
from nsfwcaps.vectors.source import Half

_PART_ROWS = 65_536
_HALF_SLACK = 2.0**-10
"""Twice the relative rounding error of half precision, which also bounds that of a row's length."""
_FEW = 5


def unit_halves(vectors: Any, *, where: str) -> Half:
    """Return half-precision unit rows `[n, d]`, as stored by the embed stage.

    Rows are divided by their length in single precision and rounded once. Half-precision rows that
    already have unit length, such as the stage's own, are kept unchanged.

    Raises:
        InputError: the input is not a numeric matrix, or a row is zero or not finite.
    """
    array = matrix_of(vectors, where)
    out = np.empty(array.shape, dtype=np.float16)
    for start in range(0, len(array), _PART_ROWS):
        part = array[start : start + _PART_ROWS]
        rows = part.astype(np.float32)
        with np.errstate(all="ignore"):
            length = np.linalg.norm(rows, axis=1, keepdims=True)
            if array.dtype == np.float16:
                length[np.abs(length - 1) <= _HALF_SLACK] = 1
            out[start : start + _PART_ROWS] = rows / length
    _check(out, where)
    return out


def matrix_of(vectors: Any, where: str) -> npt.NDArray[Any]:
    """Return a user's matrix `[n, d]` as a numpy array of numbers.

    Raises:
        InputError: the input is not a numeric matrix.
    """
    if hasattr(vectors, "detach"):  # a torch tensor; numpy accepts none with gradients or on a GPU
        vectors = vectors.detach().cpu()
        vectors = vectors.float() if "bfloat16" in str(vectors.dtype) else vectors
    try:
        array = np.asarray(vectors)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{where}: expected floats [n, d], got a {type(vectors).__name__} that is not "
            f"an array ({type(error).__name__}); all rows must have the same length"
        ) from None
    if array.ndim != 2 or array.dtype.kind not in "fiu" or array.shape[1] == 0:
        raise InputError(f"{where}: expected floats [n, d], got {array.dtype} {list(array.shape)}")
    return array


def _check(rows: Half, where: str) -> None:
    length = np.concatenate(
        [
            np.linalg.norm(rows[start : start + _PART_ROWS].astype(np.float32), axis=1)
            for start in range(0, len(rows), _PART_ROWS)
        ]
        or [np.empty(0)]
    )
    bad = np.flatnonzero(~(np.abs(length - 1) < 0.01))
    if len(bad):
        named = ", ".join(map(str, bad[:_FEW])) + (", …" if len(bad) > _FEW else "")
        raise InputError(
            f"{where}: {len(bad)} of {len(rows)} rows are zero or not finite (row {named}); "
            "remove them"
        )


def as_cosines(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Clip inner products to [-1, 1]: rows rounded to half precision may be longer than one."""
    clipped: npt.NDArray[np.float32] = np.clip(values, -1, 1).astype(np.float32)
    return clipped
