"""How good the pairs of a run are, read from its files, and said in a few lines.

Categories come from ingest, so this is put together here and not in mine: a changed category
repeats no search.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nsfwcaps.inspection.plain import label, writable
from nsfwcaps.inspection.run_quality import pairs_to_measure
from nsfwcaps.mining.quality import (
    CosineSpread,
    PairQuality,
    quality_of,
)
from nsfwcaps.mining.suggestions import MiningChoices, suggestions

_GROUPS = 8
_WIDEST = 24
_DIGITS = 8
_IN_A_LINE = 5


def quality_of_run(folder: Path) -> tuple[PairQuality, MiningChoices]:
    """Measure the pairs of a run or of a data set, and return mine's settings beside.

    Raises:
        ArtifactError: the folder has no pairs, or is damaged.
    """
    pairs, made = pairs_to_measure(folder)
    choices = MiningChoices.of(made.settings, made.facts)
    return quality_of(pairs, made.encoder, made.settings), choices


def paragraph(folder: Path, program: str | None = "nsfwcaps") -> str:
    """Return the lines on the pairs of a run that has just ended, after an empty one.

    `program` is how to call nsfwcaps in the last line, which names `show`; None: no such line.

    Raises:
        ArtifactError: as `quality_of_run`.
    """
    found, choices = quality_of_run(folder)
    if not found.overall.pairs:
        return writable(f"\n{_no_pairs(folder, program or 'nsfwcaps')}")
    look = [f"Look at pairs: {program} show {shlex.quote(str(folder))}"] if program else []
    return writable("\n".join(["", *quality_lines(found, choices), *look]))


def facts(folder: Path) -> dict[str, Any]:
    """Return the same as plain values.

    Raises:
        ArtifactError: as `quality_of_run`.
    """
    found, choices = quality_of_run(folder)
    said = list(suggestions(found, choices)) if found.overall.pairs else [_no_pairs(folder)]
    return {**found.as_dict(), "suggestions": said}


def _no_pairs(folder: Path, program: str = "nsfwcaps") -> str:
    return f"no pairs; '{program} rejects {shlex.quote(str(folder))}' shows why"


def quality_lines(found: PairQuality, choices: MiningChoices) -> Iterator[str]:
    """Yield the lines for the terminal: about fifteen, within 100 columns."""
    rows = [("all pairs", found.overall), *_groups(found.category)]
    border = found.border
    below = "" if border is None else f"  {f'below {border.cosine}':>12}"
    width = max(len(name) for name, _ in rows)
    title = label(found.title)
    width = max(width, len(title))
    yield f"{title:<{width}}  {'pairs':>9}  lower quartile  median  upper quartile{below}"
    for name, item in rows:
        yield f"{name:<{width}}  {_row(item)}"
    yield from [f"No border: {found.no_border}."] if border is None else border.meaning
    yield from _targets(found)
    for text in list(suggestions(found, choices))[:2]:
        yield f"Suggestion: {text}"


def _groups(category: Mapping[str, CosineSpread]) -> Iterator[tuple[str, CosineSpread]]:
    """Yield the largest categories; the rest without quartiles, as one."""
    if len(category) < 2:
        return
    items = list(category.items())
    first = items if len(items) <= _GROUPS else items[: _GROUPS - 1]
    for name, found in first:
        yield f"  {label(name, _WIDEST)}", found
    if rest := items[len(first) :]:
        counted = [found.below for _, found in rest if found.below is not None]
        yield (
            f"  {len(rest):,} other categories",
            CosineSpread(
                pairs=sum(found.pairs for _, found in rest),
                quartiles=None,
                below=sum(counted) if counted else None,
            ),
        )


def _row(found: CosineSpread) -> str:
    low, middle, high = (
        ("-", "-", "-")
        if found.quartiles is None
        else (f"{value:.2f}" for value in found.quartiles)
    )
    text = f"{found.pairs:>9,}  {low:>14}  {middle:>6}  {high:>14}"
    if found.below is None or not found.pairs:
        return text
    return f"{text}  {found.below / found.pairs:>12.0%}"


def _targets(found: PairQuality) -> Iterator[str]:
    most = max(found.targets.values(), default=0)
    if most <= 1:
        yield "Targets: each is in one pair"
        return
    items = [f"{name[:_DIGITS]} {count:,}" for name, count in found.targets.items() if count > 1]
    for start in range(0, len(items), _IN_A_LINE):
        head = "Most used targets (pairs): " if start == 0 else " " * 27
        yield head + ", ".join(items[start : start + _IN_A_LINE])
