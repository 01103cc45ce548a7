"""mine: find the closest safe counterparts of every unsafe caption."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.enums import Pairing, Similarity
from nsfwcaps.models.names import MINILM
from nsfwcaps.stage import Recipe, Stage
from nsfwcaps.stages.mine.settings import MineSettings


def _headline(facts: Mapping[str, Any]) -> str:
    hubs = facts["hubs"]
    return (
        f"{facts['pairs']:,} pairs, {hubs['distinct_targets']:,} distinct safe targets, "
        f"largest hub {hubs['largest_hub']}"
    )


def _notes(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what decided the targets, where there are pictures, and how many pairs were cut."""
    pictures, by = facts.get("pictures", {}), facts.get("similarity")
    if any(pictures.values()) and by is not None:
        yield _DECIDED[by].format(**pictures)
    below = facts.get("pairs_below_min_similarity")
    if below and facts.get("k", 1) > 1:  # of one pair each, the captions set aside say it already
        yield f"pairs below min_similarity, set aside: {below:,}"


_DECIDED = {
    "text": "targets by text: pictures took no part (--similarity image or both)",
    "image": "targets by image: {safe:,} safe captions with a picture were candidates",
    "both": "targets by text and image: {safe:,} safe captions with a picture were candidates",
}


def _problems(recipe: Recipe) -> Sequence[str]:
    """Report a missing pool, or pictures without vectors, before anything is embedded."""
    ingest, embed, mine = (recipe.get(name) for name in ("ingest", "embed", "mine"))
    if mine and embed and mine.similarity is not Similarity.TEXT and (why := _reads_none(embed)):
        return [f"mine.similarity: {mine.similarity.value} compares pictures, and {why}"]
    if ingest is None or ingest.pool:
        return []
    return [
        f"ingest.{label}: no pool, and mine needs one; set --{label} or ingest.{label}, "
        "or a mixed --pool with --label-column"
        for label in ("safe", "unsafe")
        if not getattr(ingest, label)
    ]


def _reads_none(embed: Any) -> str | None:
    """Say why no picture will have a vector."""
    if not embed.images:
        return "embed.images is off; set --images or --similarity text"
    if embed.source is not None:
        folder = Path(embed.source)
        if folder.is_dir() and not (folder / "img_emb").is_dir():
            return f"{folder} has no vectors of pictures (img_emb); use --similarity text"
    elif embed.model == MINILM:
        return f"embed.model {MINILM} reads captions only; use a CLIP model or --similarity text"
    return None


def _foresees(recipe: Recipe, record: StageRecord) -> Iterator[str]:
    """Look for the pictures to compare as soon as the pools are read."""
    by = recipe["mine"].similarity
    if record.stage != "ingest" or by is Similarity.TEXT:
        return
    from nsfwcaps.tables import read_tables  # slow to import

    for side in ("unsafe", "safe"):
        tables = read_tables(record.paths(side), ["image_sha256"])
        if record.rows(side) and all(table.num_rows == table[0].null_count for table in tables):
            yield (
                f"mine: similarity={by.value} compares pictures, and none of "
                f"{record.rows(side)} {side} captions has one; add pictures to the {side} pool, or "
                "use --similarity text"
            )


def _reads_too(settings: MineSettings) -> tuple[str, ...]:
    """Read ingest only if partners are needed, so that a changed category repeats no search."""
    return ("ingest",) if settings.pairing is Pairing.PARTNER else ()


def _alone(settings: MineSettings) -> str | None:
    """Leave an approximate index to one process: it is built and searched as a whole."""
    return None if settings.index is None else "one process builds and searches an index (--index)"


MINE = Stage(
    name="mine",
    settings=MineSettings,
    module="nsfwcaps.stages.mine.run",
    shares="nsfwcaps.stages.mine.shares",
    alone=_alone,
    headline=_headline,
    notes=_notes,
    reads=("embed",),
    reads_too=_reads_too,
    problems=_problems,
    foresees=_foresees,
)
