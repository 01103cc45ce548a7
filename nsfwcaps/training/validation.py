"""Validation on held-out pairs: retrieval that was kept, and redirection that was learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nsfwcaps.errors import TrainingError
from nsfwcaps.metrics.answer_sets import Rows
from nsfwcaps.metrics.retrieval import ranks, recall, unsafe_first
from nsfwcaps.metrics.similarities import Vectors
from nsfwcaps.runtime.memory import memory_advice
from nsfwcaps.training.inputs import Encoders, embed
from nsfwcaps.training.pairs import TrainingPairs


@dataclass(frozen=True, kw_only=True)
class Validation:
    """R@1 in both directions, of safe retrieval and of redirection to safe items."""

    safe_text_to_image: float
    safe_image_to_text: float
    unsafe_text_to_image: float
    unsafe_image_to_text: float
    unsafe_first: float
    """Share of unsafe queries, over both directions, whose nearest item is unsafe.

    A tie with a safe item counts as unsafe, so a collapsed embedding does not pass as safe."""

    @property
    def total(self) -> float:
        """Sum of the four recalls, the criterion of early stopping and model selection."""
        return (
            self.safe_text_to_image
            + self.safe_image_to_text
            + self.unsafe_text_to_image
            + self.unsafe_image_to_text
        )


def score(
    encoders: Encoders, pairs: TrainingPairs, batch_size: int, step: int, workers: int = 1
) -> Validation:
    """Score a model on held-out pairs; `step` is for error messages.

    Raises:
        TrainingError: the model's vectors are not finite.
    """
    with memory_advice("--batch-images"):
        text, image = embed(encoders, np.arange(len(pairs)), batch_size, workers)  # [2, p, d] each
    if not (text.isfinite().all() and image.isfinite().all()):
        raise TrainingError(
            f"train: the model's vectors are not finite after step {step}; lower --learning-rate, "
            "or use --precision fp32. The last checkpoint is older and not affected"
        )
    # Compare captions by text: a caption with several images has one id for each.
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


def validate(
    *,
    safe_text: Vectors,
    safe_image: Vectors,
    unsafe_text: Vectors,
    unsafe_image: Vectors,
    safe_of_pair: tuple[Rows, Rows],
    unsafe_of_pair: tuple[Rows, Rows],
) -> Validation:
    """Score distinct items `[·, d]`; the text and image of pair i are in the given rows.

    Safe queries search safe items; unsafe ones search safe and unsafe items together (protocol of
    SafeR-CLIP and Safe-CLIP).
    """
    text, image = safe_of_pair
    bad_text, bad_image = unsafe_of_pair
    images = np.concatenate([safe_image, unsafe_image])
    texts = np.concatenate([safe_text, unsafe_text])
    from_text = ranks(unsafe_text[bad_text], images, image)
    from_image = ranks(unsafe_image[bad_image], texts, text)
    first = np.concatenate(
        [
            unsafe_first(unsafe_text[bad_text], safe_image, unsafe_image),
            unsafe_first(unsafe_image[bad_image], safe_text, unsafe_text),
        ]
    )
    return Validation(
        safe_text_to_image=recall(ranks(safe_text[text], safe_image, image), 1),
        safe_image_to_text=recall(ranks(safe_image[image], safe_text, text), 1),
        unsafe_text_to_image=recall(from_text, 1),
        unsafe_image_to_text=recall(from_image, 1),
        unsafe_first=float(first.mean()),
    )


def _distinct(rows: Rows) -> tuple[Rows, Rows]:
    """First position of each distinct item `[n]`, and the item number `[p]` of every pair."""
    _, first, item = np.unique(rows, return_index=True, return_inverse=True)
    return first, item


def _numbered(texts: Sequence[str]) -> Rows:
    """A number `[p]` for each distinct text."""
    number_of: dict[str, int] = {}
    return np.array([number_of.setdefault(text, len(number_of)) for text in texts], dtype=np.int64)
