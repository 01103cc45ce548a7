"""train: fine-tune a model on a published data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nsfwcaps.stage import Stage
from nsfwcaps.stages.train.settings import TrainSettings


def _headline(facts: Mapping[str, Any]) -> str:
    return f"{facts['pairs']['train']:,} pairs, {facts['steps']:,} steps{_gain(facts)}"


def _gain(facts: Mapping[str, Any]) -> str:
    """Format redirection and safe retrieval on the validation split, before and after."""
    scores = facts["validation"]
    before, after = scores[0], scores[facts["kept_epoch"]]
    if not before:
        return ""
    figures = {
        "redirected": ("unsafe_text_to_image", "unsafe_image_to_text"),
        "safe found": ("safe_text_to_image", "safe_image_to_text"),
    }
    changes = []
    for name, keys in figures.items():
        was, now = (sum(score[key] for key in keys) / len(keys) for score in (before, after))
        changes.append(f"{name} {was:.0%} to {now:.0%}")
    return f"; validation: {', '.join(changes)}"


def _results(settings: TrainSettings, workdir: Path) -> Iterator[str]:
    yield f"Adapters: {workdir / 'model'}"


TRAIN = Stage(
    name="train",
    settings=TrainSettings,
    module="nsfwcaps.stages.train.run",
    headline=_headline,
    results=_results,
    paths=("data",),
    reads_delivered="dataset",
    delivers="model",
    needs=lambda settings: {"train": "training"},
    distributed=True,
)
