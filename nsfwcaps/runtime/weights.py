"""Weights of torch models: their digest, and loading that fails if any are missing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any


def load_complete(kind: Any, name: str, *, known: tuple[str, ...] = (), **options: Any) -> Any:
    """Load a model by its class and its folder or name.

    By default transformers initialises missing weights randomly, so the folder of another model
    would load. It also passes over weights that the model lacks: with prefixes `known`, none of
    these may be left over, as when a configuration has fewer layers than the weights.

    Raises:
        ValueError: weights are missing or left over. Loading may raise many other types.
    """
    model, info = kind.from_pretrained(name, output_loading_info=True, **options)
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{len(missing)} tensors are missing, such as {missing[0]}")
    over = [name for name in sorted(info["unexpected_keys"]) if name.startswith(known)]
    # Older versions of transformers stored these numbers, which are always the same.
    if over := [name for name in over if known and not name.endswith("position_ids")]:
        raise ValueError(f"{len(over)} tensors are left over, such as {over[0]}")
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
