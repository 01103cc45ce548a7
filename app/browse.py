"""Look through the pairs of a data set, one at a time, captions hidden until asked for.

streamlit run app/browse.py -- DATASET_FOLDER      (what `nsfwcaps review` does)
"""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

from nsfwcaps.errors import NsfwcapsError
from nsfwcaps.review.pairs import Pair, PairSet

_STAGES = ("easy", "medium", "hard")


@st.cache_resource
def _open(folder: str) -> PairSet:
    return PairSet(Path(folder))


def main(folder: str) -> None:
    """Draw the page."""
    st.set_page_config(page_title="nsfwcaps pairs", layout="wide")
    try:
        pairs = _open(folder)
    except NsfwcapsError as error:
        st.error(str(error))
        return
    st.header("Pairs")
    st.caption("Captions stay hidden until you ask for one. Hiding is no protection: take breaks.")
    categories, stages = _filters(pairs)
    rows = pairs.choose(categories, stages)
    if not rows:
        st.info("No pair has these categories and stages.")
        return
    number = st.number_input(f"Pair (1 to {len(rows)}), easiest first", 1, len(rows), 1)
    _show(pairs.pair(rows[int(number) - 1]))


def _filters(pairs: PairSet) -> tuple[list[str], list[str]]:
    counts = pairs.counts("category")
    stage_counts = pairs.counts("stage")
    with st.sidebar:
        categories = st.multiselect(
            "Categories",
            list(counts),
            default=list(counts),
            format_func=lambda name: f"{name} ({counts[name]})",
        )
        stages = st.multiselect(
            "Stages",
            [stage for stage in _STAGES if stage in stage_counts],
            default=[stage for stage in _STAGES if stage in stage_counts],
            format_func=lambda name: f"{name} ({stage_counts[name]})",
        )
    return categories, stages


def _show(pair: Pair) -> None:
    facts = st.columns(5)
    for place, (name, value) in zip(
        facts,
        {
            "category": pair.category,
            "stage": pair.stage,
            "difficulty": f"{pair.difficulty:.2f}",
            "cosine": f"{pair.sim_text:.2f}",
            "shared by": str(pair.hub_count),
        }.items(),
        strict=True,
    ):
        place.metric(name, value)
    unsafe, safe = st.columns(2)
    unsafe.subheader("unsafe")
    safe.subheader("safe")
    # One key a pair: what was shown of one pair does not show the next.
    if unsafe.toggle("show the unsafe caption", key=f"unsafe-{pair.pair_id}"):
        unsafe.text(pair.unsafe_caption)  # text, never Markdown or HTML: captions are data
    if safe.toggle("show the safe caption", key=f"safe-{pair.pair_id}"):
        safe.text(pair.safe_caption)
    st.caption(f"{pair.split} · {pair.pair_id}")


if __name__ == "__main__":
    main(sys.argv[1])
