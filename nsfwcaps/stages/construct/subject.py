"""construct, subject: whether its pool is that of the run before, grown or edited, or another."""

from __future__ import annotations

from pathlib import Path

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.captions import sources as pool_sources
from nsfwcaps.captions.kept_texts import KeptTexts, text_keys
from nsfwcaps.captions.opening import shown
from nsfwcaps.stages.construct.read import clean_items, pool_files
from nsfwcaps.stages.construct.settings import ConstructSettings
from nsfwcaps.tables import read_tables

_OF_TEXTS = ("caption_column",)
_LEAST = 0.5
_POOL = "pool:"
_BLOCK = 8192


def difference(settings: ConstructSettings, record: StageRecord, workdir: Path) -> str | None:
    """Say how another pool differs from that of a finished run; None if it is the same or grew.

    A pool that is no longer given is the same under another name only if it has every caption that
    the run used.

    Raises:
        InputError: a pool is not there, or cannot be read.
    """
    before = {own for name, own in record.inputs.items() if name.startswith(_POOL)}
    wanted = {pool_sources.content_digest(url) for url in pool_files(settings.pool)}
    reads_alike = all(
        record.settings.get(name, getattr(settings, name)) == getattr(settings, name)
        for name in _OF_TEXTS
    )
    if reads_alike and before <= wanted:
        return None
    used = _used(record)
    if used is None:
        return None  # no caption is left to compare with and to lose
    given = [str(name) for name in record.settings.get("pool", ())]
    dropped = [name for name in given if _path(name) not in {*map(_path, settings.pool)}]
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


def _used(record: StageRecord) -> KeptTexts | None:
    """Return the safe captions of a finished run's pairs; None if files are missing."""
    paths = [path for path in record.paths("dataset") if path.parent.name == "safe"]
    if not paths or not all(path.exists() for path in paths):
        return None
    ids = [item for table in read_tables(paths, ["id"]) for item in table["id"].to_pylist()]
    return KeptTexts(text_keys(ids))
