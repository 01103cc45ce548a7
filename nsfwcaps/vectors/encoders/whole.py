"""Models of transformers with all of their weights."""

from __future__ import annotations

from typing import Any


def whole(kind: Any, name: str, **options: Any) -> Any:
    """Load a model by its class and its folder or name.

    By itself transformers fills weights that are not there with random numbers, so that the folder
    of another model loads.

    Raises:
        ValueError: weights are missing. Loading raises many kinds besides.
    """
    model, info = kind.from_pretrained(name, output_loading_info=True, **options)
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{len(missing)} tensors are missing, such as {missing[0]}")
    return model
