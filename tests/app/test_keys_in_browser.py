"""Keys of the judging page in a real browser: none decides wrongly, whatever comes when."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from chromium import Person, browser
from pictured_review import opened, write_data_set
from playwright.sync_api import Browser, expect
from served import Server

from nsfwcaps.review import tables
from nsfwcaps.review.people import accounts, keys

SAFE, UNSAFE, CATEGORY, MEANING, CHOICE = (
    "Is the safe side safe?",
    "Is the unsafe side unsafe?",
    "Is its category right?",
    "How much of the meaning",
    "What should happen to the pair?",
)
RESTED_MS = 1_800  # longer than the pages around the pairs wait for keys to end
# A key event of a keyboard with another layout: what it writes, and where it is.
PRESS = """([key, code, more]) => {
  const at = document.activeElement?.shadowRoot?.activeElement ?? document.activeElement;
  const made = { key, code, bubbles: true, composed: true, cancelable: true, ...more };
  at.dispatchEvent(new KeyboardEvent("keydown", made));
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    caps = (f"--{what}-per-{time}" for what in ("pairs", "reveals") for time in ("session", "day"))
    options = [option for cap in caps for option in (cap, "10000")]
    with served(tmp_path_factory.mktemp("keys"), *options, "--overlap", "20", pairs=60) as made:
        yield made


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that tests kill, and start again."""
    with served(tmp_path_factory.mktemp("mortal")) as made:
        yield made


@contextlib.contextmanager
def served(folder: Path, *options: str, pairs: int = 6) -> Iterator[Server]:
    """Serve a review without known answers."""
    write_data_set(folder, pairs)
    made = Server(folder, ("--gold-share", "0", "--control-share", "0", *options))
    with contextlib.closing(made):
        yield made.start()


@pytest.fixture(scope="module")
def somebody(server: Server, chromium: Browser) -> Iterator[Person]:
    person = begun(chromium, server, "Ann")
    yield person
    person.context.close()


@pytest.fixture
def ann(somebody: Person, server: Server) -> Person:
    """Somebody before the next pair, covered; nobody signs in for each test."""
    somebody.page.keyboard.press("Escape")  # out of a field
    somebody.keys("k").at(SAFE)
    expect(somebody.page.locator(".caption")).to_have_count(0)
    with opened(server) as database, database.read() as connection:
        somebody.since = connection.scalar(sa.select(sa.func.max(tables.verdict.c.seq))) or 0
    return somebody


@pytest.fixture
def newcomer(server: Server, chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Person]:
    """Somebody whose page or keys are changed, another one for each test."""
    person = begun(chromium, server, f"Ann of {request.node.name}"[:60])
    yield person
    person.context.close()


def begun(chromium: Browser, server: Server, name: str) -> Person:
    person = Person(chromium, server, name, None).come_in()
    person.page.get_by_role("button", name="begin").click()
    return person.at(SAFE)


def log_of(server: Server, person: Person) -> list[tuple[str, dict[str, Any]]]:
    """Kind and content of a person's rows about pairs."""
    table = tables.verdict
    with opened(server) as database, database.read() as connection:
        me = accounts.find(connection, person.name).account_id
        query = sa.select(table.c.kind, table.c.body).where(
            table.c.account_id == me, table.c.pair_id != "", table.c.seq > person.since
        )
        rows = connection.execute(query.order_by(table.c.seq)).all()
    return [(kind, json.loads(body)) for kind, body in rows]


def bodies(server: Server, person: Person) -> list[dict[str, Any]]:
    return [body for kind, body in log_of(server, person) if kind == "judge"]


def shown(person: Person) -> int:
    return person.page.locator(".caption").count()


def press(person: Person, key: str, code: str, **more: Any) -> None:
    """Press a key of another keyboard."""
    person.rested()
    person.page.evaluate(PRESS, [key, code, more])
    person.saved()


def has_focus(person: Person) -> Any:
    inside = "document.activeElement?.shadowRoot?.activeElement?.className"
    return person.page.evaluate(inside)


def test_a_comment_is_written_and_not_obeyed(server: Server, ann: Person) -> None:
    ann.keys("s n").at(CHOICE)
    ann.page.keyboard.type("mcaption is a bit odd")
    field = ann.page.get_by_role("textbox", name="Comment")
    expect(field).to_be_focused()
    expect(field).to_have_value("caption is a bit odd")
    ann.page.keyboard.press("Control+Enter")
    ann.page.keyboard.press("Escape")
    assert has_focus(ann) == "judging"
    ann.keys("x").at(SAFE)
    assert bodies(server, ann) == [
        {"safe_is_safe": "no", "choice": "reject", "comment": "caption is a bit odd"}
    ]
    assert shown(ann) == 0
    expect(field).to_have_count(0)


def test_a_field_that_a_message_took_the_focus_from_gets_it_back(
    server: Server, ann: Person
) -> None:
    ann.keys("s n").at(CHOICE)
    ann.page.keyboard.type("mthe red")
    ann.page.evaluate("document.activeElement.shadowRoot.activeElement.blur()")
    field = ann.page.get_by_role("textbox", name="Comment")
    expect(field).to_be_focused()
    ann.page.keyboard.type(" axe")
    expect(field).to_have_value("the red axe")
    ann.page.reload()  # before the last words were sent
    expect(field).to_have_value("the red axe")
    ann.saved().keys("x").at(SAFE)
    assert [one["comment"] for one in bodies(server, ann)] == ["the red axe"]


def test_a_comment_outlives_the_refusal_of_what_came_before_it(
    tmp_path: Path, chromium: Browser
) -> None:
    with served(tmp_path, "--reveals-per-session", "1") as server:
        ann = begun(chromium, server, "Ann").keys("s n").at(CHOICE)
        ann.page.keyboard.type("dmabc")
        ann.page.keyboard.press("Escape")
        expect(ann.judging.get_by_role("alert")).to_contain_text("cap on uncovered")
        ann.saved().rested().page.keyboard.press("x")
        expect(ann.heading("Time for a break")).to_be_visible()
        assert [one["comment"] for one in bodies(server, ann)] == ["abc"]
        ann.context.close()


def test_a_fix_is_written_and_not_obeyed(server: Server, ann: Person) -> None:
    ann.keys("s d y h t 4").at(CHOICE)
    ann.page.keyboard.press("f")
    field = ann.page.get_by_role("textbox", name="Safe caption", exact=True)
    expect(field).to_be_focused()
    ann.page.keyboard.type(" and a kite, box")
    expect(field).to_have_value(
        ann.page.locator(".caption").first.inner_text() + " and a kite, box"
    )
    ann.page.keyboard.press("Escape")
    ann.keys("b").at(CHOICE).keys("f")
    expect(field).to_be_focused()
    ann.page.keyboard.press("Control+Enter")
    ann.at(SAFE)
    (said,) = bodies(server, ann)
    assert said["choice"] == "fix"
    assert said["safe_caption"].endswith(" and a kite, box")


def test_where_no_field_is_there_yet_a_fix_drops_what_is_typed(server: Server, ann: Person) -> None:
    ann.keys("s d y h t 4 a").at(SAFE).keys("z").at(CHOICE)  # answered, and covered again
    told = "So far: safe is safe: Yes · unsafe is unsafe: Yes · category: Yes · meaning: 4 most"
    expect(ann.judging).to_contain_text(told)
    ann.page.keyboard.type("fa table, box kept")
    expect(ann.page.get_by_text("Show the text of a side to edit it.")).to_be_visible()
    expect(ann.judging).to_have_attribute("data-locked", "true")
    assert shown(ann) == 0
    ann.keys("d")
    expect(ann.page.get_by_role("textbox", name="Unsafe caption")).to_be_focused()
    assert [kind for kind, _ in log_of(server, ann)] == ["judge", "undo"]


def test_a_key_that_shows_a_text_does_not_enlarge_it_where_it_was_pressed_twice(
    newcomer: Person,
) -> None:
    newcomer.judging.evaluate(
        f"""(judging) => {{
          const root = judging.getRootNode();
          const again = () => root.querySelector(".caption") && ({PRESS})(["s", "KeyS", {{}}]);
          new MutationObserver(again).observe(root, {{ childList: true, subtree: true }});
        }}"""
    )
    newcomer.keys("s").rested()
    expect(newcomer.page.locator(".caption")).to_be_visible()
    assert newcomer.page.locator("dialog[open]").count() == 0
    newcomer.keys("y").at(UNSAFE)


def test_an_answer_that_comes_before_its_text_is_kept_for_it_and_said(ann: Person) -> None:
    ann.keys("s")
    ann.page.keyboard.press("n")
    ann.at(CHOICE)
    assert shown(ann) == 1


def test_a_key_whose_question_is_not_shown_does_nothing_and_stops_those_behind_it(
    server: Server, ann: Person
) -> None:
    ann.keys("s")
    expect(ann.page.locator(".caption")).to_be_visible()
    ann.rested()
    ann.page.keyboard.type("hyn4axk")
    expect(ann.judging).to_have_attribute("data-locked", "true")
    expect(ann.page.get_by_text("Keys act again after half a second")).to_be_visible()
    expect(ann.judging).to_have_attribute("data-locked", "false")
    expect(ann.heading(SAFE)).to_be_visible()
    assert log_of(server, ann) == []


def test_an_answer_without_a_look_is_not_taken(ann: Person) -> None:
    ann.keys("y")
    expect(ann.page.get_by_text("Look at the safe side first, or skip the pair.")).to_be_visible()
    expect(ann.heading(SAFE)).to_be_visible()


def test_what_is_typed_faster_than_it_is_drawn_answers_one_question(
    server: Server, ann: Person
) -> None:
    ann.keys("s d")
    expect(ann.page.locator(".caption")).to_have_count(2)
    ann.rested()
    # All within one task of the page, as where it was busy: nothing is drawn in between.
    ann.page.evaluate(f"for (const key of [...'yht4a']) ({PRESS})([key, '', {{}}])")
    ann.at(UNSAFE)
    assert log_of(server, ann) == []


def test_letters_of_other_layouts(ann: Person) -> None:
    """Cyrillic, Greek, Arabic, Dvorak, with CapsLock, Turkish."""
    for key, code in (
        ("ы", "KeyS"),
        ("ς", "KeyS"),
        ("س", "KeyS"),
        ("s", "KeyR"),
        ("S", "KeyS"),
        ("ş", "KeyS"),
    ):
        press(ann, key, code)
        expect(ann.page.locator("[data-side=safe] .caption")).to_be_visible()
        ann.keys("k").at(SAFE)  # the next pair, covered
        expect(ann.page.locator(".caption")).to_have_count(0)


def test_digits_signs_and_modifiers_of_other_keyboards(ann: Person) -> None:
    press(ann, "a", "KeyQ")  # AZERTY: what is written on the key counts, not its place
    expect(ann.judging).to_have_attribute("data-locked", "true")
    ann.keys("s d y h t").at(MEANING)
    for key, code, more in (
        ("Dead", "BracketLeft", {}),
        ("4", "Digit4", {"ctrlKey": True}),
        ("4", "Digit4", {"altKey": True}),
        ("4", "Digit4", {"metaKey": True}),
        ("4", "Digit4", {"isComposing": True}),
        ("Process", "Digit4", {"keyCode": 229}),
        ("4", "Digit4", {"repeat": True}),
        ("End", "Numpad1", {}),
        ("F4", "F4", {}),
    ):
        press(ann, key, code, **more)
        expect(ann.heading(MEANING)).to_be_visible()
    press(ann, "'", "Digit4")  # AZERTY writes digits with Shift only
    ann.at(CHOICE).keys("b").at(MEANING)
    press(ann, "4", "Digit4", shiftKey=True)
    ann.at(CHOICE).keys("b").at(MEANING)
    press(ann, "٤", "Digit4")
    ann.at(CHOICE).keys("b").at(MEANING)
    press(ann, "4", "Numpad4")
    ann.at(CHOICE)


def test_shift_and_a_letter_is_another_key(ann: Person) -> None:
    press(ann, "s", "KeyS", shiftKey=True)  # with CapsLock
    expect(ann.page.locator("[data-side=safe] img")).to_be_visible()
    press(ann, "Y", "KeyY", shiftKey=True)
    expect(ann.heading(SAFE)).to_be_visible()


def test_a_key_that_is_held_down_counts_once(server: Server, ann: Person) -> None:
    ann.keys("s d")
    expect(ann.page.locator(".caption")).to_have_count(2)
    ann.rested()
    for _ in range(6):
        ann.page.keyboard.down("y")
        ann.page.wait_for_timeout(60)
    ann.page.keyboard.up("y")
    ann.at(UNSAFE)
    ann.page.locator("[data-command='unsafe_is_unsafe yes']").focus()
    for _ in range(6):
        ann.page.keyboard.down("Enter")
        ann.page.wait_for_timeout(60)
    ann.page.keyboard.up("Enter")
    ann.at(CATEGORY)
    assert has_focus(ann) == "judging"
    assert log_of(server, ann) == []


def test_a_second_click_does_not_answer_what_comes_under_the_pointer(ann: Person) -> None:
    ann.keys("s d")
    expect(ann.page.locator(".caption")).to_have_count(2)
    box = ann.rested().page.get_by_role("button", name="Yes").bounding_box()
    assert box is not None
    ann.page.mouse.dblclick(box["x"] + 5, box["y"] + 5)
    ann.at(UNSAFE)


def test_keys_of_somebody_who_writes_or_chooses_elsewhere_are_not_taken(ann: Person) -> None:
    ann.page.get_by_test_id("stMainMenu").get_by_role("button").click()
    ann.page.keyboard.type("sd")
    ann.page.keyboard.press("Escape")
    assert shown(ann) == 0
    ann.page.get_by_role("button", name="Sign out").focus()
    ann.keys("s")
    expect(ann.page.locator(".caption")).to_be_visible()


@pytest.mark.parametrize("name", ["Ann", "Bob, who reloads"])
def test_what_was_pressed_while_the_server_was_gone_is_saved_once_when_it_is_back(
    mortal: Server, chromium: Browser, name: str
) -> None:
    ann = begun(chromium, mortal, name).keys("s")
    expect(ann.page.locator(".caption")).to_be_visible()
    ann.rested()
    mortal.end(signal.SIGKILL)
    for key in "nx":
        expect(ann.judging).to_have_attribute("data-ready", "true")
        ann.page.keyboard.press(key)
    expect(ann.page.get_by_text("Not saved yet; trying again.")).to_be_visible()
    mortal.start()
    if "reloads" in name:
        ann.page.reload()
    expect(ann.judging).to_have_attribute("data-pending", "0", timeout=60_000)
    assert bodies(mortal, ann) == [{"safe_is_safe": "no", "choice": "reject"}]
    assert ann.judging.get_by_text("no longer open").count() == 0
    ann.context.close()


def test_another_tab_takes_the_pair_and_this_one_says_so(server: Server, newcomer: Person) -> None:
    newcomer.keys("s")
    other = newcomer.context.new_page()
    other.goto(newcomer.page.url)
    expect(other.locator(".judging")).to_have_attribute("data-ready", "true")
    other.keyboard.press("k")
    expect(other.locator(".judging[data-pending='0']")).to_be_visible()
    newcomer.keys("n").saved()
    expect(newcomer.judging.get_by_role("alert")).to_contain_text("you continued in another tab")
    expect(newcomer.heading(SAFE)).to_be_visible()
    assert log_of(server, newcomer) == []


def test_a_cap_that_ends_the_session_drops_what_is_behind_it(
    tmp_path: Path, chromium: Browser
) -> None:
    with served(tmp_path, "--pairs-per-session", "1") as server:
        ann = begun(chromium, server, "Ann").keys("s n").at(CHOICE).rested()
        ann.page.keyboard.type("xsyd")
        expect(ann.heading("Time for a break")).to_be_visible()
        ann.settled().page.keyboard.type("a bit fuzzy", delay=20)
        ann.settled().page.wait_for_timeout(RESTED_MS)
        assert [kind for kind, _ in log_of(server, ann)] == ["judge"]
        with opened(server) as database, database.write() as connection:
            me = accounts.find(connection, "Ann").account_id
            keys.save(connection, me, {"undo": "Shift+P"}, True)
        ann.reload().settled().page.wait_for_timeout(RESTED_MS)
        ann.page.keyboard.press("Shift+P")
        ann.page.wait_for_timeout(RESTED_MS)
        assert [kind for kind, _ in log_of(server, ann)] == [
            "judge"
        ]  # one-letter keys are switched off
        with opened(server) as database, database.write() as connection:
            keys.save(connection, me, {"undo": "Shift+P"}, False)
        expect(ann.reload().page.get_by_text("The key Shift+P undoes it")).to_be_visible()
        ann.settled().page.wait_for_timeout(RESTED_MS)
        ann.page.keyboard.press("z")
        ann.page.wait_for_timeout(RESTED_MS)
        ann.page.keyboard.press("Shift+P")
        ann.at(CHOICE)  # of the pair that was rejected
        assert [kind for kind, _ in log_of(server, ann)] == ["judge", "undo"]
        ann.context.close()


def test_a_person_can_change_keys_and_switch_them_off(server: Server, newcomer: Person) -> None:
    with opened(server) as database:
        with database.write() as connection:
            me = accounts.find(connection, newcomer.name).account_id
            keys.save(connection, me, {"safe text": "P", "category P": "S"}, False)
        newcomer.reload().at(SAFE).keys("p")
        expect(newcomer.page.locator("[data-side=safe] .caption")).to_be_visible()
        with database.write() as connection:
            keys.save(connection, me, {}, True)
    newcomer.reload().at(SAFE)
    newcomer.page.keyboard.type("ydnk")
    expect(newcomer.heading(SAFE)).to_be_visible()
    assert shown(newcomer) == 1
    newcomer.page.get_by_role("button", name="Yes").focus()
    newcomer.page.keyboard.press("Enter")
    newcomer.at(UNSAFE)


def test_a_change_of_the_question_is_announced(ann: Person) -> None:
    ann.keys("s y").at(UNSAFE)
    expect(ann.page.locator("p.live")).to_have_text(UNSAFE)
