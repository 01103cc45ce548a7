"""Formats of exported data, and the run that they are made from."""

from __future__ import annotations

import enum
import shlex
from dataclasses import dataclass
from pathlib import Path

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.errors import ArtifactError


class DataFormat(enum.StrEnum):
    """The tool that reads the export."""

    CLIP_RETRIEVAL = "clip-retrieval"
    """Vectors of all captions, and of their images if the run has them."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedRun:
    """Captions of a run and their vectors, from the stages ingest and embed."""

    ingest: StageRecord
    embed: StageRecord


def embedded(run: Path) -> EmbeddedRun:
    """Open the captions and vectors of a run.

    Raises:
        ArtifactError: the folder holds no run, it has no vectors, or they are out of date.
    """
    if not run.is_dir():
        raise ArtifactError(f"{run}: no such folder; name the folder of a run (its --out)")
    ingest, embed = (StageFolder(run / name).record() for name in ("ingest", "embed"))
    if ingest is None:
        raise ArtifactError(
            f"{run} is not the folder of a run: it has no ingest/stage.json; name the --out of "
            "'nsfwcaps build' or 'nsfwcaps embed'"
        )
    if embed is None:
        raise ArtifactError(
            f"{run} has no vectors yet: it has no embed/stage.json; run "
            f"'nsfwcaps embed --out {shlex.quote(str(run))}' first"
        )
    if embed.inputs.get("ingest") != ingest.output_digest:
        raise ArtifactError(
            f"{run}: its captions have changed since embed ran; run "
            f"'nsfwcaps embed --out {shlex.quote(str(run))}' "
            "again"
        )
    return EmbeddedRun(ingest=ingest, embed=embed)
