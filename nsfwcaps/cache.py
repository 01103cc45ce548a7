"""The folder of what nsfwcaps keeps on this machine beside runs: its speed, mirrors of runs."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "NSFWCAPS_CACHE"
"""Environment variable with another folder."""


def cache_folder() -> Path:
    """Return the folder, which need not exist."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_cache_path("nsfwcaps"))
