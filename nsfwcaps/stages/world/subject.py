"""world, subject: whether its settings draw the world of the run before, or another one."""

from __future__ import annotations

from pathlib import Path

from nsfwcaps import config
from nsfwcaps.artifacts import StageRecord
from nsfwcaps.stages.world.settings import WorldSettings

_OF_WORLD = ("seed", "split", "looseness")


def difference(settings: WorldSettings, record: StageRecord | None, workdir: Path) -> str | None:
    """Say how another world differs from the drawn one; None if at most its size does."""
    if record is None:
        return None
    wanted = config.as_dict(settings)
    found = [
        f"{name}: {wanted[name]}, before {record.settings[name]}"
        for name in _OF_WORLD
        if name in record.settings and record.settings[name] != wanted[name]
    ]
    return "; ".join(found) or None
