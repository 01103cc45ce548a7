"""What axe-core finds on every page but Judge: dark on a desktop, light on a phone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")

from axe_playwright_python.sync_playwright import Axe
from chromium import PASSWORD, Person, browser
from playwright.sync_api import Browser, Page, expect
from served import Server
from support.small_review import accept, judge, reject
from test_review_in_browser import added, opened, write_data_set

from nsfwcaps.review.people import accounts
from nsfwcaps.review.people.accounts import Role

axe = Axe()
# Contrast depends on the scheme, room on the size: each once.
SCREENS = {
    "dark, desktop": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "light, phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}
# What each page draws last: before it is there, axe would look at half a page.
PAGES = {
    "judge": ("Before you begin", "button", "begin"),
    "verdicts": ("My verdicts", "button", "Sign out"),
    "record": ("My record", "button", "Erase"),
    "keys": ("My keys", "button", "Restore the defaults"),
    "password": ("My password", "button", "Change password"),
    "progress": ("Progress", "heading", "Known answers"),
    "disputes": ("Disputes", "heading", "Your decision"),
    "comments": ("Comments", "button", "Show"),
    "people": ("People", "button", "Set password"),
    "export": ("Export", "button", "Create export"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A review with a dispute, a comment and a pair that people agree on."""
    folder = tmp_path_factory.mktemp("review")
    write_data_set(folder, 3)
    with contextlib.closing(Server(folder, ("--gold-share", "0"))) as made:
        made.start()
        for name, role in (("Ann", Role.ANNOTATOR), ("Bob", Role.ANNOTATOR), ("Lea", Role.LEAD)):
            added(made, name, role)
        with opened(made) as database:
            with database.read() as connection:
                ann, bob = (accounts.find(connection, n).account_id for n in ("Ann", "Bob"))
            judge(database, "pair-0", [(ann, accept()), (bob, reject(comment="too dark"))])
            judge(database, "pair-1", [(ann, accept(comment="good")), (bob, accept())])
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as made:
        yield made


def found(page: Page) -> list[str]:
    """Serious and critical findings: rule, element, reason."""
    page.get_by_test_id("stApp").and_(
        page.locator("[data-test-script-state=notRunning]")
    ).wait_for()
    violations: list[dict[str, Any]] = axe.run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in violations
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def open_page(page: Page, server: Server, address: str) -> None:
    page.goto(f"http://localhost:{server.port}/{address}")
    heading, role, last = PAGES[address]
    expect(page.get_by_role("heading", name=heading).first).to_be_visible()
    expect(page.get_by_role(role, name=last).last).to_be_visible()


@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing_serious(server: Server, chromium: Browser, screen: str) -> None:
    context = chromium.new_context(**SCREENS[screen])
    context.set_default_timeout(30_000)
    page, seen = context.new_page(), {}
    page.goto(f"http://localhost:{server.port}")
    page.get_by_label("Name").fill("Lea")
    page.get_by_role("textbox", name="Password").fill("wrong")
    page.get_by_role("textbox", name="Password").press("Enter")
    expect(page.get_by_test_id("stAlert")).to_contain_text("wrong name or password")
    seen["sign-in"] = found(page)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("textbox", name="Password").press("Enter")
    expect(page.get_by_role("heading", name="Before you begin")).to_be_visible()
    for address, (heading, _, _) in PAGES.items():
        open_page(page, server, address)
        seen[address] = found(page)
        title = "Judge" if address == "judge" else heading
        assert page.title() == f"{title} - nsfwcaps review"
        assert page.locator("html").get_attribute("lang") == "en"
    assert {name: findings for name, findings in seen.items() if findings} == {}
    dark = page.get_by_test_id("stApp").evaluate("one => getComputedStyle(one).colorScheme")
    assert dark == SCREENS[screen]["color_scheme"]
    context.close()


def test_what_actions_say_and_draw_is_accessible_too(server: Server, chromium: Browser) -> None:
    lea = Person(chromium, server, "Lea").sign_in()
    page, seen = lea.page, {}
    open_page(page, server, "people")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_test_id("stAlert")).to_contain_text("a name must have")
    seen["refused"] = found(page)
    page.get_by_label("Name", exact=True).fill("Cy")
    page.get_by_role("textbox", name="Initial password").fill(PASSWORD)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_test_id("stAlert")).to_contain_text("'Cy' was added")
    expect(page.get_by_role("status").filter(has_text="'Cy' was added")).to_be_visible()
    seen["added"] = found(page)
    page.get_by_role("combobox", name="User").first.click()
    expect(page.get_by_role("option", name="Cy")).to_be_visible()
    seen["choosing"] = found(page)
    page.keyboard.press("Escape")
    open_page(page, server, "export")
    page.get_by_role("button", name="Create export").click()
    expect(page.get_by_role("button", name="Download")).to_be_visible()
    seen["exported"] = found(page)
    cy = Person(chromium, server, "Cy").sign_in()
    expect(cy.heading("My password")).to_be_visible()
    seen["must change"] = found(cy.page)
    cy.change_password()
    expect(cy.page.get_by_role("button", name="begin")).to_be_visible()
    expect(cy.page.get_by_test_id("stAlert")).to_contain_text("your password was changed")
    seen["changed"] = found(cy.page)
    assert {name: findings for name, findings in seen.items() if findings} == {}


def test_every_field_and_button_is_reached_by_tab(server: Server, chromium: Browser) -> None:
    lea = Person(chromium, server, "Lea", "people").sign_in()
    expect(lea.heading("People")).to_be_visible()
    lea.settled()
    reached: list[str] = []
    for _ in range(60):
        lea.page.keyboard.press("Tab")
        reached.append(
            lea.page.evaluate(
                "(document.activeElement.getAttribute('aria-label') ?? '')"
                " + document.activeElement.innerText"
            )
        )
    for name in ("My keys", "Sign out", "Name", "Initial password", "Add", "Apply", "Set password"):
        assert any(name in one for one in reached), (name, reached)
