"""The page on which people change their keys."""

from __future__ import annotations

import pytest
from tabs import Review, Tab

from nsfwcaps.review.people import keys
from nsfwcaps.review.people.keys import DEFAULTS, Keys


def kept(review: Review, name: str = "Ann") -> Keys:
    with review.database.read() as connection:
        return keys.of(connection, review.id_of(name))


def write(tab: Tab, **given: str) -> Tab:
    """Write keys into the fields of commands."""
    for name, key in given.items():
        tab.app.text_input(key=f"key {name}").set_value(key)
    return tab


def test_keys_are_changed_switched_off_and_restored(review: Review) -> None:
    tab = write(review.begin().browser("Ann").open("My keys"), skip="shift+k", undo="K")
    tab.app.checkbox(key="keys-off").check()
    assert tab.press("Save").said == ["your keys are saved"]
    of_command = {**DEFAULTS, "skip": "Shift+K", "undo": "K"}
    assert kept(review) == Keys(off=True, of_command=of_command)
    assert tab.app.text_input(key="key skip").value == "Shift+K"
    assert kept(review, "Bob") == Keys(off=False, of_command=DEFAULTS)

    again = review.browser("Ann").open("My keys")
    assert again.app.checkbox(key="keys-off").value is True
    assert again.app.text_input(key="key undo").value == "K"
    again.press("Restore the defaults")
    assert again.said == ["the keys are those of the beginning again, and on"]
    assert again.app.text_input(key="key undo").value == "Z"
    assert kept(review) == Keys(off=False, of_command=DEFAULTS)


def test_a_key_that_could_be_confused_is_refused_and_the_fields_stay(review: Review) -> None:
    tab = write(review.begin().browser("Ann").open("My keys"), skip="Y", undo="Shift+Z")
    assert tab.press("Save").said == [
        "the key Y would be both 'The safe side is safe: yes' and 'Skip the pair'; "
        "give one of them another key"
    ]
    assert [tab.app.text_input(key=f"key {name}").value for name in ("skip", "undo")] == [
        "Y",
        "Shift+Z",
    ]
    assert kept(review) == Keys(off=False, of_command=DEFAULTS)


@pytest.mark.parametrize("name", ["Ann", "Bob", "Lea"])
def test_categories_have_their_names_beside_their_keys_after_a_pair_was_opened(
    review: Review, name: str
) -> None:
    judging = review.begin().browser("Ann").open().press("I have read this, begin")
    shown = {one["value"]: one["command"] for one in judging.judging["categories"]}
    assert shown == {"smoking": "category 6", "weapons": "category 7"}
    tab = review.browser(name).open("My keys")
    assert tab.said == []
    labels = [tab.app.text_input(key=f"key category {key}").label for key in "678"]
    assert labels == ["Category: smoking", "Category: weapons", "Category of the key: 8"]


@pytest.mark.parametrize("name", ["Ann", "Lea"])
def test_everybody_has_keys_of_their_own(review: Review, name: str) -> None:
    assert "My keys" in review.begin().browser(name).open().pages
