"""train, its pairs: rows of published tables to rows of the reference, and what takes which place.

A pair's safe item is kept, its target is what the unsafe item is sent to. Without partners both
are the mined item. With one, the partner is kept, and the target is the mined item (nearest) or
the partner (fixed).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.enums import Targets
from nsfwcaps.stages.train.reference import Reference
from nsfwcaps.training.pairs import Rows, TrainingPairs

_ITEM = ("id", "caption", "image_sha256")


def training_pairs(table: pa.Table, reference: Reference, targets: Targets) -> TrainingPairs:
    """Pairs to train on; for fixed targets those that have a partner alone."""
    has_partner = pa.array(_has_partner(table, reference))
    for name in _ITEM:
        kept = pc.if_else(has_partner, table[f"partner_{name}"], table[f"safe_{name}"])
        table = table.append_column(f"kept_{name}", kept)
    if targets is Targets.FIXED:
        return _pairs(table.filter(has_partner), reference, safe="kept", target="kept")
    return _pairs(table, reference, safe="kept", target="safe")


def mined_pairs(table: pa.Table, reference: Reference) -> TrainingPairs:
    """Pairs whose safe item and target are the mined one: what every run is validated on."""
    return _pairs(table, reference, safe="safe", target="safe")


def without_partner(table: pa.Table, reference: Reference) -> int:
    """Number of pairs that have no partner, or one without a usable image."""
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
    """Pairs with the items of these columns in the two places."""

    def rows(column: str, index: Mapping[str, int]) -> Rows:
        return np.array([index[item] for item in table[column].to_pylist()], dtype=np.int64)

    return TrainingPairs(
        pair_ids=table["pair_id"].to_pylist(),
        unsafe_captions=table["unsafe_caption"].to_pylist(),
        safe_captions=table[f"{safe}_caption"].to_pylist(),
        target_ids=table[f"{target}_id"].to_pylist(),
        stages=table["stage"].to_pylist(),
        unsafe_text=rows("unsafe_id", reference.text_row),
        safe_text=rows(f"{safe}_id", reference.text_row),
        unsafe_image=rows("unsafe_image_sha256", reference.image_row),
        safe_image=rows(f"{safe}_image_sha256", reference.image_row),
        target_text=rows(f"{target}_id", reference.text_row),
        target_image=rows(f"{target}_image_sha256", reference.image_row),
    )
