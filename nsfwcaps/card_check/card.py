"""The card against the one that the manifest gives, but for the user's section and wording."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from nsfwcaps.card_check.numbers import differ, numbers, wording
from nsfwcaps.card_check.published import CARD, DATA, Finding, PublishedFolder
from nsfwcaps.card_check.trees import Rules, differences
from nsfwcaps.cards import dataset
from nsfwcaps.delivery import own_section

_EXACT = ("license", "size_categories", "configs", "dataset_info")
"""Keys of the front matter that the data decide; the others are the publisher's."""
_ALIKE = 0.6
_SHOWN = 60
_Line = tuple[int, str]


def check_card(published: PublishedFolder, *, is_current: bool) -> Iterator[Finding]:
    """Yield each line of the card with a number or a table row that the data do not bear out.

    `is_current` says that this version wrote the card, so that its lines can be missed.
    """
    import jinja2

    place = published.folder / CARD
    if not place.is_file():
        yield Finding(file=CARD, what="is missing; publish again")
        return
    settings = published.stages["publish"]["settings"]
    try:
        ours = dataset.render(settings, published.manifest, published.columns(DATA))
    except (jinja2.UndefinedError, LookupError, TypeError):
        yield Finding(
            file=CARD, what="cannot be compared, as an earlier version wrote it; publish again"
        )
        return
    theirs = place.read_text(encoding="utf-8", errors="replace")
    ours_front, ours_body, _ = _parts(ours)
    front, body, start = _parts(theirs)
    yield from _front_matter(ours_front, front)
    for what in _lines(ours_body, body, start, is_current=is_current):
        yield Finding(file=CARD, what=what)


def front_matter(text: str) -> dict[str, Any] | None:
    """Return the front matter of a card; None without a readable one."""
    import yaml

    try:
        found = yaml.safe_load(_parts(text)[0])
    except yaml.YAMLError:
        return None
    return found if isinstance(found, dict) else None


def _parts(card: str) -> tuple[str, list[str], int]:
    """Part a card into its front matter, its lines, and the number of the first of these."""
    lines = card.replace("\r\n", "\n").split("\n")
    if lines[0] != "---" or "---" not in lines[1:]:
        return "", lines, 1
    end = lines.index("---", 1)
    return "\n".join(lines[1:end]), lines[end + 1 :], end + 2


def _front_matter(expected: str, found: str) -> Iterator[Finding]:
    import yaml

    ours = yaml.safe_load(expected)
    try:
        theirs = yaml.safe_load(found)
    except yaml.YAMLError:
        theirs = None
    if not isinstance(theirs, dict):
        yield Finding(file=CARD, what="has no readable front matter; publish again")
        return
    rules = Rules(may_add=lambda place: place.partition(".")[0] not in _EXACT)
    wanted = {key: ours[key] for key in _EXACT}
    for what in differences(wanted, theirs, rules):
        advice = "; set it with publish --license" if what.startswith("license:") else ""
        yield Finding(file=CARD, what=f"front matter, {what}{advice}")


def _lines(
    expected: Sequence[str], found: Sequence[str], start: int, *, is_current: bool
) -> Iterator[str]:
    """Compare the lines outside the user's section."""
    ours = [(0, line.strip()) for line in expected]
    theirs = _without_own_section([(start + at, line.strip()) for at, line in enumerate(found)])
    ours, theirs = _not_among(ours, theirs), _not_among(theirs, ours)
    for number, line in theirs:
        match = _nearest(line, ours)
        if match is None:
            if is_current and (numbers(line) or line.startswith("|")):
                yield (
                    f"line {number} is not nsfwcaps' own, so its numbers cannot be checked; move "
                    "text of yours between the two comments at the end"
                )
            continue
        ours.remove(match)
        compare = _difference if is_current else differ
        if (pair := compare(match[1], line)) is not None:
            yield f"line {number}: has {pair[1]}; the data say {pair[0]}"
    for _, line in ours if is_current else ():
        if numbers(line) or line.startswith("|"):
            yield f"lacks the line '{_shown(line)}'"


def _without_own_section(lines: list[_Line]) -> list[_Line]:
    """Drop the lines between the two comments, if each is there once."""
    starts = [at for at, (_, line) in enumerate(lines) if own_section.START in line]
    ends = [at for at, (_, line) in enumerate(lines) if own_section.END in line]
    if len(starts) != 1 or len(ends) != 1 or starts[0] > ends[0]:
        return lines
    return [*lines[: starts[0]], *lines[ends[0] + 1 :]]


def _not_among(lines: Sequence[_Line], others: Sequence[_Line]) -> list[_Line]:
    """Return the lines that the others lack, each as often as it is missing."""
    rest = Counter(line for _, line in others)
    found = []
    for number, line in lines:
        if not line or own_section.START in line or own_section.END in line:
            continue
        if rest[line]:
            rest[line] -= 1
        else:
            found.append((number, line))
    return found


def _nearest(line: str, others: Sequence[_Line]) -> _Line | None:
    """Return the line that this one was made from: of equal wording, or else the most alike."""
    same = [other for other in others if wording(other[1]) == wording(line)]
    cells = line.startswith("|")
    if same:
        return max(same, key=lambda other: _ratio(other[1], line))
    if cells:
        others = [other for other in others if other[1].count("|") == line.count("|")]
    best = max(others, key=lambda other: _ratio(wording(other[1]), wording(line)), default=None)
    if best is None or _ratio(wording(best[1]), wording(line)) < _ALIKE:
        return None
    return best


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()


def _difference(expected: str, found: str) -> tuple[str, str] | None:
    """Return what differs in a line: a number or name, or a cell of a table but for the last."""
    if expected.startswith("|") and found.startswith("|"):
        ours, theirs = (
            [cell.strip() for cell in line.split("|")[1:-1]] for line in (expected, found)
        )
        for one, other in zip(ours[:-1], theirs[:-1], strict=False):
            if one != other:
                return one, other
    return differ(expected, found)


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.split("|")[1:-1]]


def _shown(line: str) -> str:
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
