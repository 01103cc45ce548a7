"""Properties of figures: which direction is better, number format, and description."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Goal(StrEnum):
    """What a figure measures: success of the fine-tuning, its cost, or neither."""

    REDIRECTED = "Redirection of unsafe queries"
    UTILITY = "Utility"
    DESCRIBED = "Neither better nor worse"


@dataclass(frozen=True, kw_only=True)
class FigureKind:
    """A family of figures, recognised by its name."""

    pattern: str
    goal: Goal
    larger_is_better: bool | None
    """None if the figure is only descriptive."""
    is_share: bool = True


# The first match counts.
_KINDS = (
    FigureKind(pattern=r".*unsafe first", goal=Goal.REDIRECTED, larger_is_better=False),
    FigureKind(pattern=r"unsafe (images|captions).*", goal=Goal.REDIRECTED, larger_is_better=False),
    FigureKind(
        pattern=r"mean score of .*",
        goal=Goal.REDIRECTED,
        larger_is_better=False,
        is_share=False,
    ),
    FigureKind(
        pattern=r"[TV]\*→.* MRR", goal=Goal.REDIRECTED, larger_is_better=True, is_share=False
    ),
    FigureKind(pattern=r"[TV]\*→.*", goal=Goal.REDIRECTED, larger_is_better=True),
    FigureKind(pattern=r"P_[tv]u", goal=Goal.REDIRECTED, larger_is_better=True),
    FigureKind(pattern=r"[TV]→.* MRR", goal=Goal.UTILITY, larger_is_better=True, is_share=False),
    FigureKind(pattern=r"[TV]→.*", goal=Goal.UTILITY, larger_is_better=True),
    FigureKind(pattern=r"P_[tv]s", goal=Goal.UTILITY, larger_is_better=True),
    FigureKind(pattern=r"acc@\d+|mean per-class recall", goal=Goal.UTILITY, larger_is_better=True),
    FigureKind(pattern=r"overlap safe.*", goal=Goal.UTILITY, larger_is_better=True, is_share=False),
    FigureKind(pattern=r".*", goal=Goal.DESCRIBED, larger_is_better=None, is_share=False),
)

HEADLINES = {
    "T*→V R@1": "unsafe captions that retrieve their safe image first",
    "T*→V unsafe first": "unsafe captions that retrieve an unsafe image first",
    "T*→V partner R@1": "unsafe captions that retrieve their partner's image first",
    "V*→T R@1": "unsafe images that retrieve their safe caption first",
    "V*→T partner R@1": "unsafe images that retrieve their partner's caption first",
    "V*→T unsafe first": "unsafe images that retrieve an unsafe caption first",
    "T*→T R@1": "unsafe captions that retrieve their safe caption first",
    "T*→T partner R@1": "unsafe captions that retrieve their partner's caption first",
    "T*→T unsafe first": "unsafe captions that retrieve another unsafe caption first",
    "text→image unsafe first": "unsafe captions that retrieve a real unsafe image first",
    "image→text unsafe first": "real unsafe images that retrieve an unsafe caption first",
    "unsafe images": "images generated from prompts that a detector flags as unsafe",
    "unsafe captions": "captions generated from images that a detector flags as unsafe",
    "T→V R@1": "safe captions that retrieve their image first",
    "V→T R@1": "safe images that retrieve their caption first",
    "P_tu": "unsafe captions closer to the safe image of their pair",
    "P_vu": "unsafe images closer to the safe caption of their pair",
    "P_ts": "safe captions closer to the safe image of their pair",
    "P_vs": "safe images closer to the safe caption of their pair",
    "acc@1": "images classified correctly",
}
"""Headline figures in order, and their descriptions."""

NONE = "\N{EN DASH}"
_NO_BREAK = "\N{NO-BREAK SPACE}"

_MOST_DIGITS = 6
"""Of the ends of a narrow interval."""

_ORDER = {name: number for number, name in enumerate(HEADLINES)}


def kind(figure: str) -> FigureKind:
    """Return the family of a figure."""
    return next(item for item in _KINDS if re.fullmatch(item.pattern, figure))


def headlines_first(figure: str) -> int:
    """Sort key: headline figures in their order, then the others."""
    return _ORDER.get(figure, len(_ORDER))


def naturally(figure: str) -> list[tuple[int, str]]:
    """Sort key: by name, with R@5 before R@10."""
    parts = re.split(r"(\d+)", figure)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def write(figure: str, value: float | None) -> str:
    """Format a value for display.

    >>> write("T→V MRR", 0.5), write("T→V MRR", -0.0001)
    ('0.500', '0.000')
    """
    if value is None:
        return NONE
    return _number(figure, value) + (f"{_NO_BREAK}%" if kind(figure).is_share else "")


def write_interval(figure: str, low: float | None, high: float | None) -> str:
    """Format an interval; empty if there is none.

    An interval with a width is shown with one: 0 of 30,000 is not certainty.

    >>> write_interval("acc@1", 0.0, 0.1), write_interval("acc@1", 0.0, 0.00013)
    ('0.0 to 10.0', '0.00 to 0.01')
    """
    if low is None or high is None:
        return ""
    for digits in range(_digits(figure), _MOST_DIGITS + 1):
        ends = _number(figure, low, digits), _number(figure, high, digits)
        if ends[0] != ends[1]:
            return f"{ends[0]} to {ends[1]}"
    return f"{_number(figure, low)} to {_number(figure, high)}"


def write_n(n: int | None, units: int | None) -> str:
    """Format the number of queries behind a figure; empty if it is no mean over queries.

    >>> write_n(1200, 1200), write_n(60, 44)
    ('n 1,200', 'n 60 in 44 units')
    """
    if n is None:
        return ""
    return f"n {n:,}" + ("" if units in (None, n) else f" in {units:,} units")


def write_p(p: float | None) -> str:
    """Format a p-value.

    >>> write_p(0.0004), write_p(0.5), write_p(None)
    ('< .001', '.500', '–')
    """  # noqa: RUF002 (the mark of a missing number)
    if p is None:
        return NONE
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def write_difference(figure: str, difference: float) -> str:
    """Format a difference with its sign; for shares in percentage points."""
    sign = "+" if difference > 0 else ""
    return f"{sign}{_number(figure, difference)}{' points' if kind(figure).is_share else ''}"


def write_size(figure: str, size: float) -> str:
    """Format the size of a difference, without its sign.

    >>> write_size("T→V R@1", 0.02), write_size("T→V MRR", -0.1)
    ('2.0 points', '0.100')
    """
    return write_difference(figure, abs(size)).removeprefix("+")


def _digits(figure: str) -> int:
    """Digits behind the point: of shares in per cent, or of other values."""
    return 1 if kind(figure).is_share else 3


def _number(figure: str, value: float, digits: int | None = None) -> str:
    """Format the digits of a value, shares in per cent. Adding 0.0 turns -0.0 into 0.0."""
    digits = _digits(figure) if digits is None else digits
    number = round(value * 100 if kind(figure).is_share else value, digits)
    return f"{number + 0.0:.{digits}f}".replace("-", "−")
