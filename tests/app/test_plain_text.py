"""Captions, names, comments and categories show as they are, whatever they look like."""

from __future__ import annotations

import pytest
from support import small_review
from support.small_review import accept, judge, reject
from tabs import Review, Tab

BEGIN = "I have read this, begin"
MARKED = (
    "<b>x</b> [x](http://x.example) $x^2$ :red[x] `x` **x** :smile: :material/home: a -> b "
    "x@y.example www.x.example"
)
# Elements of which Streamlit reads no text as Markdown, and what they hold.
PLAIN = {"Text", "TextArea", "TextInput", "Dataframe", "ArrowDataFrame", "Selectbox", "MultiSelect"}


def raw(tab: Tab) -> list[str]:
    """Elements that are read as Markdown and hold a text as it is."""
    found = [
        proto.DESCRIPTOR.name for proto in tab._protos() if b"<b>" in proto.SerializeToString()
    ]
    return sorted(set(found) - PLAIN)


@pytest.fixture
def marked(review: Review) -> Review:
    """A review in which everything that people write has marks in it."""
    rows = [
        {**row, "unsafe_caption": f"gun {MARKED} {n}", "safe_caption": f"cup {MARKED} {n}"}
        for n, row in enumerate(small_review.rows())
    ]
    for row in rows[:3]:
        row["category"] = MARKED
    return review.begin(rows)


def test_an_annotator_sees_categories_as_they_are(marked: Review) -> None:
    tab = marked.browser("Ann").open()
    assert MARKED in tab.app.multiselect(key="opted-out").options
    assert MARKED in tab.app.dataframe[0].value["category"].tolist()
    assert raw(tab) == []


def test_a_lead_sees_comments_and_opinions_as_they_are(marked: Review) -> None:
    said = [(marked.id_of("Ann"), accept()), (marked.id_of("Bob"), reject(comment=MARKED))]
    judge(marked.database, "pair-1", said)
    tab = marked.browser("Lea").open("Disputes")
    assert {f"A: {MARKED}", f"B: {MARKED}"} & set(tab.texts)
    assert f"{MARKED} · moderate" in tab.texts
    for page in tab.pages:
        assert raw(tab.choose(page)) == []


def test_names_show_as_they_are(marked: Review) -> None:
    name, lead = "<b>x</b> **x** :red[x]", marked.browser("Lea").open("People")
    lead.fill(new_name=name, new_password="a long password").press("Add")
    assert lead.app.selectbox(key="edit-who").options[0] == name
    assert raw(lead) == []
    lead.fill(new_name=name, new_password="a long password").press("Add")
    assert lead.said == [f"the name '{name}' is taken; choose another"]
    assert raw(lead) == []
    tab = marked.browser(name).open()
    assert tab.texts == [f"{name} (annotator)"]
