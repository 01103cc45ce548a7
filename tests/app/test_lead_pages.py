"""The pages of leads: progress, disputes, people, export."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import streamlit as st
from support.small_review import accept, fix, judge, reject
from tabs import PASSWORD, Browser, Review, Tab

from nsfwcaps.errors import ReviewError
from nsfwcaps.review.log.answers import Answers
from nsfwcaps.review.people import accounts
from nsfwcaps.review.queue import queue

PAIR, GOOD = "pair-1", accept()
OTHER = "quite another password"


def disputed(review: Review, anns: Answers = GOOD) -> Review:
    """Begin a review in which Bob rejects a pair and Ann does not."""
    review.begin()
    bobs = reject(comment="the vase is broken")
    judge(review.database, PAIR, [(review.id_of("Ann"), anns), (review.id_of("Bob"), bobs)])
    return review


def table(tab: Tab, column: str) -> dict[str, list[Any]]:
    """The first table that has a column."""
    for frame in tab.app.dataframe:
        if column in frame.value.columns:
            return frame.value.to_dict("list")
    raise AssertionError(f"no table has the column {column}")


def test_progress_counts_pairs_people_and_agreement(review: Review) -> None:
    disputed(review)
    both = [(review.id_of(name), accept()) for name in ("Ann", "Bob")]
    judge(review.database, "pair-2", both)
    tab = review.browser("Lea").open("Progress")
    assert tab.app.get("progress")[0].proto.text == "2 of 6 pairs have all their verdicts"
    assert sum(table(tab, "stage")["disputed"]) == 1
    people = table(tab, "verdicts")
    assert dict(zip(people["name"], people["verdicts"], strict=True)) == {"Ann": 2, "Bob": 2}
    assert table(tab, "stage")["stage"] == ["easy", "medium", "hard"]
    agreed = [label for label in tab.tabs if label in ("choice", "meaning", "category")]
    assert agreed == ["choice", "category", "meaning"]
    found = table(tab, "coefficient")  # of the choice
    values = dict(zip(found["coefficient"], found["value"], strict=True))
    assert values["raw agreement"] == "0.50"
    assert found["pairs"][0] == 2


def test_progress_of_a_review_that_nobody_began_is_shown(review: Review) -> None:
    tab = review.begin().browser("Lea").open("Progress")
    assert "No known answers yet; add some with 'nsfwcaps review gold FILE'." in tab.texts
    assert set(table(tab, "pairs")["disputed"]) == {0}


def test_a_dispute_shows_opinions_without_names_and_captions_when_asked(review: Review) -> None:
    tab = disputed(review).browser("Lea").open("Disputes")
    said = table(tab, "choice")
    assert sorted(said["choice"]) == ["accept", "reject"]
    assert sorted(said[""]) == ["A", "B"]
    names = [name.encode() for name in ("Ann", "Bob", review.id_of("Ann"), review.id_of("Bob"))]
    assert not [name for name in names if name in tab.sent]
    assert b" on table " not in tab.sent
    assert "a handgun on table 1" in tab.press("Show the text").texts
    assert b"a vase on table 1" not in tab.sent


def test_a_lead_settles_a_dispute_and_the_next_one_follows(review: Review) -> None:
    tab = disputed(review).browser("Lea").open("Disputes")
    tab.press("Show the text").fill(comment="the table is whole").press("Accept")
    assert tab.heading == "Disputes"
    (row,) = review.log("settle")
    assert (row["account_id"], row["choice"]) == (review.id_of("Lea"), "accept")
    assert row["comment"] == "the table is whole"
    assert not tab.buttons_of("Accept")


def test_a_lead_can_settle_with_a_caption_and_a_category_of_their_own(review: Review) -> None:
    tab = disputed(review).browser("Lea").open("Disputes")
    assert not tab.buttons_of("Fix a caption")
    tab.app.toggle(key=f"fixing-{PAIR}").set_value(True)
    assert tab.run().texts.count("Show the safe text to edit it.") == 1
    tab.press("Show the text", at=1).fill(fix_safe="a cup on table 1")
    tab.app.selectbox(key=f"category-{PAIR}").set_value("smoking")
    tab.press("Fix a caption")
    (row,) = review.log("settle")
    assert (row["choice"], row["safe_caption"]) == ("fix", "a cup on table 1")
    assert (row["category"], "unsafe_caption" in row) == ("smoking", False)


def test_how_somebody_would_have_a_caption_is_shown_when_asked(review: Review) -> None:
    tab = disputed(review, fix(safe="a cup on table 1")).browser("Lea").open("Disputes")
    assert b"a cup on table 1" not in tab.sent
    (label,) = [label for label in tab.labels if "safe text as edited by" in label]
    assert "a cup on table 1" in tab.press(label).texts


def test_a_lead_who_judged_a_pair_is_not_asked_to_settle_it(review: Review) -> None:
    review.begin()
    said = [(review.id_of("Ann"), accept()), (review.id_of("Lea"), reject())]
    judge(review.database, PAIR, said)
    assert "Reject" not in review.browser("Lea").open("Disputes").labels
    assert "Reject" in review.browser("Leo").open("Disputes").labels


def test_of_two_leads_who_settle_at_once_the_second_hears_of_the_first(review: Review) -> None:
    one = disputed(review).browser("Lea").open("Disputes")
    other = review.browser("Leo").open("Disputes")
    other.press("Show the text")
    one.go("Show the text", "Accept")
    other.press("Reject")
    assert len(review.log("settle")) == 1
    assert other.said == ["pair pair-1 has been settled by another lead; nothing was written"]


def add(tab: Tab, name: str, password: str) -> Tab:
    return tab.fill(new_name=name, new_password=password).press("Add")


def test_a_lead_adds_somebody_who_can_then_sign_in(review: Review) -> None:
    lead = review.begin().browser("Lea").open("People")
    add(lead, "Cy", PASSWORD)
    assert "Cy" in table(lead, "role")["name"]
    assert PASSWORD.encode() not in lead.sent
    (cy,) = [row for row in people(lead) if row["name"] == "Cy"]
    assert lead.said == [
        f"'Cy' was added, annotator, pseudonym {cy['pseudonym']}; "
        "they change the password when they first sign in"
    ]
    assert cy["must change password"] is True
    assert [lead.app.text_input(key=f"new-{key}").value for key in ("name", "password")] == ["", ""]

    tab = Browser().open().fill(name="Cy", password=PASSWORD).press("Sign in")
    assert tab.texts == ["Cy (annotator)"]
    for page in ("Judge", "My record"):
        assert tab.choose(page).heading == "My password"
    tab.fill(now=PASSWORD, new=PASSWORD, again=PASSWORD).press("Change password")
    assert "the new password is the current one; choose another" in tab.said
    tab.fill(new=OTHER, again=OTHER).press("Change password")
    assert tab.said == ["your password was changed; you are signed out everywhere else"]
    assert tab.choose("Judge").heading == "Your queue"
    assert Browser().open().fill(name="Cy", password=OTHER).press("Sign in").heading == "Your queue"


def people(lead: Tab) -> list[dict[str, Any]]:
    found = table(lead, "role")
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


@pytest.mark.parametrize(
    ("name", "password", "told"),
    [
        ("ann", PASSWORD, "the name 'ann' is taken; choose another"),
        ("Cy", "short", "the password must have at least 10 characters"),
        ("", PASSWORD, "a name must have 1 to 64 characters"),
    ],
)
def test_who_cannot_be_added_is_told(review: Review, name: str, password: str, told: str) -> None:
    lead = add(review.begin().browser("Lea").open("People"), name, password)
    assert lead.said == [told]
    assert len(table(lead, "role")["name"]) == 4
    typed = [lead.app.text_input(key=f"new-{key}").value for key in ("name", "password")]
    assert typed == [name, password]


def choose(lead: Tab, form: str, name: str) -> Tab:
    select = lead.app.selectbox(key=f"{form}-who")
    select.select_index(select.options.index(name))
    return lead


def change(lead: Tab, name: str, action: str) -> Tab:
    choose(lead, "edit", name).app.selectbox(key="edit-value").set_value(action)
    return lead.press("Apply")


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("make lead", "'Ann' is a lead now"),
        ("make annotator", "'Ann' is an annotator already; nothing was changed"),
        ("disable", "'Ann' is disabled and signed out"),
        ("enable", "'Ann' can sign in already; nothing was changed"),
    ],
)
def test_what_a_lead_did_is_said_and_to_whom(review: Review, action: str, told: str) -> None:
    assert change(review.begin().browser("Lea").open("People"), "Ann", action).said == [told]


def test_a_lead_sets_a_password_that_has_to_be_changed(review: Review) -> None:
    lead = review.begin().browser("Lea").open("People")
    ann = review.browser("Ann").open()
    choose(lead, "reset", "Ann").fill(reset_value="short").press("Set password")
    assert lead.said == ["the password must have at least 10 characters"]
    assert lead.app.text_input(key="reset-value").value == "short"
    assert lead.app.selectbox(key="reset-who").value == review.id_of("Ann")
    lead.fill(reset_value=OTHER).press("Set password")
    assert lead.said == [
        "'Ann' has a new password and is signed out; they change it when they next sign in"
    ]
    assert lead.app.text_input(key="reset-value").value == ""
    assert ann.run().heading == "Pair review"
    ann.fill(name="Ann", password=OTHER).press("Sign in")
    assert ann.heading == "My password"
    assert "Another person has set your password. Change it to go on." in ann.said


@pytest.mark.parametrize("form", ["Apply", "Set password"])
def test_a_form_without_a_user_changes_nothing_and_says_so(review: Review, form: str) -> None:
    lead = review.begin().browser("Lea").open("People").press(form)
    assert lead.said == ["choose a user; nothing was changed"]


def test_a_disabled_user_is_signed_out_at_once_and_can_be_enabled_again(review: Review) -> None:
    lead = review.begin().browser("Lea").open("People")
    ann = review.browser("Ann").open()
    change(lead, "Ann", "disable")
    people = table(lead, "role")
    assert dict(zip(people["name"], people["can sign in"], strict=True))["Ann"] is False
    assert ann.run().heading == "Pair review"
    change(lead, "Ann", "enable")
    ann.fill(name="Ann", password=PASSWORD).press("Sign in")
    assert ann.texts == ["Ann (annotator)"]


@pytest.mark.parametrize("action", ["make annotator", "disable"])
def test_the_last_lead_cannot_be_taken_away(review: Review, action: str) -> None:
    lead = review.begin().browser("Lea").open("People")
    change(lead, "Leo", "make annotator")
    assert change(lead, "Lea", action).said == [
        "'Lea' is the last lead; make another account a lead first"
    ]
    assert "Export" in lead.run().pages


def test_old_buttons_of_a_lead_who_is_none_any_more_do_nothing(review: Review) -> None:
    disputed(review)
    disputes, people = (review.browser("Leo").open(page) for page in ("Disputes", "People"))
    with review.database.write() as connection:
        accounts.set_role(connection, review.id_of("Leo"), accounts.Role.ANNOTATOR)
    refused = ["only leads can do this; nothing was saved"]
    assert disputes.press("Reject").said == refused
    assert add(people, "Cy", PASSWORD).said == refused
    assert not review.log("settle")
    with review.database.read() as connection:
        assert len(accounts.everyone(connection)) == 4


def test_old_buttons_of_a_disabled_user_do_nothing(review: Review) -> None:
    tab = review.begin().browser("Ann").open().press("I have read this, begin")
    tab.look("safe text")
    with review.database.write() as connection:
        accounts.disable(connection, review.id_of("Ann"))
    tab.send({"do": "answer", "values": {"safe_is_safe": "no"}})
    assert tab.said == ["You have been signed out. All your verdicts are saved."]
    with review.database.read() as connection:
        held = queue.holding(connection, review.id_of("Ann"))
    assert held is not None
    assert held.draft == "{}"


def test_an_export_is_an_archive_with_every_verdict(
    review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[Callable[[], bytes]] = []
    monkeypatch.setattr(st, "download_button", lambda label, data, *rest, **_: handed.append(data))
    tab = disputed(review).browser("Lea").open("Export")
    assert handed == []
    tab.press("Create export")
    with zipfile.ZipFile(io.BytesIO(handed[-1]())) as archive:
        assert archive.testzip() is None
        record = json.loads(archive.read("review/export.json"))
        names = set(archive.namelist())
    assert record["log"]["rows"] == 8
    assert {"review/verdicts.parquet", "review/outcomes.parquet"} <= names
    assert tab.app.code[0].value == f"8:{record['log']['hash']}"
    tab.press("Sign out")
    with pytest.raises(ReviewError, match="you are signed out; nothing was saved"):
        handed[-1]()


def test_a_dispute_is_not_settled_unseen(review: Review) -> None:
    tab = disputed(review).browser("Lea").open("Disputes").press("Accept")
    assert tab.said == ["show a text or an image of the pair before you settle it"]
    assert not review.log("settle")


def test_a_file_that_was_written_before_is_not_handed_over_as_the_newest(review: Review) -> None:
    tab = disputed(review).browser("Lea").open("Export").press("Create export")
    judge(review.database, "pair-2", [(review.id_of("Ann"), accept())])
    tab.run()
    assert not tab.app.get("download_button")


def test_a_lead_adds_and_links_identities_where_there_is_a_provider(
    review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = review.folder / "oidc.toml"
    path.write_text(
        f"""[auth]
redirect_uri = "http://localhost/oauth2callback"
cookie_secret = "{"0" * 64}"
client_id = "review"
client_secret = "hush"
server_metadata_url = "http://localhost/.well-known/openid-configuration"
"""
    )
    lead = review.begin().browser("Lea").open("People")
    assert not lead.buttons_of("Link")
    monkeypatch.setenv("NSFWCAPS_REVIEW_OIDC", str(path))
    lead.run()
    lead.app.radio(key="new-way").set_value("identity at the provider")
    lead.run().fill(new_name="Cy", new_identity="00-cy").press("Add")
    assert "an identity is the address of the provider, a space, and the subject" in lead.said[0]
    assert lead.app.text_input(key="new-identity").value == "00-cy"
    lead.fill(new_identity="https://id.example 00-cy").press("Add")
    assert lead.said[0].endswith("they sign in at the provider")
    choose(lead, "link", "Ann").fill(link_value="https://id.example 00-cy").press("Link")
    assert lead.said == ["this identity is linked to 'Cy' already; nothing was changed"]
    lead.fill(link_value="https://id.example 00-ann").press("Link")
    assert lead.said == [
        "'Ann' signs in at the provider now, and has no password; they are signed out"
    ]
    shown = {row["name"]: row["identity"] for row in people(lead)}
    assert shown == {
        "Ann": "https://id.example 00-ann",
        "Bob": "",
        "Cy": "https://id.example 00-cy",
        "Lea": "",
        "Leo": "",
    }
    assert Browser().open().fill(name="Ann", password=PASSWORD).press("Sign in").said == [
        "wrong name or password, or the account is disabled"
    ]
