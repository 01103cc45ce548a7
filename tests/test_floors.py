"""The house: which room may import which. CONTRIBUTING.md shows the same list."""

from __future__ import annotations

from pathlib import Path

import nsfwcaps

PACKAGE = Path(nsfwcaps.__file__).parent

FLOORS = (
    ("errors", "enums", "version"),
    ("config", "files", "tables", "schema", "resources", "progress", "delivery", "pictures"),
    ("artifacts", "stage", "captions", "metrics", "world", "runtime"),
    ("vectors", "encoders", "training", "reports", "cards"),
    ("mining", "models"),
    ("review.tables", "review.database", "review.pairs", "review.proportions"),
    ("review.people",),
    ("review.log",),
    ("review.queue",),
    ("review.results",),
    ("review.export",),
    ("detectors", "evaluation"),
    ("generation",),
    ("construction",),
    ("stages.ingest", "stages.embed", "stages.mine", "stages.grade", "stages.train"),
    ("stages.world", "stages.construct", "stages.publish"),
    ("stages.illustrate",),
    ("stages",),
    ("pipeline",),
    ("recipes",),
    ("api",),
    ("commands",),
    ("cli",),
)
"""Rooms from the ground up. A module imports its own room and lower floors, lazily or not."""

HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
