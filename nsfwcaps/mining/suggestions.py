"""What would give better pairs; nothing for good ones, and nothing that would lose pairs unsaid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nsfwcaps.enums import Pairing
from nsfwcaps.mining.quality import PairQuality


@dataclass(frozen=True, kw_only=True)
class MiningChoices:
    """Settings of mine, and sizes of its search, that a suggestion depends on."""

    pairing: str = Pairing.NEAREST.value
    rank: str = ""
    hub_cap: int | None = None
    k: int = 1
    targets: int | None = None
    """Safe captions, or their pictures, that could be targets; None if unknown."""
    depth: int | None = None
    """How many of them each unsafe caption had as candidates; None if unknown."""

    @classmethod
    def of(cls, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> MiningChoices:
        """Read the settings and the facts of mine."""
        return cls(
            pairing=str(settings.get("pairing", Pairing.NEAREST.value)),
            rank=str(settings.get("rank", "")),
            hub_cap=settings.get("hub_cap"),
            k=settings.get("k", 1),
            targets=facts.get("targets"),
            depth=facts.get("candidates"),
        )

    def cap_for(self, pairs: int) -> int | None:
        """Return a cap on the pairs of a target with which all pairs are possible.

        Half of the places stay free, so that the next best target is still a near one. No unsafe
        caption then finds all of its candidates taken. None if the sizes are unknown.
        """
        if not self.targets or self.depth is None or self.depth < self.k:
            return None
        never_all_taken = pairs // (self.depth - self.k + 1) + 1
        return max(2 * self.even_share(pairs), never_all_taken)

    def even_share(self, pairs: int) -> int:
        """Return the pairs of each target if all had as many; 1 if the sizes are unknown."""
        return -(-pairs // self.targets) if self.targets else 1


def suggestions(quality: PairQuality, choices: MiningChoices) -> Iterator[str]:
    """Yield what would help, most helpful first."""
    whole, border = quality.overall, quality.border
    if choices.pairing == Pairing.PARTNER:  # the pools decide the pairs
        return
    if border is not None and whole.below is not None and whole.pairs:
        share = whole.below / whole.pairs
        if share >= 0.5:
            yield "a larger safe pool, or one of more similar scenes, has closer targets"
        if share >= 0.2 and whole.below < whole.pairs:
            yield (
                f"--min-similarity {border.cosine} would keep "
                f"{whole.pairs - whole.below:,} of {whole.pairs:,} pairs"
            )
    hub = max(quality.targets.values(), default=0)
    if hub >= 5 and hub >= 0.05 * whole.pairs and choices.hub_cap is None:
        yield from _against_hub(hub, whole.pairs, choices)


def _against_hub(hub: int, pairs: int, choices: MiningChoices) -> Iterator[str]:
    """Suggest a cap if it at least halves the largest hub, else other ways."""
    said = f"one target is in {hub:,} of {pairs:,} pairs"
    softer = choices.rank == "cosine" and 2 * choices.even_share(pairs) <= hub
    cap = choices.cap_for(pairs)
    if cap is not None and choices.targets is not None and 2 * cap <= hub:
        even = " or --rank inverted-softmax" if softer else ""
        most = f"{cap * choices.targets:,}"
        yield f"{said}: --hub-cap {cap}{even} spreads them (room for {most} pairs at most)"
    elif softer:
        yield f"{said}: --rank inverted-softmax or a larger safe pool spreads them"
    elif choices.targets is not None:
        there = f"targets there are: {choices.targets:,}"
        yield f"{said}: only a larger safe pool spreads them ({there})"
