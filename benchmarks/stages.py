"""Running single pipeline stages in benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nsfwcaps.stages import STAGE


def run_stage(name: str, values: dict[str, Any], workdir: Path) -> Any:
    """Bring a stage up to date with the given settings, and return its record."""
    from nsfwcaps import config, pipeline
    from nsfwcaps.progress import Silent

    stage = STAGE[name]
    settings = config.parse(stage.settings, values, where=name)
    return pipeline.run_stage(stage, settings, workdir, Silent()).record
