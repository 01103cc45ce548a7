"""train, what adapters read: shows the model pairs of unsafe items and their targets, once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from nsfwcaps.progress import Progress
from nsfwcaps.stages.train.settings import TrainSettings
from nsfwcaps.training.loop import Encoders, Inputs
from nsfwcaps.training.pairs import TrainingPairs
from nsfwcaps.training.processes import Processes
from nsfwcaps.training.subspace import Lengths, read_differences

_PAIRS = 1024
"""Of the pairs, evenly spread: many times more than an adapter has directions."""


def fix_inputs(
    encoders: Encoders,
    pairs: TrainingPairs,
    lengths: Lengths,
    settings: TrainSettings,
    processes: Processes,
    progress: Progress,
) -> None:
    """Let the adapters read what tells unsafe items from the safe items of these pairs.

    Raises:
        ConfigError: there are fewer pairs than an adapter has directions.
    """
    count = min(len(pairs), _PAIRS)
    rows = np.arange(count) * len(pairs) // max(count, 1)
    with progress.task("train: subspace", count, unit="pairs") as advance:

        def batches() -> Iterator[Inputs]:
            step = max(1, settings.batch_images // 2)
            for start in range(0, count, step):
                part = rows[start : start + step]
                yield encoders.prepare(part)
                advance(len(part))

        read_differences(encoders, batches(), ridge=settings.ridge, lengths=lengths)
    _agree(encoders.model, processes)


def _agree(model: torch.nn.Module, processes: Processes) -> None:
    """Give all processes the first one's directions: theirs may differ in the last digit."""
    if processes.count == 1:
        return
    fixed = {name: item for name, item in model.named_parameters() if ".lora_A." in name}
    told = processes.broadcast({name: item.detach().cpu() for name, item in fixed.items()})
    with torch.no_grad():
        for name, item in fixed.items():
            item.copy_(told[name])
