"""The figures of the demo beside what is usual, random and best: is what came out good?"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.artifacts import StageFolder


@dataclass(frozen=True, kw_only=True)
class Usual:
    """Range of a figure over several worlds of the demo's size."""

    low: float
    high: float


PAIRS: Mapping[str, Usual] = {
    "precision": Usual(low=0.30, high=0.37),
    "added": Usual(low=0.19, high=0.25),
    "replaced": Usual(low=0.33, high=0.41),
    "distance": Usual(low=2.44, high=2.49),
    "correlation": Usual(low=0.29, high=0.38),
}
"""Measured by `nsfwcaps run demo --set world.seed=N` for N from 0 to 3."""

TRAINING: Mapping[str, tuple[str, Usual]] = {
    "unsafe_text_to_image": (
        "unsafe captions that find their safe picture (T*→V)",
        Usual(low=0.03, high=0.05),
    ),
    "unsafe_image_to_text": (
        "unsafe pictures that find their safe caption (V*→T)",
        Usual(low=0.0, high=0.02),
    ),
    "unsafe_first": (
        "unsafe queries whose nearest item is unsafe",
        Usual(low=0.95, high=0.97),
    ),
    "safe_text_to_image": (
        "safe captions that find their picture (T→V)",
        Usual(low=1.0, high=1.0),
    ),
    "safe_image_to_text": (
        "safe pictures that find their caption (V→T)",
        Usual(low=1.0, high=1.0),
    ),
}
"""Scores on the validation split: in words, and after training in the worlds 0 and 1."""

_WIDTH = 96
_BEST = {"unsafe_first": "0%"}


def pairs_table(score: Any, by_edit: Mapping[str, Any]) -> str:
    """Write the score of the pairs against the ground truth, with what to hold it against."""
    correlation = score.difficulty_correlation
    rows = [
        (
            f"target is a closest safe scene ({score.pairs:,} pairs)",
            f"{score.precision:.0%}",
            _percent(PAIRS["precision"]),
            f"{score.chance:.1%}",
            "100%",
        ),
        *(
            (
                f"  hazard {edit} ({each.pairs:,} pairs)",
                f"{each.precision:.0%}",
                _percent(PAIRS[edit]),
                f"{each.chance:.1%}",
                "100%",
            )
            for edit, each in by_edit.items()
        ),
        (
            "mean distance to the target",
            f"{score.mined_distance:.2f}",
            _plain(PAIRS["distance"]),
            "",
            f"{score.nearest_distance:.2f}",
        ),
        (
            "rank correlation of difficulty and distance",
            "undefined" if correlation is None else f"{correlation:.2f}",
            _plain(PAIRS["correlation"]),
            "0",
            "1",
        ),
    ]
    heads = ("Pairs against the ground truth", "here", "usual", "random", "best")
    return _aligned([heads, *rows])


def training_table(out: Path) -> str:
    """Write what training changed on the validation split; empty without one."""
    record = StageFolder(out / "train").record()
    if record is None or not record.facts["validation"][0]:
        return ""
    scores, pairs = record.facts["validation"], record.facts["pairs"]["validation"]
    before, after = scores[0], scores[record.facts["kept_epoch"]]
    heads = (
        f"Training, on {pairs:,} validation pairs (one is {1 / pairs:.1%})",
        "before",
        "after",
        "usual",
        "best",
    )
    rows = [
        (text, f"{before[key]:.0%}", f"{after[key]:.0%}", _percent(usual), _BEST.get(key, "100%"))
        for key, (text, usual) in TRAINING.items()
        if key in before
    ]
    return _aligned([heads, *rows])


def reading(out: Path) -> str:
    """Say what a good figure is, and what the training of the demo shows."""
    text = (
        "Usual: over four worlds of this size, and over two for training. Good: in that range, or "
        "nearer to the best."
    )
    record = StageFolder(out / "train").record()
    if record is not None:
        text += (
            f" So few steps ({record.facts['steps']:,}) show that training works, not how far it "
            "goes: unsafe queries begin to find safe items, and safe ones must not get worse. "
            "Trained longer on a tighter world, safer-clip redirects 21% of the captions and 10% "
            "of the pictures (Fine-tune, in the documentation)."
        )
    return textwrap.fill(text, _WIDTH)


def _percent(usual: Usual) -> str:
    low, high = f"{usual.low:.0%}", f"{usual.high:.0%}"
    return low if low == high else f"{low} to {high}"


def _plain(usual: Usual) -> str:
    return f"{usual.low:.2f} to {usual.high:.2f}"


def _aligned(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
