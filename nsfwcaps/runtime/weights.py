"""Weights of torch models: their digest, and loading that fails if any are missing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any


def load_complete(kind: Any, name: str, **options: Any) -> Any:
    """Load a model by its class and its folder or name.

    By default transformers initialises missing weights randomly, so the folder of another model
    would load.

    Raises:
        ValueError: weights are missing. Loading may raise many other types.
    """
    model, info = kind.from_pretrained(name, output_loading_info=True, **options)
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{len(missing)} tensors are missing, such as {missing[0]}")
    return model


def weights_sha256(tensors: Mapping[str, Any]) -> str:
    """Return a digest of a state dict: names, shapes and values, whatever file they came from."""
    import torch

    whole = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        whole.update(f"{name}:{tuple(tensor.shape)}:{tensor.dtype}".encode())
        whole.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()
