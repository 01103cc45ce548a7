"""The stages, in the order in which they run: the table of contents.

A stage is a folder here: its settings, its `run`, and in `__init__.py` the value that says all the
pipeline and the commands know of it. A new stage needs its folder and a line in this table.
"""

from __future__ import annotations

from nsfwcaps.stages.construct import CONSTRUCT
from nsfwcaps.stages.embed import EMBED
from nsfwcaps.stages.grade import GRADE
from nsfwcaps.stages.illustrate import ILLUSTRATE
from nsfwcaps.stages.ingest import INGEST
from nsfwcaps.stages.mine import MINE
from nsfwcaps.stages.publish import PUBLISH
from nsfwcaps.stages.train import TRAIN
from nsfwcaps.stages.world import WORLD

STAGES = (
    WORLD,
    CONSTRUCT,
    ILLUSTRATE,
    INGEST,
    EMBED,
    MINE,
    GRADE,
    PUBLISH,
    TRAIN,
)

BUILD = (INGEST, EMBED, MINE, GRADE, PUBLISH)
"""The main job: from pools to a data set."""

STAGE = {stage.name: stage for stage in STAGES}
