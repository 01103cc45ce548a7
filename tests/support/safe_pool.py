"""The folder `safe` of a data set, written as `publish` writes it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from support.training_place import Place, rewrite

from nsfwcaps import schema

_TEXT = ("safe_id", "safe_caption", "safe_source", "safe_image_path", "safe_image_sha256")
COLUMNS = pa.schema([*((name, pa.string()) for name in _TEXT), ("safe_image", schema.PICTURE)])


def without_partners(place: Place) -> None:
    """Remove the partners of all pairs."""
    rewrite(
        place,
        lambda row: {n: None if n.startswith("partner_") else v for n, v in row.items()},
    )


def write_pool(place: Place, pool: Path) -> None:
    """Write the safe items of a pool, in two files; their ids end in `-0`."""
    rows = [
        {
            "safe_id": f"{row['id']}-0",
            "safe_caption": row["caption"],
            "safe_source": "pool",
            "safe_image": {"bytes": row["image"], "path": None},
            "safe_image_path": None,
            "safe_image_sha256": hashlib.sha256(row["image"]).hexdigest(),
        }
        for path in sorted(pool.glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    (place.data / "safe").mkdir(exist_ok=True)
    for number, part in enumerate((rows[:10], rows[10:])):
        path = place.data / "safe" / f"train-{number:05d}-of-00002.parquet"
        pq.write_table(pa.Table.from_pylist(part, schema=COLUMNS), path)
