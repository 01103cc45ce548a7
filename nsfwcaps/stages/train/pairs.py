"""train, pairs: map rows of published tables to rows of the reference.

The safe item of a pair is preserved; the unsafe item is redirected to the target. With a partner,
the partner is preserved, and the target is the mined item (nearest) or the partner (fixed). Without
one, the target is the mined item; an item of the data set's safe pool is preserved, or the mined
item if there is no pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.enums import Split, Targets
from nsfwcaps.errors import InputError
from nsfwcaps.stages.train.dataset import read_pairs
from nsfwcaps.stages.train.reference import Reference
from nsfwcaps.stages.train.safe_items import item_rows, pool_of
from nsfwcaps.training.contrast import ITEMS
from nsfwcaps.training.pairs import Rows, TrainingPairs
from nsfwcaps.training.run import RunPairs

_ITEM = ("id", "caption", "image_sha256")


def run_pairs(
    train: pa.Table,
    validation: pa.Table,
    safe: pa.Table | None,
    reference: Reference,
    targets: Targets,
) -> RunPairs:
    """Return the pairs of a run, from the tables of two splits and of drawn safe items."""
    without = ~_has_partner(train, reference)
    takes = np.zeros_like(without[~without]) if targets is Targets.FIXED else without
    pool = pool_of(safe, reference, takes)
    kept = item_rows(train, reference, "safe", "partner")
    if pool is not None:
        # As many of the pool whatever the number of epochs, so that the sample stays the same.
        kept = kept.and_those(pool.items.take(np.arange(min(ITEMS, len(pool.items)))))
    return RunPairs(
        train=training_pairs(train, reference, targets),
        validation=mined_pairs(validation, reference),
        pool=pool,
        sides=(
            kept,
            item_rows(train, reference, "unsafe"),
        ),
    )


def preserved(train: pa.Table, reference: Reference, run: RunPairs) -> dict[str, int]:
    """Return the numbers of distinct safe items that a run preserves, by where they come from.

    Items of the pool are not among them.
    """
    with_partner = _has_partner(train, reference)
    pairs = run.train
    if len(pairs) != len(with_partner):  # fixed targets: pairs without a partner are left out
        with_partner = np.ones(len(pairs), dtype=np.bool_)
    both = [*zip(pairs.safe_text.tolist(), pairs.safe_image.tolist(), strict=True)]

    def count(chosen: npt.NDArray[np.bool_]) -> int:
        return len({item for item, taken in zip(both, chosen, strict=True) if taken})

    targets = 0 if run.pool is not None else count(~with_partner)
    return {"partners": count(with_partner), "targets": targets}


def usable_pairs(
    files: Sequence[Path], split: Split, reference: Reference, max_reject_share: float
) -> tuple[pa.Table, int]:
    """Return the pairs of a split that were embedded completely, and the number of the others.

    Raises:
        InputError: too many pairs lack an image.
    """
    table = pa.concat_tables([read_pairs(path) for path in files])
    table = table.filter(pc.equal(table["split"], split.value))
    ok = [
        row["unsafe_image_sha256"] in reference.image_row
        and row["safe_image_sha256"] in reference.image_row
        and row["unsafe_id"] in reference.text_row
        and row["safe_id"] in reference.text_row
        for row in table.to_pylist()
    ]
    lacking = len(ok) - sum(ok)
    if lacking > max_reject_share * len(ok):
        first = table.filter(pa.array([not good for good in ok]))["pair_id"].to_pylist()
        raise InputError(
            f"train: {lacking} of {len(ok)} {split} pairs lack a usable image (first: "
            f"{', '.join(first[:3])}), more than max_reject_share allows "
            f"({max_reject_share:.1%}); publish with images, or raise --max-reject-share"
        )
    return table.filter(pa.array(ok, pa.bool_())), lacking


def training_pairs(table: pa.Table, reference: Reference, targets: Targets) -> TrainingPairs:
    """Return the pairs to train on; with fixed targets, only those with a partner."""
    has_partner = pa.array(_has_partner(table, reference))
    for name in _ITEM:
        kept = pc.if_else(has_partner, table[f"partner_{name}"], table[f"safe_{name}"])
        table = table.append_column(f"kept_{name}", kept)
    if targets is Targets.FIXED:
        return _pairs(table.filter(has_partner), reference, safe="kept", target="kept")
    return _pairs(table, reference, safe="kept", target="safe")


def mined_pairs(table: pa.Table, reference: Reference) -> TrainingPairs:
    """Return pairs whose safe item and target are the mined item; every run validates on these."""
    return _pairs(table, reference, safe="safe", target="safe")


def without_partner(table: pa.Table, reference: Reference) -> int:
    """Return the number of pairs without a partner, or whose partner has no usable image."""
    return int((~_has_partner(table, reference)).sum())


def _has_partner(table: pa.Table, reference: Reference) -> npt.NDArray[np.bool_]:
    ids, pictures = (table[f"partner_{name}"].to_pylist() for name in ("id", "image_sha256"))
    return np.array(
        [
            name in reference.text_row and picture in reference.image_row
            for name, picture in zip(ids, pictures, strict=True)
        ],
        dtype=np.bool_,
    )


def _pairs(table: pa.Table, reference: Reference, *, safe: str, target: str) -> TrainingPairs:
    """Return the pairs, with safe items and targets from the given columns."""

    def rows(column: str, index: Mapping[str, int]) -> Rows:
        return np.array([index[item] for item in table[column].to_pylist()], dtype=np.int64)

    return TrainingPairs(
        pair_ids=table["pair_id"].to_pylist(),
        unsafe_captions=table["unsafe_caption"].to_pylist(),
        safe_captions=table[f"{safe}_caption"].to_pylist(),
        target_captions=table[f"{target}_caption"].to_pylist(),
        levels=table["stage"].to_pylist(),
        unsafe_text=rows("unsafe_id", reference.text_row),
        safe_text=rows(f"{safe}_id", reference.text_row),
        unsafe_image=rows("unsafe_image_sha256", reference.image_row),
        safe_image=rows(f"{safe}_image_sha256", reference.image_row),
        target_text=rows(f"{target}_id", reference.text_row),
        target_image=rows(f"{target}_image_sha256", reference.image_row),
    )
