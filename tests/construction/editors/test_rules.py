from __future__ import annotations

from nsfwcaps.construction.editors.editor import EditRequest, Proposal, Refusal
from nsfwcaps.construction.editors.rules import RulesEditor
from nsfwcaps.construction.edits import edit, holds
from nsfwcaps.construction.elements import ELEMENTS
from nsfwcaps.construction.lexicon import CATEGORIES
from nsfwcaps.enums import Category

CAPTION = "A lamp sits on a bed in a room."


def answers(caption: str, seed: int = 0, count: int = 1) -> list[object]:
    requests = [
        EditRequest(f"{n:032x}", caption, category) for n in range(count) for category in CATEGORIES
    ]
    return list(RulesEditor(seed).edit(requests, lambda done: None))


def test_an_element_of_the_category_and_nothing_else() -> None:
    of = {element.phrase: element.category for element in ELEMENTS}
    for category, answer in zip(CATEGORIES, answers(CAPTION), strict=True):
        assert isinstance(answer, Proposal)
        assert of[answer.element] is category
        assert holds(answer.caption, answer.element)
        assert edit(CAPTION, answer.caption).removed == 0


def test_choices_vary_with_the_caption_and_repeat_with_the_seed() -> None:
    first = answers(CAPTION, count=40)
    assert answers(CAPTION, count=40) == first
    assert answers(CAPTION, seed=1, count=40) != first
    made = [item for item in first if isinstance(item, Proposal)]
    assert len({item.element for item in made}) > 20
    assert len({item.template for item in made}) == 2


def test_refusals() -> None:
    assert set(answers("The sky above the city")) == {Refusal("no_place")}
    assert set(answers("The sky")) == {Refusal("unknown_form")}
    assert set(answers("Some men play tennis in a park")) == {Refusal("unsuited_scene")}
    assert set(answers("A boy on a bed in a room")) == {Refusal("mentions_minors")}


def test_advance_hears_every_request() -> None:
    heard: list[int] = []
    RulesEditor(0).edit([EditRequest("0", CAPTION, Category.VIOLENCE)] * 3, heard.append)
    assert sum(heard) == 3
