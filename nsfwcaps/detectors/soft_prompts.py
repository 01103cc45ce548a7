"""Reading two soft prompts from a user's file without executing code in it."""

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
"""Names needed to unpickle an array; any other name in a pickle could run arbitrary code."""


def read_soft_prompts(path: Path) -> npt.NDArray[np.float32]:
    """Read unit rows `[2, d]`, the safe prompt first, from a .npy, .pt or pickle file.

    Raises:
        ModelError: the file is missing, damaged, or not a pair of prompts.
    """
    try:
        rows = np.asarray(_read(path), dtype=np.float32)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; give the file with the two soft prompts") from None
    except Exception:  # each of the three formats can fail in many ways
        raise ModelError(
            f"{path} is not a soft prompt file; it must hold one numeric array [2, d], saved by "
            "numpy.save, torch.save or pickle"
        ) from None
    lengths = np.linalg.norm(np.atleast_2d(rows), axis=-1, keepdims=True)
    if rows.ndim != 2 or len(rows) != 2 or not ((lengths > 0) & np.isfinite(lengths)).all():
        raise ModelError(
            f"{path}: expected an array [2, d] of finite non-zero rows, the safe prompt first; "
            f"got the shape {list(rows.shape)}, or a zero or non-finite row"
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
        warnings.simplefilter("ignore")  # older NumPy module names are deprecated
        return _ArraysOnly(file).load()


class _ArraysOnly(pickle.Unpickler):
    """Unpickles NumPy arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NUMPY:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of an array")
        return super().find_class(module, name)
