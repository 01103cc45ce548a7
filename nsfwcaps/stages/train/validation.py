"""train, its validation: the held-out pairs as distinct captions and pictures, and their scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nsfwcaps.errors import TrainingError
from nsfwcaps.runtime.memory import memory_advice
from nsfwcaps.training.loop import Encoders, embed
from nsfwcaps.training.pairs import Rows, TrainingPairs
from nsfwcaps.training.validation import Validation, validate


def score(encoders: Encoders, pairs: TrainingPairs, batch_size: int, step: int) -> Validation:
    """Score a model on pairs that it does not train on; the step is named in errors.

    Raises:
        TrainingError: the model's vectors are not finite.
    """
    with memory_advice("--batch-images"):
        text, image = embed(encoders, np.arange(len(pairs)), batch_size)  # [2, p, d] each
    if not (text.isfinite().all() and image.isfinite().all()):
        raise TrainingError(
            f"train: the model's vectors are not finite after step {step}; lower --learning-rate, "
            "or use --precision fp32. The last checkpoint is from before"
        )
    # By their words: a caption that several pictures share has an id for each of them.
    u_text, u_text_of = _distinct(_numbered(pairs.unsafe_captions))
    s_text, s_text_of = _distinct(_numbered(pairs.safe_captions))
    u_image, u_image_of = _distinct(pairs.unsafe_image)
    s_image, s_image_of = _distinct(pairs.safe_image)
    return validate(
        unsafe_text=text[0][u_text].numpy(),
        safe_text=text[1][s_text].numpy(),
        unsafe_image=image[0][u_image].numpy(),
        safe_image=image[1][s_image].numpy(),
        safe_of_pair=(s_text_of, s_image_of),
        unsafe_of_pair=(u_text_of, u_image_of),
    )


def _distinct(rows: Rows) -> tuple[Rows, Rows]:
    """Where each distinct item `[n]` comes first, and the item `[p]` of every pair."""
    _, first, item = np.unique(rows, return_index=True, return_inverse=True)
    return first, item


def _numbered(texts: Sequence[str]) -> Rows:
    """A number `[p]` for each distinct text."""
    number_of: dict[str, int] = {}
    return np.array([number_of.setdefault(text, len(number_of)) for text in texts], dtype=np.int64)
