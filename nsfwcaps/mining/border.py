"""The cosine below which a mined pair is more likely wrong than right, where it was measured.

Cosines of two encoders are not comparable, so each encoder has a border of its own. Those of the
bundled encoders are from `benchmarks/border.py`, whose docstring says how they are chosen. Any
other encoder, and any fine-tuned one, has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nsfwcaps.enums import Pairing


@dataclass(frozen=True, kw_only=True)
class MeasuredShare:
    """A share of pairs, with its 95 % Wilson interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.value:.0f} % [{100 * self.low:.0f}, {100 * self.high:.0f}]"


@dataclass(frozen=True, kw_only=True)
class CosineBorder:
    """A border, and how well it told wrong from right pairs on pairs that it was not chosen on."""

    cosine: float
    wrong_below: MeasuredShare
    right_above: MeasuredShare
    measured_on: str
    pairs: int
    """Number of pairs that it was measured on."""
    right: float
    """Share of these that are right."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @property
    def meaning(self) -> tuple[str, str]:
        """Say it in two lines."""
        return (
            f"Below {self.cosine}, more pairs are wrong than right. "
            f"Of {self.pairs:,} {self.measured_on},",
            f"{self.wrong_below} of those below it were wrong, {self.right_above} of those above "
            "it right.",
        )


BORDERS: Mapping[tuple[str, str], CosineBorder] = {
    ("minilm", "a4350744173ce94918561716d57d38e270670ee80657c6e2891ea77dfe0dafa7"): CosineBorder(
        cosine=0.51,
        wrong_below=MeasuredShare(value=0.703, low=0.648, high=0.752),
        right_above=MeasuredShare(value=0.807, low=0.780, high=0.832),
        measured_on="pairs with known counterparts",
        pairs=1174,
        right=0.680,
    ),
    ("mini", "dbf6b1f96a082701d40925c401ac0ca2f6492d3e4fab8dfba18219575777e65d"): CosineBorder(
        cosine=0.65,
        wrong_below=MeasuredShare(value=0.700, low=0.678, high=0.721),
        right_above=MeasuredShare(value=0.558, low=0.498, high=0.617),
        measured_on="pairs of the icon world",
        pairs=2000,
        right=0.335,
    ),
}
"""By name of the encoder and SHA-256 of its weights."""


def border_of(
    encoder: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[CosineBorder | None, str | None]:
    """Return the border for pairs, or why none applies.

    Args:
        encoder: Facts that embed recorded of the encoder.
        settings: Settings of mine.
    """
    if settings.get("pairing") == Pairing.PARTNER:
        return None, "the pairs are those of the pools, and no border is measured for them"
    if settings.get("similarity", "text") != "text":
        return None, "images decided the targets, and no border is measured for that"
    found = BORDERS.get((str(encoder.get("name")), str(encoder.get("weights_sha256"))))
    return found, None if found else "no border is measured for this encoder"
