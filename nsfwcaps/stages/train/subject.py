"""train, subject: whether its data set is that of the run before, grown or edited, or another."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.captions.kept_texts import KeptTexts, text_keys
from nsfwcaps.errors import ArtifactError
from nsfwcaps.files import sha256_file
from nsfwcaps.stages.train.dataset import data_files, reading, safe_files
from nsfwcaps.stages.train.settings import TrainSettings
from nsfwcaps.tables import read_tables

_MODEL = "model"
_CAPTIONS = "captions"
_LEAST = 0.5


def difference(settings: TrainSettings, record: StageRecord | None, workdir: Path) -> str | None:
    """Say how another data set differs from that of a finished run; None if it is the same.

    A data set in another place is the same if its files are. In the same place, it may have grown.

    Raises:
        InputError: there is no data set, or it is damaged.
    """
    if record is None:
        return None
    data, before = Path(settings.data), Path(str(record.settings.get("data", "")))
    own = (workdir / "dataset").resolve()
    if data.resolve() == own and before.resolve() == own:
        return None  # made by the run itself, whose pools ingest compares
    files = [*data_files(data), *safe_files(data)]
    digests = {digest for name, digest in record.inputs.items() if name != _MODEL}
    if digests <= {sha256_file(path) for path in files}:
        return None
    if data.resolve() != before.resolve():
        return f"no longer given: data set {before}\nnew: data set {data}"
    known = _known(record)
    if known is None:
        return None  # nothing is left to compare with
    for path in data_files(data):
        with reading(path):
            table = pq.read_table(path, columns=["unsafe_id", "safe_id"])
        for column in table.columns:
            known.find(text_keys(column.to_pylist()))
    found, total = known.kept()
    if found >= _LEAST * total:
        return None
    return f"{found:,} of the {total:,} captions that it trained on are in the data set {data} now"


def _known(record: StageRecord) -> KeptTexts | None:
    """Return the captions that a finished run embedded; None if a file is not readable."""
    paths = record.paths(_CAPTIONS)
    if not paths:
        return None
    try:
        ids = [item for table in read_tables(paths, ["id"]) for item in table["id"].to_pylist()]
    except ArtifactError:
        return None
    return KeptTexts(text_keys(ids))
