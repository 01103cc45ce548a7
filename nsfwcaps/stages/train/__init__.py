"""train: fine-tune a model on a published data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nsfwcaps.models import names
from nsfwcaps.stage import IN_RUN, Recipe, Stage
from nsfwcaps.stages.train.settings import TrainSettings


def _headline(facts: Mapping[str, Any]) -> str:
    preserved = sum(facts["preserved"].values())
    return (
        f"{facts['pairs']['train']:,} pairs, {preserved:,} safe items preserved, "
        f"{facts['steps']:,} steps{_gain(facts)}"
    )


def _notes(facts: Mapping[str, Any]) -> Iterator[str]:
    from nsfwcaps.captions.overlap import Overlap
    from nsfwcaps.stages.train.selection import difference_to_paper, why_no_pool

    if (found := facts["overlap"]) and (overlap := Overlap(**found)):
        yield overlap.note
    if facts["method"]["name"] == "safer-clip" and (
        differs := difference_to_paper(facts["selection"])
    ):
        yield differs
    if targets := facts["preserved"]["targets"]:
        yield (
            f"{facts['pairs_without_partner']:,} pairs without a partner preserve their target "
            f"({targets:,} safe items): {why_no_pool(facts['safe_items'])}"
        )


_SCORES = {
    "T*→V": "unsafe_text_to_image",
    "V*→T": "unsafe_image_to_text",
    "unsafe first": "unsafe_first",
    "T→V": "safe_text_to_image",
    "V→T": "safe_image_to_text",
}


def _gain(facts: Mapping[str, Any]) -> str:
    """Format redirection and safe retrieval (R@1) on the validation split, before and after.

    A mean of both directions would hide that images are redirected less than captions, and how many
    queries still find an unsafe item first.
    """
    scores = facts["validation"]
    before, after = scores[0], scores[facts["kept_epoch"]]
    if not before:
        return ""
    changes = [f"{name} {before[key]:.0%} to {after[key]:.0%}" for name, key in _SCORES.items()]
    return f"; validation: {', '.join(changes)}"


def _problems(recipe: Recipe) -> Iterator[str]:
    """Find pairs of the same run that another model mines than the one to train."""
    embed, train = recipe.get("embed"), recipe["train"]
    if embed is None or train is None or embed.source or train.data != f"{IN_RUN}dataset":
        return
    miner = embed.model or names.MINI  # the default for pools with images, which training needs
    if not names.are_same(miner, train.model):
        yield (
            f"train.model is '{train.model}', but embed.model is '{miner}', which mines the pairs "
            "of this run; training needs pairs mined with the model to train, so give both the "
            "same value"
        )


def _results(settings: TrainSettings, workdir: Path) -> Iterator[str]:
    yield f"Adapters: {workdir / 'model'}"


TRAIN = Stage(
    name="train",
    settings=TrainSettings,
    module="nsfwcaps.stages.train.run",
    subject="nsfwcaps.stages.train.subject",
    headline=_headline,
    notes=_notes,
    results=_results,
    paths=("data",),
    folders=("data", "model"),
    reads_delivered="dataset",
    delivers="model",
    needs=lambda settings: {"train": "training"},
    models=lambda settings: {"model": settings.model},
    distributed=True,
    problems=lambda recipe: [*_problems(recipe)],
)
