"""Arrays of picture vectors, a row for each caption, as the pictures of a search."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from nsfwcaps.errors import InputError
from nsfwcaps.mining.ranking import Keys
from nsfwcaps.mining.similarity import Pictures
from nsfwcaps.vectors.array import VectorArray
from nsfwcaps.vectors.unit import matrix_of, unit_halves


class PicturesOfPools(TypedDict):
    """Pictures of both sides, and which safe captions share one."""

    pictures: Pictures | None
    picture_keys: Keys | None


def pictures_of(images: tuple[Any, Any], unsafe_rows: int, safe_rows: int) -> PicturesOfPools:
    """Return the pictures of both sides; equal rows are one picture, rows of NaN no picture.

    Raises:
        InputError: one side is missing, or an array does not have a row for each caption.
    """
    if images[0] is None and images[1] is None:
        return {"pictures": None, "picture_keys": None}
    if images[0] is None or images[1] is None:
        raise InputError(
            "mine: pictures given for one side only; give both unsafe_images and safe_images, with "
            "NaN in rows without a picture, or neither"
        )
    arrays = [
        _array(given, name, rows)
        for given, name, rows in (
            (images[0], "unsafe_images", unsafe_rows),
            (images[1], "safe_images", safe_rows),
        )
    ]
    if arrays[0].shape[1] != arrays[1].shape[1]:
        raise InputError(
            f"unsafe_images have width {arrays[0].shape[1]} and safe_images {arrays[1].shape[1]}; "
            "embed both with the same encoder"
        )
    has = [~np.isnan(array).all(axis=1) for array in arrays]
    there = [
        unit_halves(array[rows], where=name)
        for array, rows, name in zip(arrays, has, ("unsafe_images", "safe_images"), strict=True)
    ]
    distinct, place = np.unique(np.concatenate(there), axis=0, return_inverse=True)
    of = [np.full(len(rows), -1) for rows in has]
    of[0][has[0]], of[1][has[1]] = np.split(place.reshape(-1), [len(there[0])])
    pictures = Pictures(vectors=VectorArray(distinct), unsafe=of[0], safe=of[1])
    return {"pictures": pictures, "picture_keys": (of[1] + 1).astype(np.uint64)}


def _array(given: Any, name: str, rows: int) -> npt.NDArray[Any]:
    array = matrix_of(given, name)
    if len(array) != rows:
        raise InputError(f"{name}: {len(array)} rows for {rows} captions; use NaN for no picture")
    return array
