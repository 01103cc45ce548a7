"""Safe items that training preserves, and equal items that meet in a batch.

    python benchmarks/audit/repeats.py RUN/dataset [--epochs 9] [--batch-size 48]

Needs no model: it draws the batches of a run. "by id" keeps pairs of one target id apart and
preserves partners or else targets, as before issue 15. "by text and picture" is `nsfwcaps train`.
An item meets an equal one if both are in a batch and share their text or their picture.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.stages.train.dataset import read_pairs, safe_files
from nsfwcaps.training.curriculum import SCHEDULES, Curriculum, Sampler
from nsfwcaps.training.pairs import ItemRows, TrainingPairs
from nsfwcaps.training.preservation import Preservation, SafePool, drawn
from nsfwcaps.training.repeats import item_keys, numbers


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--batch-size", type=int, default=48)
    options = parser.parse_args()
    table = pa.concat_tables(map(read_pairs, sorted((options.data / "data").glob("train-*"))))
    pairs, takes = _pairs(table)
    target = item_keys(pairs.target_captions, pairs.target_image)
    kept = item_keys(pairs.safe_captions, pairs.safe_image)
    pool = _pool(options.data, takes)
    own = [None if take and pool else key for take, key in zip(takes, kept.tolist(), strict=True)]
    print("| | safe items preserved | equal targets in a batch | equal safe items in a batch |")
    print("|---|---|---|---|")
    for name, keys, chosen in (
        ("by id", [table["safe_id"].to_pylist()], None),
        ("by text and picture", [target.tolist(), own], pool),
    ):
        sampler = Sampler(
            pairs.levels,
            schedule=SCHEDULES[Curriculum.PROGRESSIVE],
            batch_size=options.batch_size,
            seed=0,
            avoid_repeats=keys,
        )
        print(f"| {name} | {_row(pairs, chosen, sampler, options.epochs, target)} |")


def _row(
    pairs: TrainingPairs, pool: SafePool | None, sampler: Sampler, epochs: int, target: Any
) -> str:
    batches = [sampler.epoch(number) for number in range(1, epochs + 1)]
    preservation = None if pool is None else Preservation(pairs, pool, sampler.epoch)
    items, met = set(), np.zeros(2, dtype=int)
    steps = sum(map(len, batches))
    for number, of_epoch in enumerate(batches, start=1):
        now = pairs if preservation is None else preservation.epoch(number)
        kept = item_keys(now.safe_captions, now.safe_image)
        for batch in of_epoch:
            items.update(zip(now.safe_text[batch], now.safe_image[batch], strict=True))
            met += [len(batch) - len({*keys[batch].tolist()}) for keys in (target, kept)]
    return " | ".join([f"{len(items):,}", *(f"{count / steps:.2f}" for count in met)])


def _pairs(table: pa.Table) -> tuple[TrainingPairs, Any]:
    """Return the pairs, and which of them have no partner."""
    rows = table.to_pylist()
    sides = ["safe" if row["partner_id"] is None else "partner" for row in rows]
    kept = [
        {key: row[f"{side}_{key}"] for key in ("id", "caption", "image_sha256")}
        for row, side in zip(rows, sides, strict=True)
    ]
    nodes = [row[f"{side}_image_sha256"] for side in ("unsafe", "safe") for row in rows]
    images = numbers([*nodes, *(item["image_sha256"] for item in kept)])
    unsafe, target, safe = images.reshape(3, -1)
    texts = numbers([*(row["safe_id"] for row in rows), *(item["id"] for item in kept)])
    target_text, safe_text = texts.reshape(2, -1)
    pairs = TrainingPairs(
        pair_ids=table["pair_id"].to_pylist(),
        unsafe_captions=table["unsafe_caption"].to_pylist(),
        safe_captions=[item["caption"] for item in kept],
        target_captions=table["safe_caption"].to_pylist(),
        levels=table["stage"].to_pylist(),
        unsafe_text=np.arange(len(rows)),
        safe_text=safe_text,
        unsafe_image=unsafe,
        safe_image=safe,
        target_text=target_text,
        target_image=target,
    )
    return pairs, np.array([side == "safe" for side in sides])


def _pool(data: Path, takes: Any) -> SafePool | None:
    files = safe_files(data)
    if not files or not takes.any():
        return None
    columns = ["safe_caption", "safe_image_sha256"]
    table = pa.concat_tables([pq.read_table(path, columns=columns) for path in files])
    table = table.take(drawn(table.num_rows, table.num_rows, 0))
    rows = np.arange(table.num_rows) + 10_000_000  # apart from those of the pairs
    pictures = numbers(table["safe_image_sha256"].to_pylist()) + 10_000_000
    items = ItemRows(captions=table["safe_caption"].to_pylist(), text=rows, image=pictures)
    return SafePool(items=items, takes=takes)


if __name__ == "__main__":
    main()
