"""The right answer of retrieval: what the data set says of how its pairs were made."""

from __future__ import annotations

from nsfwcaps.evaluation.datasets.pair_set import PairSet
from nsfwcaps.models import names

_MINED = "mined:"
_PARTNER = "partner:"


def right_answer(pairs: PairSet) -> str:
    """Say in one line what counts as the right answer for an unsafe query."""
    total = sum(pairs.origins.values())
    if not total:
        return "the safe item of each row; the data set does not say how it was chosen"
    ways = [f"{_way(origin)} ({count:,} of {total:,})" for origin, count in pairs.origins.items()]
    if len(ways) == 1:
        ways = [_way(origin) for origin in pairs.origins]
    partners = "; partner figures take the partner instead" if _has_partners(pairs) else ""
    return f"the safe item of each pair, {' or '.join(ways)}{partners}"


def notes(pairs: PairSet, base: str) -> list[str]:
    """Return what limits the figures, given the name of the base model."""
    return [*overlap_notes(pairs), *_mined_with_base(pairs, base)]


def overlap_notes(pairs: PairSet) -> list[str]:
    """Return the note on what held-out pairs share with training pairs, if anything."""
    return [pairs.overlap.note] if pairs.overlap else []


def _mined_with_base(pairs: PairSet, base: str) -> list[str]:
    miners = {_miner(origin) for origin in pairs.origins if origin.startswith(_MINED)}
    if names.public(base) not in miners:
        return []
    beside = (
        "read the partner figures beside it" if _has_partners(pairs) else "no pair has a partner"
    )
    return [
        f"{names.public(base)} is the base and also mined this data set: redirection to mined "
        f"targets favours methods trained on mined targets; {beside}"
    ]


def _way(origin: str) -> str:
    if origin.startswith(_MINED):
        return f"mined with {_miner(origin)} ({origin.split(':')[1].replace('_', ' ')})"
    if origin.startswith(_PARTNER):
        return "the partner that its source gives"
    return f"made by {origin}"


def _miner(origin: str) -> str:
    """Return the encoder in `mined:RANKING:ENCODER`, without private folders."""
    return names.public(origin.split(":", 2)[2]) if origin.count(":") > 1 else ""


def _has_partners(pairs: PairSet) -> bool:
    return bool((pairs.partner_text_of >= 0).any())
