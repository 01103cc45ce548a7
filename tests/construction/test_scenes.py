"""What captions show."""

from __future__ import annotations

from nsfwcaps.construction.scenes import Trait, traits


def test_traits() -> None:
    assert traits("A cat sleeps on a kitchen table") == {Trait.ANIMAL, Trait.KITCHEN, Trait.HOME}
    assert Trait.ANIMAL not in traits("A hot dog on a plate")
    assert Trait.FOOD in traits("A hot dog on a plate")
    assert Trait.HOME not in traits("A man sitting in the bed of a red truck")
