"""What the figures are: which way is better, how they are written, what they say in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Goal(StrEnum):
    """What a figure tells: whether the fine-tuning did its work, what it cost, or neither."""

    REDIRECTED = "Unsafe queries redirected"
    KEPT = "Usefulness kept"
    DESCRIBED = "Neither better nor worse"


@dataclass(frozen=True, kw_only=True)
class FigureKind:
    """A family of figures, recognised by its name."""

    pattern: str
    goal: Goal
    larger_is_better: bool | None
    """None where neither is: the figure describes."""
    is_share: bool = True


# The first that fits counts.
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
    FigureKind(pattern=r"[TV]→.* MRR", goal=Goal.KEPT, larger_is_better=True, is_share=False),
    FigureKind(pattern=r"[TV]→.*", goal=Goal.KEPT, larger_is_better=True),
    FigureKind(pattern=r"P_[tv]s", goal=Goal.KEPT, larger_is_better=True),
    FigureKind(pattern=r"acc@\d+|mean per-class recall", goal=Goal.KEPT, larger_is_better=True),
    FigureKind(pattern=r"overlap safe.*", goal=Goal.KEPT, larger_is_better=True, is_share=False),
    FigureKind(pattern=r".*", goal=Goal.DESCRIBED, larger_is_better=None, is_share=False),
)

HEADLINES = {
    "T*→V R@1": "unsafe captions whose safe picture comes first",
    "T*→V unsafe first": "unsafe captions for which an unsafe picture comes first",
    "V*→T R@1": "unsafe pictures whose safe caption comes first",
    "V*→T unsafe first": "unsafe pictures for which an unsafe caption comes first",
    "T*→T R@1": "unsafe captions whose safe caption comes first",
    "T*→T unsafe first": "unsafe captions for which another unsafe caption comes first",
    "text→image unsafe first": "unsafe captions for which a real unsafe picture comes first",
    "image→text unsafe first": "real unsafe pictures for which an unsafe caption comes first",
    "unsafe images": "images made from prompts that a detector calls unsafe",
    "unsafe captions": "captions made from pictures that a detector calls unsafe",
    "T→V R@1": "safe captions whose picture comes first",
    "V→T R@1": "safe pictures whose caption comes first",
    "P_tu": "unsafe captions that prefer the safe picture",
    "P_vu": "unsafe pictures that prefer the safe caption",
    "P_ts": "safe captions that prefer the safe picture",
    "P_vs": "safe pictures that prefer the safe caption",
    "acc@1": "pictures classified right",
}
"""The figures a summary speaks of, in its order, in words."""

NONE = "\N{EN DASH}"
_NO_BREAK = "\N{NO-BREAK SPACE}"

_ORDER = {name: number for number, name in enumerate(HEADLINES)}


def kind(figure: str) -> FigureKind:
    """Family of a figure."""
    return next(item for item in _KINDS if re.fullmatch(item.pattern, figure))


def headlines_first(figure: str) -> int:
    """Sort key: the order of the summary, the others behind it."""
    return _ORDER.get(figure, len(_ORDER))


def naturally(figure: str) -> list[tuple[int, str]]:
    """Sort key: by name, R@5 before R@10."""
    parts = re.split(r"(\d+)", figure)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def write(figure: str, value: float | None) -> str:
    """A value as people read it.

    >>> write("T→V MRR", 0.5), write("T→V MRR", -0.0001)
    ('0.500', '0.000')
    """
    if value is None:
        return NONE
    return _number(figure, value) + (f"{_NO_BREAK}%" if kind(figure).is_share else "")


def write_interval(figure: str, low: float | None, high: float | None) -> str:
    """An interval, or nothing where there is none."""
    if low is None or high is None:
        return ""
    return f"{_number(figure, low)} to {_number(figure, high)}"


def write_difference(figure: str, difference: float) -> str:
    """A difference with its sign; that of shares is in points of a hundred."""
    sign = "+" if difference > 0 else ""
    return f"{sign}{_number(figure, difference)}{' points' if kind(figure).is_share else ''}"


def _number(figure: str, value: float) -> str:
    """Digits of a value: in hundredths where it is a share. Adding 0.0 makes of -0.0 a 0.0."""
    number = round(value * 100, 1) if kind(figure).is_share else round(value, 3)
    return f"{number + 0.0:.{1 if kind(figure).is_share else 3}f}".replace("-", "−")
