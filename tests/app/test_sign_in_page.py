"""Who comes in, who does not, and what they are shown."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from tabs import PASSWORD, Browser, Review, Tab

from nsfwcaps.review import tables
from nsfwcaps.review.people import logins

WRONG = "wrong name or password, or the account is disabled"
DIFFERENT = "the new passwords do not match; nothing was changed"
LEAD_PAGES = ["Progress", "Disputes", "Comments", "People", "Export"]


def enter(tab: Tab, name: str, password: str) -> Tab:
    return tab.fill(name=name, password=password).press("Sign in")


def test_the_code_of_the_terminal_makes_the_first_lead(review: Review) -> None:
    review.begin(people=False)
    with review.database.write() as connection:
        code = logins.make_setup_code(connection)
    tab = Browser().open()
    tab.fill(code="wrong", name="Lena", password=PASSWORD).press("Create account")
    assert tab.said == [
        "wrong setup code; 'nsfwcaps review' printed the current one when it last started"
    ]
    tab.fill(code=code.upper(), name="Lena", password=PASSWORD).press("Create account")
    assert tab.heading == "Your queue"
    assert tab.texts == ["Lena (lead)"]
    assert tab.pages == ["Judge", "My verdicts", "My record", "My keys", "My password", *LEAD_PAGES]


def test_a_first_password_that_is_too_short_costs_no_code(review: Review) -> None:
    review.begin(people=False)
    with review.database.write() as connection:
        code = logins.make_setup_code(connection)
    tab = Browser().open().fill(code=code, name="Lena", password="short")
    tab.press("Create account")
    assert tab.said == ["the password must have at least 10 characters"]
    tab.fill(password=PASSWORD).press("Create account")
    assert tab.texts == ["Lena (lead)"]


def test_a_wrong_name_and_a_wrong_password_are_told_the_same(review: Review) -> None:
    review.begin()
    tab = Browser().open()
    assert enter(tab, "Ann", "not her password").said == [WRONG]
    assert enter(tab, "Nobody", PASSWORD).said == [WRONG]
    assert tab.browser.token is None


def test_who_guesses_has_to_wait_and_is_not_let_in_meanwhile(review: Review) -> None:
    review.begin()
    tab = Browser().open()
    for _ in range(logins.FREE_TRIES):
        enter(tab, "Ann", "not her password")
    assert "wait 1 second" in tab.said[0]
    with review.database.write() as connection:  # as if she had guessed for long
        connection.execute(sa.update(tables.login_failure).values(failures=9))
    assert "too many failed attempts; wait " in enter(tab, "Ann", PASSWORD).said[0]


def test_a_reload_keeps_who_is_signed_in_and_the_page(review: Review) -> None:
    review.begin()
    browser = Browser()
    tab = enter(browser.open(), " ANN ", PASSWORD)
    assert tab.choose("My record").page == "My record"
    again = browser.open("My record")
    assert (again.texts, again.heading) == (["Ann (annotator)"], "My record")


def test_signing_out_ends_the_login_in_every_tab(review: Review) -> None:
    browser = review.begin().browser("Ann")
    kept = browser.token
    one, other = browser.open(), browser.open()
    assert one.press("Sign out").heading == "Pair review"
    assert browser.token is None
    assert other.run().heading == "Pair review"
    stolen = Browser(kept).open()
    assert stolen.said == ["You have been signed out. All your verdicts are saved."]


def test_who_signs_in_next_in_a_tab_finds_nothing_of_the_one_before(review: Review) -> None:
    tab = review.begin().browser("Lea").open("People")
    tab.fill(new_name="somebody whom Lea adds").press("Sign out")
    enter(tab, "Ann", PASSWORD)
    assert b"somebody whom Lea adds" not in tab.sent
    scripts = {"login-cookie", "keyboard-guard", "heard", "rested-keys"}
    assert set(tab.app.session_state.to_dict()) <= scripts | {
        "token",
        "sign-out",
        "opted-out",
        "begin",
    }


@pytest.mark.parametrize("column", ["created", "last_seen"])
def test_a_login_that_is_over_asks_to_sign_in(review: Review, column: str) -> None:
    browser = review.begin().browser("Ann")
    tab = browser.open()
    with review.database.write() as connection:
        connection.execute(sa.update(tables.login).values({column: 0.0}))
    assert tab.run().said == ["You have been signed out. All your verdicts are saved."]
    assert tab.heading == "Pair review"
    assert browser.token is None


@pytest.mark.parametrize("page", LEAD_PAGES)
def test_an_annotator_has_no_page_of_leads_even_by_its_address(review: Review, page: str) -> None:
    tab = review.begin().browser("Ann").open(page)
    assert tab.pages == ["Judge", "My verdicts", "My record", "My keys", "My password"]
    assert tab.heading == "Your queue"
    assert tab.page == "Judge"


def test_a_lead_who_is_made_an_annotator_loses_the_pages_at_once(review: Review) -> None:
    tab = review.begin().browser("Leo").open("Export")
    with review.database.write() as connection:
        connection.execute(sa.update(tables.account).values(role="annotator"))
    assert tab.run().pages == ["Judge", "My verdicts", "My record", "My keys", "My password"]
    assert not tab.buttons_of("Create export")


def test_the_page_says_how_to_start_it(review: Review) -> None:
    tab = Browser().open()
    assert tab.said == ["start this page with 'nsfwcaps review --data RUN'"]


def test_somebody_changes_the_password_that_was_given_to_them(review: Review) -> None:
    browser = review.begin().browser("Ann")
    other, tab = browser.open(), browser.open("My password")
    for now, new, again, said in (
        (PASSWORD, "short", "short", "the password must have at least 10 characters"),
        (PASSWORD, "another one", "another two", DIFFERENT),
        ("a wrong one", "another one", "another one", WRONG),
    ):
        assert tab.fill(now=now, new=new, again=again).press("Change password").said == [said]
    tab.fill(now=PASSWORD, new="another one", again="another one").press("Change password")
    assert (tab.said, tab.heading) == (
        ["your password was changed; you are signed out everywhere else"],
        "My password",
    )
    assert other.run().heading == "Pair review"
    assert enter(Browser().open(), "Ann", PASSWORD).heading == "Pair review"
    assert enter(Browser().open(), "Ann", "another one").texts == ["Ann (annotator)"]
