"""Formats of exported data and their choices, and the run that vectors are exported from."""

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
    SENTENCE_TRANSFORMERS = "sentence-transformers"
    """Parquet with the columns anchor, positive and, if any, negatives."""
    TEVATRON = "tevatron"
    """JSON lines of queries with ids of documents, and the corpus of documents."""
    FLAG_EMBEDDING = "flagembedding"
    """JSON lines with query, pos and neg, and the pool to mine negatives from."""
    OPEN_CLIP_CSV = "open-clip-csv"
    """Paths of images and captions, separated by tabs, and the images."""
    OPEN_CLIP_WEBDATASET = "open-clip-webdataset"
    """Tar files with an image and a caption a sample."""
    IMAGE_FOLDER = "imagefolder"
    """Images, and a table with both images and captions of each pair."""
    CLIP_BENCHMARK = "clip-benchmark"
    """Tar files for retrieval: distinct images, each with its captions."""
    IMG2DATASET = "img2dataset"
    """Addresses of images with captions and digests, to download them."""


class Negatives(enum.StrEnum):
    """Which captions are written as negatives of an unsafe caption."""

    CANDIDATES = "candidates"
    """Its safe counterparts of later ranks, as mined with k above 1."""
    UNSAFE = "unsafe"
    """The unsafe caption itself, as a document."""
    NONE = "none"


class ItemKind(enum.StrEnum):
    """Which caption is written with which image."""

    REDIRECT = "redirect"
    """The unsafe caption with the image of its safe counterpart."""
    SAFE = "safe"
    """The safe caption with its image."""
    UNSAFE = "unsafe"
    """The unsafe caption with its image."""


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
