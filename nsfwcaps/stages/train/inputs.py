"""train, its batches: captions and pictures of some pairs as the model's towers take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from nsfwcaps.pictures import decoded
from nsfwcaps.stages.train.reference import Reference
from nsfwcaps.training.loop import Inputs
from nsfwcaps.training.pairs import Rows, TrainingPairs


def preparation(
    encoder: Any, reference: Reference, pairs: TrainingPairs
) -> Callable[[Rows], Inputs]:
    """Rows `[b]` of pairs to tokens and pixels, unsafe items first."""

    def pixels(row: int) -> Any:
        return encoder.preprocess(decoded(reference.picture(row), "a picture of the data set"))

    def prepare(rows: Rows) -> Inputs:
        captions = [pairs.unsafe_captions[row] for row in rows]
        captions += [pairs.safe_captions[row] for row in rows]
        tokens = encoder.tokenizer(captions)  # [2b, t]
        tokens = tokens[:, : int(encoder.tower.lengths(tokens).max())]
        pictures = [*pairs.unsafe_image[rows], *pairs.safe_image[rows]]
        stacked = torch.stack([pixels(int(row)) for row in pictures])
        return Inputs(rows=rows, tokens=tokens, pixels=stacked)

    return prepare
