"""People review in a real browser: by keyboard, over reloads, and over a server that is killed.

With NSFWCAPS_SCREENSHOTS=FOLDER, the figures of the documentation are written there.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from chromium import PASSWORD, Person, Server, browser
from pictured_review import added, opened, rows_of_log, write_data_set
from PIL import Image
from playwright.sync_api import Browser, expect

from nsfwcaps.review.people import logins
from nsfwcaps.review.people.accounts import Role

QUESTIONS = (
    "Is the safe side safe?",
    "Is the unsafe side unsafe?",
    "Is its category right?",
    "How much of the meaning",
    "What should happen to the pair?",
)
MARKED = "<b>x</b> [x](http://x.example) $x^2$ :red[x] `x` **x** :smile: :material/home: a -> b y"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with served(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A review in which every test has people of its own, and nobody judges."""
    with served(tmp_path_factory.mktemp("shared")) as made:
        yield made


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Server]:
    write_data_set(folder)
    made = Server(folder, ("--gold-share", "0", "--control-share", "0"))
    with contextlib.closing(made):
        yield made.start()


def consent(person: Person) -> Person:
    person.settled().page.get_by_role("button", name="begin").click()
    expect(person.judging).to_be_visible()
    return person


def accept(person: Person, mark: str = "4") -> Person:
    """Look at both texts, answer every question, and accept."""
    return decided(person.keys(f"s y d h t {mark}"), "a")


def reject(person: Person) -> Person:
    """Look at the safe text only, and reject."""
    return decided(person.keys("s n"), "x")


def decided(person: Person, key: str) -> Person:
    judged = judged_by(person.saved()) + 1
    expect(person.keys(key).saved().judging).to_contain_text(f"{judged} judged")
    return person


def judged_by(person: Person) -> int:
    found = re.search(r"(\d+) judged", person.words)
    return int(found[1]) if found else -1


def logins_kept(person: Person) -> list[Any]:
    return [one for one in person.context.cookies() if one["name"].startswith("nsfwcaps_")]


def keep_figure(person: Person, name: str, height: int = 850) -> None:
    """Write a figure of the documentation, where that was asked for."""
    folder = os.environ.get("NSFWCAPS_SCREENSHOTS")
    if not folder:
        return
    person.settled().page.mouse.move(0, 0)
    person.page.set_viewport_size({"width": 1200, "height": height})
    person.page.wait_for_timeout(800)  # toasts, and the fading of what was there before
    shot = Image.open(io.BytesIO(person.page.screenshot())).convert("RGB")
    path = Path(folder) / f"review-{name}.png"
    shot.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    assert path.stat().st_size < 150_000


def test_a_review_from_the_first_account_to_the_export(server: Server, chromium: Browser) -> None:
    lead = Person(chromium, server, "Lea").sign_in(server.code).go("People")
    for name in ("Ann", "Bob"):
        lead.page.get_by_label("Name").first.fill(name)
        lead.page.get_by_role("textbox", name="Initial password").fill(PASSWORD)
        lead.page.get_by_role("button", name="Add", exact=True).click()
        expect(lead.page.get_by_label("Name").first).to_have_value("")

    ann, bob = (
        Person(chromium, server, name).sign_in().change_password() for name in ("Ann", "Bob")
    )
    keep_figure(ann, "consent", 760)
    consent(ann)
    for _ in range(4):
        accept(ann)
    ann.keys("z").at(QUESTIONS[4])
    assert judged_by(ann) == 3
    decided(ann, "a").keys("s y").at(QUESTIONS[1]).reload()
    expect(ann.page.get_by_role("button", name="Show the text")).to_have_count(1)
    decided(ann.keys("d h t 5"), "a")
    assert rows_of_log(server) == 7  # five, one that was taken back, and that it was

    consent(bob)
    bob.keys("s Shift+S").saved()
    keep_figure(bob, "pair")
    decided(bob.keys("y d h t 4"), "a")
    for _ in range(3):
        accept(bob)
    reject(bob)

    lead.go("Progress")
    expect(lead.page.get_by_text("5 of 6 pairs have all their verdicts")).to_be_visible()
    expect(lead.heading("Known answers")).to_be_visible()
    of_the_choice = lead.page.locator("canvas tr", has_text="raw agreement").first
    expect(of_the_choice).to_contain_text("0.80")
    keep_figure(lead, "progress", 1_330)
    lead.go("Disputes")
    expect(lead.page.get_by_text("1 to settle")).to_be_visible()
    covered = lead.page.get_by_role("button", name="Show the text")
    expect(covered).to_have_count(2)
    covered.last.click()
    expect(covered).to_have_count(1)
    lead.settled().page.get_by_role("button", name="Accept").click()
    expect(lead.page.get_by_text("No disputes for you")).to_be_visible()

    lead.go("Export")
    lead.page.get_by_role("button", name="Create export").click()
    with lead.page.expect_download() as download:
        lead.page.get_by_role("button", name="Download").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        outcomes = pq.read_table(io.BytesIO(archive.read("review/outcomes.parquet"))).to_pylist()
    states = sorted(row["outcome"] for row in outcomes)
    assert states == ["agreed"] * 4 + ["pending", "settled"]
    for person in (lead, ann, bob):
        assert person.refused == []
        assert {one for one in person.asked if not one.startswith("blob:")} == {server.address}


def test_the_login_is_kept_by_this_page_alone_and_ends_on_the_server(
    shared: Server, chromium: Browser
) -> None:
    added(shared, "Ann")
    ann = Person(chromium, shared, "Ann").sign_in()
    ann.reload()
    cookies = logins_kept(ann)
    paths = sorted(cookie["path"] for cookie in cookies)
    assert paths == ["/_review", "/_stcore/stream", "/media"]  # pages of other ports have none
    (told,) = {(cookie["sameSite"], cookie["expires"], cookie["httpOnly"]) for cookie in cookies}
    assert told == ("Strict", -1, True)
    (token,) = {cookie["value"] for cookie in cookies}
    assert "nsfwcaps" not in ann.page.evaluate("document.cookie")
    with opened(shared) as database:
        assert logins.resume(database, token, time.time()) is not None
        ann.page.get_by_role("button", name="Sign out").click()
        expect(ann.page.get_by_role("button", name="Sign in")).to_be_visible()
        assert logins_kept(ann) == []
        assert logins.resume(database, token, time.time()) is None
    ann.context.add_cookies(cookies)
    ann.page.reload()
    expect(ann.page.get_by_text("You have been signed out")).to_be_visible()


def test_an_address_names_a_page_over_signing_in_and_reloads(
    shared: Server, chromium: Browser
) -> None:
    added(shared, "Bob")
    added(shared, "Lea", Role.LEAD)
    lea = Person(chromium, shared, "Lea", "disputes")
    expect(lea.heading("Pair review")).to_be_visible()
    expect(lea.page.get_by_test_id("stSidebar")).to_have_count(0)
    lea.sign_in()
    expect(lea.heading("Disputes")).to_be_visible()
    lea.reload()
    expect(lea.heading("Disputes")).to_be_visible()
    assert lea.address == "disputes"
    assert lea.go("Export").address == "export"
    lea.page.go_back()
    expect(lea.heading("Disputes")).to_be_visible()

    ann = Person(chromium, shared, "Bob", "export").sign_in()
    expect(ann.heading("Before you begin")).to_be_visible()
    ann.page.goto(f"{lea.page.url.removesuffix('disputes')}progress")
    expect(ann.heading("Before you begin")).to_be_visible()
    menu = ann.page.get_by_test_id("stSidebarNavLink")
    assert menu.all_inner_texts() == ["Judge", "My verdicts", "My record", "My keys", "My password"]


def test_a_key_after_a_click_on_the_menu_goes_to_the_page(
    shared: Server, chromium: Browser
) -> None:
    added(shared, "Cy")
    ann = Person(chromium, shared, "Cy", "record").sign_in().go("My record")
    link = ann.page.get_by_test_id("stSidebarNavLink").filter(has_text="Judge")
    link.click()
    expect(ann.heading("Before you begin")).to_be_visible()
    expect(link).not_to_be_focused()  # Enter would press it again
    consent(ann).keys("s n").at(QUESTIONS[4])


def test_categories_and_names_show_as_they_are(tmp_path: Path, chromium: Browser) -> None:
    write_data_set(tmp_path, 2, category=MARKED, safe_caption=f"a cup {MARKED}")
    with contextlib.closing(Server(tmp_path)) as server:
        server.start()
        for name, role in (("Ann", Role.ANNOTATOR), ("Lea", Role.LEAD), (MARKED[:60], Role.LEAD)):
            added(server, name, role)
        ann = Person(chromium, server, "Ann").sign_in()
        ann.page.get_by_label("Categories I do not want to see").click()
        expect(ann.page.get_by_role("option", name=MARKED, exact=True)).to_be_visible()
        ann.page.keyboard.press("Escape")
        ann.page.get_by_role("button", name="begin").click()
        expect(ann.heading(QUESTIONS[0])).to_be_visible()
        while "smoking" not in ann.saved().words:
            ann.keys("s").saved()
            expect(ann.page.get_by_text(f"a cup {MARKED}", exact=True)).to_be_visible()
            ann.keys("k").saved()
        ann.keys("s y d h").at(QUESTIONS[2])
        label = ann.page.get_by_role("button", name="No: ").inner_text()
        assert label.startswith(f"No: {MARKED}")
        main = ann.page.get_by_test_id("stMain")
        assert main.locator("b, .katex, code, [href*=example]").count() == 0

        lea = Person(chromium, server, "Lea").sign_in().go("People")
        lea.page.get_by_role("combobox", name="User").first.click()
        expect(lea.page.get_by_role("option", name=MARKED[:60], exact=True)).to_be_visible()
        lea.page.keyboard.press("Escape")
        lea.page.get_by_label("Name").first.fill(MARKED[:60])
        lea.page.get_by_role("textbox", name="Initial password").fill(PASSWORD)
        lea.page.get_by_role("button", name="Add", exact=True).click()
        told = lea.page.get_by_test_id("stAlert")
        expect(told).to_contain_text("is taken")  # the box is there before its text
        assert f"the name '{MARKED[:60]}' is taken" in told.inner_text().replace("\u2060", "")


def test_after_the_server_was_killed_everybody_goes_on_where_they_were(
    server: Server, chromium: Browser
) -> None:
    added(server, "Ann")
    ann = consent(Person(chromium, server, "Ann").sign_in())
    reject(ann)
    ann.keys("s y").at(QUESTIONS[1])
    text = ann.page.locator(".caption").all_inner_texts()
    assert len(text) == 1
    server.end(signal.SIGKILL)
    server.start()
    expect(ann.heading(QUESTIONS[1])).to_be_visible()
    ann.reload().at(QUESTIONS[1])
    assert ann.page.locator(".caption").all_inner_texts() == text
    assert judged_by(ann) == 1
    decided(ann.keys("d l").at(QUESTIONS[4]), "x")
    assert rows_of_log(server) == 2
