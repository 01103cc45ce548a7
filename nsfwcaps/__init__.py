"""Mine, grade and publish safe-unsafe caption pairs for the safety fine-tuning of CLIP models.

Names are loaded on first use: `import nsfwcaps` imports neither torch nor numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nsfwcaps.version import __version__ as __version__

if TYPE_CHECKING:
    from nsfwcaps.api.build import build as build
    from nsfwcaps.api.embed import EmbedOptions as EmbedOptions
    from nsfwcaps.api.embed import embed as embed
    from nsfwcaps.api.grade import Graded as Graded
    from nsfwcaps.api.grade import grade as grade
    from nsfwcaps.api.inspect import inspect as inspect
    from nsfwcaps.api.mine import MineOptions as MineOptions
    from nsfwcaps.api.mine import mine as mine
    from nsfwcaps.api.mined import Mined as Mined
    from nsfwcaps.api.run import Run as Run
    from nsfwcaps.errors import NsfwcapsError as NsfwcapsError
    from nsfwcaps.inspection.report import Inspection as Inspection

_HOME = {
    "build": "nsfwcaps.api.build",
    "mine": "nsfwcaps.api.mine",
    "embed": "nsfwcaps.api.embed",
    "EmbedOptions": "nsfwcaps.api.embed",
    "grade": "nsfwcaps.api.grade",
    "inspect": "nsfwcaps.api.inspect",
    "Run": "nsfwcaps.api.run",
    "Mined": "nsfwcaps.api.mined",
    "MineOptions": "nsfwcaps.api.mine",
    "Graded": "nsfwcaps.api.grade",
    "Inspection": "nsfwcaps.inspection.report",
    "NsfwcapsError": "nsfwcaps.errors",
}

__all__ = [
    "EmbedOptions",
    "Graded",
    "Inspection",
    "MineOptions",
    "Mined",
    "NsfwcapsError",
    "Run",
    "__version__",
    "build",
    "embed",
    "grade",
    "inspect",
    "mine",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'nsfwcaps' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
