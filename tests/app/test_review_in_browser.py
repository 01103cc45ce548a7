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

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from chromium import PASSWORD, Person, Server, browser
from PIL import Image
from playwright.sync_api import Browser, expect

from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.people import accounts, logins
from nsfwcaps.review.people.accounts import Role
from nsfwcaps.world.captions import caption
from nsfwcaps.world.picture import draw, jpeg
from nsfwcaps.world.scene import KeyedChoices, Scene, Thing
from nsfwcaps.world.vocabulary import PHRASINGS

QUESTIONS = (
    "Is the safe side safe?",
    "Is the unsafe side unsafe?",
    "Is its category right?",
    "How much of the meaning",
    "What should happen to the pair?",
)
# A hazard, what stands in its place, the thing beside it, and where.
SCENES = [
    ("white cigarette", "yellow pencil", "blue cup of coffee", "table", "smoking"),
    ("orange fire", "green tree", "red house", "snow", "accident"),
    ("black pair of handcuffs", "purple key", "brown book", "room", "crime"),
    ("green graffiti", "orange bell", "yellow bus", "street", "crime"),
    ("brown whiskey", "white egg", "pink birthday cake", "table", "alcohol"),
    ("red wreck", "blue bicycle", "white cloud", "street", "accident"),
]

MARKED = "<b>x</b> [x](http://x.example) $x^2$ :red[x] `x` **x** :smile: :material/home: a -> b y"


def picture(things: tuple[str, str], place: str) -> tuple[str, bytes]:
    words = [item.partition(" ") for item in things]
    scene = Scene(
        things=tuple(Thing(noun=noun, colour=colour) for colour, _, noun in words),
        relations=("beside",),
        place=place,
    )
    return caption(scene, PHRASINGS[0]), jpeg(draw(scene, KeyedChoices(place)))


def write_data_set(folder: Path, count: int = len(SCENES), **changed: Any) -> None:
    """Write pairs of pictures; all but the first of them changed."""
    rows = []
    for number, (hazard, instead, beside, place, category) in enumerate(SCENES[:count]):
        unsafe, safe = (picture((thing, beside), place) for thing in (hazard, instead))
        row: dict[str, Any] = {"pair_id": f"pair-{number}", "category": category}
        row |= {"unsafe_id": f"unsafe-{number}", "safe_id": f"safe-{number}"}
        row |= {"unsafe_caption": unsafe[0], "unsafe_image": unsafe[1]}
        row |= {"safe_caption": safe[0], "safe_image": safe[1]}
        row |= {"stage": ("easy", "medium", "hard")[number % 3], "split": "train"}
        row |= {"sim_text": 0.71 + number / 50, "difficulty": number / 6}
        rows.append({**row, **(changed if number else {})})
    (folder / "dataset" / "data").mkdir(parents=True, exist_ok=True)
    path = folder / "dataset" / "data" / "train-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    write_data_set(tmp_path)
    made = Server(tmp_path, ("--gold-share", "0", "--control-share", "0"))
    with contextlib.closing(made):
        yield made.start()


@contextlib.contextmanager
def opened(server: Server) -> Iterator[Database]:
    database = Database(server.database)
    with contextlib.closing(database):
        yield database


def added(server: Server, name: str, role: Role = Role.ANNOTATOR) -> None:
    """Add somebody without the page."""
    with opened(server) as database:
        hashed = accounts.hash_password(name, PASSWORD)
        with database.write() as connection:
            accounts.create(connection, name, hashed, role, time.time())


def rows_of_log(server: Server) -> int:
    with opened(server) as database, database.read() as connection:
        return sum(link.pair_id != "" for link in verdicts.links(connection))


def consent(person: Person) -> Person:
    return person.press("Enter", QUESTIONS[0])


def uncover(person: Person, key: str) -> Person:
    """Uncover a text or an image by its key."""
    shown = person.settled().page.get_by_role("button", name="Show the")
    left = shown.count() - 1
    return person.until(key, lambda: shown.count() == left)


def accept(person: Person) -> Person:
    """Look at both texts, answer every question, and accept."""
    uncover(person, "s").press("y", QUESTIONS[1])
    uncover(person, "d").press("y", QUESTIONS[2])
    person.press("y", QUESTIONS[3]).press("4", QUESTIONS[4])
    return decided(person, "a")


def reject(person: Person) -> Person:
    """Look at the safe text only, and reject."""
    uncover(person, "s").press("n", QUESTIONS[4])
    return decided(person, "x")


def decided(person: Person, key: str) -> Person:
    judged = judged_by(person.settled()) + 1
    return person.until(key, lambda: judged_by(person) == judged)


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
    ann.press("z", QUESTIONS[4])
    assert judged_by(ann) == 3
    decided(ann, "a")
    uncover(ann, "s").press("y", QUESTIONS[1])
    ann.reload()
    expect(ann.page.get_by_role("button", name="Show the text")).to_have_count(1)
    uncover(ann, "d").press("y", QUESTIONS[2])
    ann.press("y", QUESTIONS[3]).press("5", QUESTIONS[4])
    decided(ann, "a")
    assert rows_of_log(server) == 7  # five, one that was taken back, and that it was

    consent(bob)
    uncover(uncover(bob, "s"), "Shift+S")
    keep_figure(bob, "pair")
    bob.press("y", QUESTIONS[1])
    uncover(bob, "d").press("y", QUESTIONS[2])
    bob.press("y", QUESTIONS[3]).press("4", QUESTIONS[4])
    decided(bob, "a")
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
    uncover(lead, "s")
    lead.until("a", lambda: lead.page.get_by_text("No disputes for you").is_visible())

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
    server: Server, chromium: Browser
) -> None:
    added(server, "Ann")
    ann = Person(chromium, server, "Ann").sign_in()
    ann.reload()
    cookies = logins_kept(ann)
    paths = sorted(cookie["path"] for cookie in cookies)
    assert paths == ["/_review", "/_stcore/stream", "/media"]  # pages of other ports have none
    (told,) = {(cookie["sameSite"], cookie["expires"], cookie["httpOnly"]) for cookie in cookies}
    assert told == ("Strict", -1, True)
    (token,) = {cookie["value"] for cookie in cookies}
    assert "nsfwcaps" not in ann.page.evaluate("document.cookie")
    with opened(server) as database:
        assert logins.resume(database, token, time.time()) is not None
        ann.page.get_by_role("button", name="Sign out").click()
        expect(ann.page.get_by_role("button", name="Sign in")).to_be_visible()
        assert logins_kept(ann) == []
        assert logins.resume(database, token, time.time()) is None
    ann.context.add_cookies(cookies)
    ann.page.reload()
    expect(ann.page.get_by_text("You have been signed out")).to_be_visible()


def test_an_address_names_a_page_over_signing_in_and_reloads(
    server: Server, chromium: Browser
) -> None:
    added(server, "Ann")
    added(server, "Lea", Role.LEAD)
    lea = Person(chromium, server, "Lea", "disputes")
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

    ann = Person(chromium, server, "Ann", "export").sign_in()
    expect(ann.heading("Before you begin")).to_be_visible()
    ann.page.goto(f"{lea.page.url.removesuffix('disputes')}progress")
    expect(ann.heading("Before you begin")).to_be_visible()
    menu = ann.page.get_by_test_id("stSidebarNavLink")
    assert menu.all_inner_texts() == ["Judge", "My record", "My keys", "My password"]


def test_a_key_after_a_click_on_the_menu_goes_to_the_page(
    server: Server, chromium: Browser
) -> None:
    added(server, "Ann")
    ann = Person(chromium, server, "Ann", "record").sign_in().go("My record")
    link = ann.page.get_by_test_id("stSidebarNavLink").filter(has_text="Judge")
    link.click()
    expect(ann.heading("Before you begin")).to_be_visible()
    expect(link).not_to_be_focused()  # Enter would press it again
    uncover(consent(ann), "s").press("n", QUESTIONS[4])


def test_keys_count_once_and_not_while_somebody_writes(server: Server, chromium: Browser) -> None:
    added(server, "Ann")
    ann = uncover(uncover(consent(Person(chromium, server, "Ann").sign_in()), "s"), "d")
    comment = ann.page.get_by_role("textbox", name="Comment")
    ann.until("m", comment.is_visible)
    comment.press_sequentially("say no, skip, quit: nkqxz y")
    comment.press("Control+Enter")
    expect(comment).to_have_value("say no, skip, quit: nkqxz y")
    expect(ann.heading(QUESTIONS[0])).to_be_visible()
    ann.page.get_by_text("left in this session").click()  # out of the field
    ann.page.wait_for_timeout(400)
    ann.page.keyboard.down("y")
    expect(ann.heading(QUESTIONS[1])).to_be_visible()
    for _ in range(8):
        ann.page.keyboard.down("y")
        ann.page.wait_for_timeout(100)
    ann.page.keyboard.up("y")
    expect(ann.heading(QUESTIONS[1])).to_be_visible()
    assert rows_of_log(server) == 0


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
        while "smoking" not in ann.settled().words:
            uncover(ann, "s")
            expect(ann.page.get_by_text(f"a cup {MARKED}", exact=True)).to_be_visible()
            ann.until("k", lambda: ann.page.get_by_text("a cup").count() == 0)
        uncover(ann, "s").press("y", QUESTIONS[1])
        uncover(ann, "d").press("y", QUESTIONS[2])
        label = ann.page.get_by_role("button", name="No: ").inner_text()
        assert label.replace("\u2060", "").startswith(f"No: {MARKED}")
        assert (
            ann.page.get_by_test_id("stMain").locator("b, .katex, code, [href*=example]").count()
            == 0
        )

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
    uncover(ann, "s").press("y", QUESTIONS[1])
    text = ann.page.get_by_test_id("stText").all_inner_texts()
    server.end(signal.SIGKILL)
    server.start()
    expect(ann.heading(QUESTIONS[1])).to_be_visible()
    ann.reload()
    expect(ann.heading(QUESTIONS[1])).to_be_visible()
    assert ann.page.get_by_test_id("stText").all_inner_texts() == text
    assert judged_by(ann) == 1
    uncover(ann, "d").press("n", QUESTIONS[4])
    decided(ann, "x")
    assert rows_of_log(server) == 2
