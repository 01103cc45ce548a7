"""train, safe items: those of a data set's pool, which pairs without a partner preserve.

    dataset/safe/*.parquet ─ draw ─▶ as many as the run can use ─ reference ─▶ PreservationPool

A data set without such files was published before they existed, without pictures or without safe
items. Its pairs without a partner preserve their target.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nsfwcaps.enums import AdapterInputs, Split, Targets
from nsfwcaps.stages.train.dataset import read_pairs, reading
from nsfwcaps.stages.train.reference import Reference
from nsfwcaps.training.contrast import ITEMS
from nsfwcaps.training.options import TrainingOptions
from nsfwcaps.training.pairs import ItemRows
from nsfwcaps.training.preservation import PreservationPool, drawn

_COLUMNS = ["safe_id", "safe_caption", "safe_image_sha256"]


def draw(files: Sequence[Path], safe: Sequence[Path], options: TrainingOptions) -> pa.Table | None:
    """Return the safe items that a run can use, in order of use; None if it uses none.

    They are at most as many as there are places in the batches of all epochs, or are sampled to fix
    the adapters' inputs. Items equal to a partner are left out: pairs preserve those already.
    """
    if not safe or options.method.targets is Targets.FIXED:
        return None
    train = _train_pairs(files)
    wanted = _places(train, options)
    if not wanted:
        return None
    if options.method.adapter_inputs is AdapterInputs.CONTRAST:
        wanted = max(wanted, ITEMS)
    tables = []
    for path in safe:
        with reading(path):
            tables.append(pq.read_table(path, columns=_COLUMNS))
    table = pa.concat_tables(tables)
    for name in ("caption", "image_sha256"):
        equal = pc.is_in(table[f"safe_{name}"], train[f"partner_{name}"].drop_null())
        table = table.filter(pc.invert(equal))
    return table.take(drawn(table.num_rows, wanted, options.optimisation.seed))


def pool_of(
    table: pa.Table | None, reference: Reference, takes: npt.NDArray[np.bool_]
) -> PreservationPool | None:
    """Return the pool of drawn items with a usable picture; `takes` says which pairs use it."""
    if table is None or not takes.any():
        return None
    items = item_rows(table, reference, "safe")
    return PreservationPool(items=items, takes=takes) if len(items) else None


def item_rows(table: pa.Table, reference: Reference, *sides: str) -> ItemRows:
    """Return the distinct usable items of some sides of a table, in order of occurrence."""
    found: dict[tuple[int, int], str] = {}
    for row in table.to_pylist():
        for side in sides:
            text = reference.text_row.get(row[f"{side}_id"])
            image = reference.image_row.get(row[f"{side}_image_sha256"])
            if text is not None and image is not None:
                found.setdefault((text, image), row[f"{side}_caption"])
    text_rows, image_rows = np.array([*found], dtype=np.int64).reshape(-1, 2).T
    return ItemRows(captions=[*found.values()], text=text_rows, image=image_rows)


def _train_pairs(files: Sequence[Path]) -> pa.Table:
    table = pa.concat_tables([read_pairs(path) for path in files])
    return table.filter(pc.equal(table["split"], Split.TRAIN.value))


def _places(train: pa.Table, options: TrainingOptions) -> int:
    """Return the number of pairs without a partner, over all epochs."""
    levels = train.filter(pc.is_null(train["partner_id"]))["stage"].to_pylist()
    schedule, epochs = options.schedule, options.optimisation.epochs
    by_epoch = [schedule[min(epoch, len(schedule)) - 1] for epoch in range(1, epochs + 1)]
    return sum(level in of_epoch for of_epoch in by_epoch for level in levels)
