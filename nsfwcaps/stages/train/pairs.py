"""train, pairs: map rows of published tables to rows of the reference.

The safe item of a pair is preserved; the unsafe item is redirected to the target. Without a
partner, both are the mined item. With a partner, the partner is preserved, and the target is the
mined item (nearest) or the partner (fixed).
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
from nsfwcaps.training.methods import Method
from nsfwcaps.training.pairs import ItemRows, Rows, TrainingPairs
from nsfwcaps.training.run import RunPairs

_ITEM = ("id", "caption", "image_sha256")


def run_pairs(
    train: pa.Table, validation: pa.Table, reference: Reference, method: Method
) -> RunPairs:
    """Return the pairs of a run of this method, from the tables of two splits."""
    chosen = training_pairs(train, reference, method.targets)
    return RunPairs(
        train=chosen,
        validation=mined_pairs(validation, reference),
        sides=(
            _items(train, reference, "safe", "partner"),
            _items(train, reference, "unsafe"),
        ),
    )


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


def _items(table: pa.Table, reference: Reference, *sides: str) -> ItemRows:
    """Return the distinct usable items of some sides of the pairs, in order of occurrence."""
    found: dict[tuple[int, int], str] = {}
    for row in table.to_pylist():
        for side in sides:
            text = reference.text_row.get(row[f"{side}_id"])
            image = reference.image_row.get(row[f"{side}_image_sha256"])
            if text is not None and image is not None:
                found.setdefault((text, image), row[f"{side}_caption"])
    text_rows, image_rows = np.array([*found], dtype=np.int64).reshape(-1, 2).T
    return ItemRows(captions=[*found.values()], text=text_rows, image=image_rows)


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
        target_ids=table[f"{target}_id"].to_pylist(),
        levels=table["stage"].to_pylist(),
        unsafe_text=rows("unsafe_id", reference.text_row),
        safe_text=rows(f"{safe}_id", reference.text_row),
        unsafe_image=rows("unsafe_image_sha256", reference.image_row),
        safe_image=rows(f"{safe}_image_sha256", reference.image_row),
        target_text=rows(f"{target}_id", reference.text_row),
        target_image=rows(f"{target}_image_sha256", reference.image_row),
    )
