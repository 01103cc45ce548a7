"""sentence-transformers: Parquet files of text columns in the order that its losses expect.

    train.parquet    anchor, positive[, negative | negative_1 … negative_n]
    README.md        a card with the tag sentence-transformers

Its trainer takes every column for an input, in their order, whatever their names
(`base/data_collator.py`). So the files hold no id.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from nsfwcaps.exports.examples import examples
from nsfwcaps.exports.formats import Negatives
from nsfwcaps.exports.request import ExportRequest, ExportTally
from nsfwcaps.exports.streams import parquet_rows


def write(request: ExportRequest, folder: Path, tally: ExportTally) -> dict[str, Any]:
    """Write a file for each split; return its columns.

    Examples with fewer negatives than asked for are left out, as every row has all columns.
    """
    count = 0 if request.negatives is Negatives.NONE else request.count
    numbered = [f"negative_{n}" for n in range(1, count + 1)]
    names = ["anchor", "positive", *(["negative"] if count == 1 else numbered)]
    schema = pa.schema([(name, pa.string()) for name in names])
    for split in request.splits:
        with parquet_rows(folder / f"{split}.parquet", schema) as add:
            for example in examples(request, split, tally):
                if len(example.negatives) < count:
                    tally.left_out["too_few_negatives"] += 1
                    continue
                documents = (example.query, example.positive, *example.negatives[:count])
                add(dict(zip(names, (document.text for document in documents), strict=True)))
                tally.wrote(split)
    (folder / "README.md").write_text(_card(names), encoding="utf-8")
    return {"columns": names}


def _card(names: list[str]) -> str:
    """Return a card; were files listed in it, datasets would load an earlier export from cache."""
    return (
        "---\ntags:\n- sentence-transformers\n- not-for-all-audiences\n---\n\n"
        "# Pairs of unsafe and safe captions\n\n"
        "Exported by nsfwcaps. An anchor is an unsafe caption, its positive the safe caption "
        f"mined for it.\n\nColumns, in order: {', '.join(names)}.\n"
    )
