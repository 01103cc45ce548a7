"""What can be counted again from the files of a data set, against its manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.captions.overlap import overlap_of
from nsfwcaps.card_check.published import DATA, MANIFEST, SAFE, Finding, PublishedFolder
from nsfwcaps.card_check.trees import Rules, differences
from nsfwcaps.enums import DifficultyLevel
from nsfwcaps.mining.deciding import COSINES
from nsfwcaps.mining.quality import quality_of
from nsfwcaps.mining.selection import hub_statistics
from nsfwcaps.tables import read_tables

_COUNTED = ("split", "stage", "category", "unsafe_image_label", "flags")
_READ = ("pair_id", "safe_id", "partner_id", "difficulty", *_COUNTED, *COSINES)
_RULES = Rules(may_add=lambda place: not _is_count(place))
_OF_MINING = "borders"
_NO_LABEL = "none"


def check_counts(published: PublishedFolder) -> Iterator[Finding]:
    """Yield each fact of the manifest that the pairs do not bear out."""
    there = published.columns(DATA).names
    names = [name for name in _READ if name in there]
    pairs = pa.concat_tables(read_tables(published.files(DATA), names))
    facts = _known(_recounted(published, pairs), published.stages)
    for what in differences(facts, published.stages, _RULES, "stages"):
        yield Finding(file=MANIFEST, what=what)
    for what in (*_twice(pairs), *_borders(pairs, published.stages)):
        yield Finding(file=DATA, what=what)


def _is_count(place: str) -> bool:
    """Whether a place is below one of the tables of counts, which have no other rows."""
    return any(f".facts.{name}." in place for name in (*_COUNTED, "stages", "sim_text"))


def _recounted(published: PublishedFolder, pairs: pa.Table) -> dict[str, Any]:
    stages = published.stages
    facts: dict[str, Any] = {"pairs": pairs.num_rows, **_tables(pairs)}
    if "partner_id" in pairs.column_names:
        facts["partners"] = {"kept": pairs.num_rows - pairs["partner_id"].null_count}
    if (overlap := overlap_of(published.files(DATA))) is not None:
        facts["overlap"] = overlap.as_dict()
    if {"safe_id", "sim_text", "category", "stage"} <= {*pairs.column_names}:
        facts["quality"] = _quality(pairs, stages)
    if items := published.files(SAFE):
        rows = sum(table.num_rows for table in read_tables(items, ["safe_id"]))
        facts["safe_items"] = {"count": rows}
    found: dict[str, Any] = {"publish": {"facts": facts}}
    # A review removes and changes pairs that these stages counted.
    if "review" not in stages["publish"]["facts"]:
        uses = np.array([*Counter(pairs["safe_id"].to_pylist()).values()], dtype=np.int64)
        found["mine"] = {"facts": {"pairs": pairs.num_rows, "hubs": hub_statistics(uses)}}
        found["grade"] = {"facts": _levels(pairs)}
    return found


def _tables(pairs: pa.Table) -> dict[str, dict[str, int]]:
    """Count the pairs by split, level and so on, as publish does."""
    found = {}
    for name in _COUNTED:
        if name not in pairs.column_names:
            continue
        column = pc.list_flatten(pairs[name]) if name == "flags" else pairs[name]
        found[name] = dict(Counter(value or _NO_LABEL for value in column.to_pylist()))
    return found


def _levels(pairs: pa.Table) -> dict[str, Any]:
    """Count the pairs of each level, and the quartiles of their cosines of captions."""
    of_pair = np.array(pairs["stage"].to_pylist())
    sims = np.asarray(pairs["sim_text"].to_numpy(), dtype=np.float64)
    parts = {level.value: sims[of_pair == level.value] for level in DifficultyLevel}
    return {
        "stages": {name: len(part) for name, part in parts.items()},
        "sim_text": {
            name: [round(float(value), 4) for value in np.quantile(part, [0.25, 0.5, 0.75])]
            if len(part)
            else []
            for name, part in parts.items()
        },
    }


def _quality(pairs: pa.Table, stages: Mapping[str, Any]) -> dict[str, Any]:
    """Measure how close the pairs are; without the border where that of the manifest is another."""
    embed, mine = stages["embed"]["facts"], stages["mine"]["settings"]
    found = quality_of(pairs, embed["encoder"], mine).as_dict()
    noted = stages["publish"]["facts"].get("quality", {})
    same = (noted.get("border") or {}).get("cosine") == (found["border"] or {}).get("cosine")
    for name in ("border", "no_border", "encoder", "similarity"):
        del found[name]
    if not same:
        spreads = (found["overall"], *found["category"].values(), *found["stage"].values())
        for spread in spreads:
            del spread["below"]
    return found


def _known(found: Mapping[str, Any], noted: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what the manifest of an earlier version has not counted."""
    known: dict[str, Any] = {}
    for name, part in found.items():
        facts, theirs = part["facts"], noted[name]["facts"]
        known[name] = {"facts": {key: value for key, value in facts.items() if key in theirs}}
    return known


def _twice(pairs: pa.Table) -> Iterator[str]:
    if repeated := pairs.num_rows - len(pairs["pair_id"].unique()):
        yield f"{repeated:,} rows have a pair_id that another row has too"


def _borders(pairs: pa.Table, stages: Mapping[str, Any]) -> Iterator[str]:
    """Check that the borders of difficulty part the levels."""
    borders = stages["grade"]["facts"].get(_OF_MINING, {})
    for name, border in borders.items():
        level = [item.value for item in DifficultyLevel]
        above = level[level.index(name) + 1 :]
        for other, is_above in [(name, False), *((each, True) for each in above)]:
            part = pairs.filter(pc.equal(pairs["stage"], other))["difficulty"]
            values = np.asarray(part.drop_null().to_numpy(), dtype=np.float64)
            off = (values < border - 1e-6) if is_above else (values > border + 1e-6)
            if off.any():
                yield (
                    f"{int(off.sum()):,} pairs of level {other} are on the other side of the "
                    f"border {border:.3f} that {MANIFEST} gives for {name}"
                )
