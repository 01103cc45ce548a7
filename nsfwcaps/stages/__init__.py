"""All stages, in execution order.

A stage is a folder here: its settings, its `run`, and in `__init__.py` the `Stage` value that
describes it to the pipeline and the commands. A new stage needs a folder and a line in this table.
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
"""Stages of `nsfwcaps build`, from pools to a data set."""

STAGE = {stage.name: stage for stage in STAGES}
