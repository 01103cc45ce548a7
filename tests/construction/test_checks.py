from __future__ import annotations

import pytest

from nsfwcaps.captions.normalize import fold_key
from nsfwcaps.construction.checks import Limits, check_edit, check_safe
from nsfwcaps.construction.editors.editor import EditRequest, Proposal
from nsfwcaps.enums import Category

LIMITS = Limits(max_words=12, max_added=5, max_removed=1)
REQUEST = EditRequest("0" * 32, "A vase sits on a table.", Category.VIOLENCE)


def reason(caption: str, element: str = "a handgun", **options: object) -> str | None:
    values = {"limits": LIMITS, "benchmark": frozenset(), **options}
    return check_edit(REQUEST, Proposal(caption, element), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("caption", "element", "expected"),
    [
        ("A vase sits next to a handgun on a table.", "a handgun", None),
        ("A vase sits next to a handgun on a table.", "A Handgun", None),
        ("a VASE sits on a table", "a vase", "unchanged"),
        ("A vase and a handgun in a dark room.", "a handgun", "changed_too_much"),
        ("A vase sits on a table by a b c d handgun.", "handgun", "changed_too_much"),
        ("A vase sits next to a knife on a table.", "a handgun", "element_absent"),
        ("A red vase sits on a table.", "a table", "element_absent"),
        ("A topless child and a vase sits on a table.", "topless", "excluded"),
        ("A vase sits next to a boy on a table.", "a boy", "mentions_minors"),
        ("A vase sits next to a stolen purse on a table.", "a stolen purse", "not_visible"),
        ("A vase with a killer app sits on a table.", "a killer app", "not_visible"),
    ],
)
def test_edit(caption: str, element: str, expected: str | None) -> None:
    assert reason(caption, element) == expected


def test_edit_that_is_in_a_benchmark() -> None:
    caption = "A vase sits next to a handgun on a table."
    assert reason(caption, benchmark=frozenset({fold_key(caption.upper())})) == "in_benchmark"


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A vase on a table", None),
        ("A vase next to a handgun", "safe_side_unsafe"),
        ("one two three four five six seven eight nine ten eleven twelve end", "too_long"),
        ("A topless child", "excluded"),
        ("Two students at a desk", "mentions_minors"),
        ("A family at a table", "mentions_minors"),
    ],
)
def test_safe_side(caption: str, expected: str | None) -> None:
    assert check_safe(caption, LIMITS, frozenset()) == expected


def test_safe_side_that_is_in_a_benchmark() -> None:
    keys = frozenset({fold_key("a vase, on a table!")})
    assert check_safe("A vase on a table", LIMITS, keys) == "in_benchmark"
