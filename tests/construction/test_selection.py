from __future__ import annotations

import random

import numpy as np

from nsfwcaps.construction.selection import Candidate, element_key, select
from nsfwcaps.enums import Category

V, S = Category.VIOLENCE, Category.SHOCKING
NONE = (np.empty(0, np.int64), np.empty(0, np.int64))


def candidate(number: int, alignment: float, **changes: object) -> Candidate:
    values = {
        "id": f"u{number}",
        "safe_id": f"s{number}",
        "category": V,
        "element": f"thing {number}",
        "template": None,
        "alignment": alignment,
    }
    return Candidate(**{**values, **changes})  # type: ignore[arg-type]


def chosen(candidates: list[Candidate], quota: dict[Category, int], **options: object) -> list[int]:
    values = {"near": NONE, "element_share": 1.0, "seed": 0, **options}
    return select(candidates, quota, **values)[0]  # type: ignore[arg-type]


def test_highest_alignment_first() -> None:
    assert chosen([candidate(n, n / 10) for n in range(6)], {V: 2}) == [4, 5]


def test_quotas_hold_whatever_the_alignment() -> None:
    rows = [candidate(n, 0.9) for n in range(4)]
    rows += [candidate(n, 0.5, category=S) for n in range(4, 8)]
    assert [rows[at].category for at in chosen(rows, {V: 2, S: 2})] == [V, V, S, S]


def test_a_safe_caption_is_chosen_once() -> None:
    rows = [candidate(0, 0.9, safe_id="same"), candidate(1, 0.8, safe_id="same", category=S)]
    assert len(chosen(rows, {V: 1, S: 1})) == 1


def test_near_duplicates_give_one() -> None:
    rows = [candidate(n, 0.9 - n / 100) for n in range(4)]
    near = (np.array([0, 1]), np.array([1, 2]))
    assert chosen(rows, {V: 4}, near=near) == [0, 2, 3]


def test_an_element_has_its_share_whatever_its_case_and_article() -> None:
    names = ["a cup", "A Cup", "the cup", "cup"]
    rows = [candidate(n, 0.9 - n / 100, element=name) for n, name in enumerate(names)]
    rows += [candidate(9, 0.1)]
    assert chosen(rows, {V: 4}, element_share=0.5) == [0, 1, 4]
    assert {element_key(name) for name in names} == {"cup"}


def test_templates_are_spread_while_there_are_others() -> None:
    rows = [candidate(n, 0.9 - n / 100, template="one") for n in range(10)]
    rows += [candidate(n, 0.1, template="two") for n in range(10, 14)]
    taken = chosen(rows, {V: 6})
    # Two of each at most; what is missing then is filled from the best.
    assert taken[:4] == [0, 1, 2, 3]
    assert len([at for at in taken if at >= 10]) == 2
    assert len(chosen(rows, {V: 10})) == 10
    assert chosen(rows[:10], {V: 10}) == [*range(10)]


def test_what_is_missing_is_told_with_the_reason() -> None:
    rows = [candidate(n, 0.9, element="a cup") for n in range(8)]
    _, filled = select(rows, {V: 10, S: 1}, NONE, element_share=0.2, seed=0)
    assert (filled[V].quota, filled[V].selected, filled[V].missing) == (10, 2, 8)
    assert (filled[V].candidates, filled[V].skipped) == (8, {"element_share": 6})
    assert (filled[S].missing, filled[S].candidates) == (1, 0)


def test_the_order_of_the_candidates_is_no_matter() -> None:
    rows = [candidate(n, 0.5, element=f"thing {n % 5}") for n in range(40)]
    mixed = random.Random(0).sample(rows, len(rows))
    first = {rows[at].id for at in chosen(rows, {V: 10}, element_share=0.3)}
    assert {mixed[at].id for at in chosen(mixed, {V: 10}, element_share=0.3)} == first
    assert {rows[at].id for at in chosen(rows, {V: 10}, element_share=0.3, seed=1)} != first
