"""construct, subject: whether its pool is that of the run before, grown or edited, or another."""

from __future__ import annotations

from pathlib import Path

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.captions import sources as pool_sources
from nsfwcaps.captions.kept_texts import KeptTexts, text_keys
from nsfwcaps.captions.opening import shown
from nsfwcaps.errors import ArtifactError
from nsfwcaps.stages.construct.read import clean_items, pool_files
from nsfwcaps.stages.construct.settings import ConstructSettings
from nsfwcaps.tables import read_tables

_OF_TEXTS = ("caption_column",)
_LEAST = 0.5
_POOL = "pool:"
_BLOCK = 8192


def difference(
    settings: ConstructSettings, record: StageRecord | None, workdir: Path
) -> str | None:
    """Say how another pool differs from that of a finished run; None if it is the same or grew.

    A pool that is no longer given is the same under another name only if it has every caption that
    the run used.

    Raises:
        InputError: a pool is not there, or cannot be read.
    """
    if record is None:
        return None
    before = {own for name, own in record.inputs.items() if name.startswith(_POOL)}
    wanted = {pool_sources.content_digest(url) for url in pool_files(settings.pool)}
    reads_alike = all(
        record.settings.get(name, getattr(settings, name)) == getattr(settings, name)
        for name in _OF_TEXTS
    )
    if reads_alike and before <= wanted:
        return None
    given = [str(name) for name in record.settings.get("pool", ())]
    dropped = [name for name in given if _path(name) not in {*map(_path, settings.pool)}]
    used = _used(record, workdir)
    if used is None:
        lost = [
            f"no longer given: {shown(name)} (the run's captions cannot be read)"
            for name in dropped[:3]
        ]
        return "\n".join(lost) or None
    ids: list[str] = []
    for item in clean_items(settings):
        ids.append(item.id)
        if len(ids) == _BLOCK:
            used.find(text_keys(ids))
            ids.clear()
    used.find(text_keys(ids))
    found, total = used.kept()
    if found >= (total if dropped else _LEAST * total):
        return None
    new = [name for name in settings.pool if _path(name) not in {*map(_path, given)}]
    named = [
        *(f"no longer given: {shown(name)}" for name in dropped[:3]),
        *(f"new: {shown(name)}" for name in new[:3]),
    ]
    counted = f"{found:,} of the {total:,} safe captions that it used are in the wanted pool"
    return "\n".join([counted, *named])


def _path(name: str) -> str:
    """Return one text for all spellings of a path; other addresses as they are."""
    return name if ":" in name else str(Path(name).resolve())


def _used(record: StageRecord, workdir: Path) -> KeptTexts | None:
    """Return the safe captions of a finished run's pairs; None if they cannot be read.

    They are in the stage's own files and in those that it delivered.
    """
    own = [path for path in record.paths("dataset") if path.parent.name == "safe"]
    for paths in (own, sorted((workdir / "pools" / "safe").glob("*.parquet"))):
        try:
            tables = [*read_tables(paths, ["id"])]
        except ArtifactError:
            continue
        if tables:
            return KeptTexts(
                text_keys(item for table in tables for item in table["id"].to_pylist())
            )
    return None
