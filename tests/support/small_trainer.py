"""A trainer of a tiny model on twelve made-up pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from support.tiny_models import SIZE_PX, build
from torch.nn.functional import normalize

from nsfwcaps.training.adapters import Adaptation, adapt
from nsfwcaps.training.ahead import Each
from nsfwcaps.training.curriculum import Sampler, parse_schedule
from nsfwcaps.training.inputs import Encoders, Inputs
from nsfwcaps.training.loop import Optimisation, Trainer
from nsfwcaps.training.methods import METHODS, Method
from nsfwcaps.training.pairs import Rows, TrainingPairs

PAIRS = 12

HOW = Optimisation(
    epochs=2,
    learning_rate=1e-2,
    warmup_share=0.25,
    weight_decay=0.0,
    clip_norm=1.0,
    scale=20.0,
    seed=3,
    workers=2,
)


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and pixels of the unsafe items of all pairs, then of the safe ones."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, 98, (2 * PAIRS, 16), generator=generator)
    tokens[:, -1] = 99
    return tokens, torch.randn((2 * PAIRS, 3, SIZE_PX, SIZE_PX), generator=generator)


TOKENS, PIXELS = inputs()


def prepare(rows: Rows, each: Each = map) -> Inputs:
    both = np.concatenate([rows, rows + PAIRS])
    return Inputs(rows=rows, tokens=TOKENS[both], pixels=PIXELS[both])


def trainer(
    folder: Path, how: Optimisation = HOW, method: Method | None = None, dropout: float = 0.2
) -> Trainer:
    model: Any = build("clip-vit", folder)
    with torch.no_grad():
        vectors = (
            normalize(model.encode_text(TOKENS), dim=-1),
            normalize(model.encode_image(PIXELS), dim=-1),
        )
    torch.manual_seed(0)
    adapt(model, Adaptation(rank=4, dropout=dropout))
    unsafe, safe = np.arange(PAIRS), np.arange(PAIRS) + PAIRS
    pairs = TrainingPairs(
        pair_ids=[f"pair-{row}" for row in range(PAIRS)],
        unsafe_captions=[""] * PAIRS,
        safe_captions=[""] * PAIRS,
        target_captions=[""] * PAIRS,
        levels=["easy", "medium", "hard"] * (PAIRS // 3),
        unsafe_text=unsafe,
        safe_text=safe,
        unsafe_image=unsafe,
        safe_image=safe,
        target_text=safe,
        target_image=safe,
    )
    sampler = Sampler(pairs.levels, schedule=parse_schedule("all"), batch_size=4, seed=how.seed)
    encoders = Encoders(
        model=model,
        encode_text=model.encode_text,
        prepare=prepare,
        device="cpu",
        dtype=torch.float32,
    )
    return Trainer(encoders, pairs, vectors, method or METHODS["safer-clip"], sampler, how)


def all_steps(made: Trainer) -> list[Any]:
    return [step for epoch in (1, 2) for step in made.epoch(epoch, 0)]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one) and one.keys() == other.keys()
