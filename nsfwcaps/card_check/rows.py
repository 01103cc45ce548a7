"""One row of each record set, read by mlcroissant: fields that no column gives fail there."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps import extras
from nsfwcaps.card_check.description import NAME
from nsfwcaps.card_check.published import DATA, SAFE, Finding, PublishedFolder

MODULE = "mlcroissant"


def check_rows(published: PublishedFolder, description: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the record sets of which no row can be read.

    The reader takes all files of a record set into memory. It gets the first row of the first file
    of each folder instead, under the same name.
    """
    with tempfile.TemporaryDirectory() as temporary, _quiet():
        place = Path(temporary)
        for part in (DATA, SAFE):
            for path in published.files(part)[:1]:
                (place / part).mkdir()
                pq.write_table(_first_row(path), place / part / path.name)
        (place / NAME).write_text(json.dumps(description), encoding="utf-8")
        for what in _read(place / NAME):
            yield Finding(file=NAME, what=what)


def _first_row(path: Path) -> pa.Table:
    file = pq.ParquetFile(path)
    batch = next(file.iter_batches(batch_size=1), None)
    return file.schema_arrow.empty_table() if batch is None else pa.Table.from_batches([batch])


def _read(place: Path) -> Iterator[str]:
    mlcroissant = extras.load(MODULE, "croissant", "reading rows")
    try:
        data = mlcroissant.Dataset(jsonld=str(place))
    except Exception as error:  # of any of its libraries
        yield f"{MODULE} does not accept it: {_reason(error)}"
        return
    for records in data.metadata.record_sets:
        try:
            row = next(iter(data.records(records.id)), None)
        except Exception as error:  # its text may hold a caption
            yield f"{MODULE} cannot read a row of the record set {records.id}: {_kind(error)}"
        else:
            if row is None:
                yield f"{MODULE} finds no row in the record set {records.id}"


def _reason(error: Exception) -> str:
    """Return the first error of a list, or the message of another one."""
    lines = str(error).splitlines()
    named = [line.strip().removeprefix("-").strip() for line in lines if line.startswith("  -")]
    return (named or lines or [type(error).__name__])[0][:300]


def _kind(error: Exception) -> str:
    cause = error.__cause__ or error.__context__ or error
    return type(cause).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the reader's own warnings from the terminal: recommended properties that are unknown."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
