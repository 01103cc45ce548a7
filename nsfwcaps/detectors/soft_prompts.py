"""Two soft prompts from a user's file, read without running any code that is in it."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.errors import ModelError

_NUMPY = {
    *(("numpy", name) for name in ("ndarray", "dtype")),
    *((f"numpy{core}.multiarray", "_reconstruct") for core in (".core", "._core")),
    *((f"numpy{core}.numeric", "_frombuffer") for core in (".core", "._core")),
    ("_codecs", "encode"),
}
"""What a pickled array is made of; a pickle may name any function, and loading it calls that."""


def read_soft_prompts(path: Path) -> npt.NDArray[np.float32]:
    """Read unit rows `[2, d]`, the safe prompt first, from .npy, from .pt or from a pickle.

    Raises:
        ModelError: the file is missing or damaged, or holds something else.
    """
    try:
        rows = np.asarray(_read(path), dtype=np.float32)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; name the file of the two soft prompts") from None
    except Exception:  # three formats, each with many kinds of damage
        raise ModelError(
            f"{path} is no file of soft prompts; it must hold one array of numbers [2, d], saved "
            "by numpy.save, torch.save or pickle"
        ) from None
    lengths = np.linalg.norm(np.atleast_2d(rows), axis=-1, keepdims=True)
    if rows.ndim != 2 or len(rows) != 2 or not ((lengths > 0) & np.isfinite(lengths)).all():
        raise ModelError(
            f"{path}: soft prompts must be two rows of numbers, the safe prompt first; "
            f"its array has the shape {list(rows.shape)}, or rows that are no direction"
        )
    unit: npt.NDArray[np.float32] = rows / lengths
    return unit


def _read(path: Path) -> Any:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix == ".pt":
        import torch

        return torch.load(path, map_location="cpu", weights_only=True).detach().float().numpy()
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the names of older versions of NumPy
        return _ArraysOnly(file).load()


class _ArraysOnly(pickle.Unpickler):
    """Knows NumPy's arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NUMPY:
            raise pickle.UnpicklingError(f"{module}.{name} is no array")
        return super().find_class(module, name)
