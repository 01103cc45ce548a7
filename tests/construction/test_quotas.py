from __future__ import annotations

from collections import Counter

import pytest

from nsfwcaps.construction.quotas import asked, quotas, shares
from nsfwcaps.enums import Category
from nsfwcaps.errors import ConfigError

V, S, H = Category.VIOLENCE, Category.SHOCKING, Category.SELF_HARM


def test_equal_unless_weighted() -> None:
    assert shares([V, S], []) == {V: 0.5, S: 0.5}
    assert shares([V, S], ["violence=3"]) == {V: 0.75, S: 0.25}
    assert shares(["violence", "self-harm"], ["self-harm=1"]) == {V: 0.5, H: 0.5}


@pytest.mark.parametrize(
    "given", ["violence", "violence=x", "weather=2", "violence=0", "violence=nan", "hate=1"]
)
def test_weights_that_are_none(given: str) -> None:
    with pytest.raises(ConfigError, match="share"):
        shares([V, S], [given])


def test_quotas_add_up() -> None:
    third = {V: 1 / 3, S: 1 / 3, H: 1 / 3}
    assert quotas(10, third) == {V: 4, S: 3, H: 3}
    assert quotas(2, third) == {V: 1, S: 1, H: 0}
    assert quotas(10, {V: 0.75, S: 0.25}) == {V: 8, S: 2}


def test_every_beginning_is_fair_and_no_pair_comes_twice() -> None:
    ids = [f"{n:032x}" for n in range(60)]
    order = [*asked(ids, {V: 0.5, S: 0.25, H: 0.25}, seed=0)]
    assert len(order) == len(set(order)) == 180
    assert len({at for at, _ in order[:60]}) == 60
    assert Counter(category for _, category in order[:20]) == {V: 10, S: 5, H: 5}
    assert [*asked(ids, {V: 0.5, S: 0.25, H: 0.25}, seed=1)] != order


def test_order_is_of_the_ids_and_not_of_their_places() -> None:
    ids = [f"{n:032x}" for n in range(40)]
    one = [ids[at] for at, _ in asked(ids, {V: 1.0}, seed=3)]
    turned = ids[::-1]
    assert [turned[at] for at, _ in asked(turned, {V: 1.0}, seed=3)] == one
