"""How the judging page looks in a real browser: sizes, contrast, differences, what lies over it."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from axe_playwright_python.sync_playwright import Axe
from chromium import Person, browser
from pictured_review import added, picture
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from served import Server

SCRIPT = Path(__file__).parents[2] / "app" / "review_app" / "judging" / "script"
DESKTOP, PHONE, SMALL_PHONE = (1280, 800), (390, 844), (360, 640)
ON_ITS_SIDE, ZOOMED = (844, 390), (640, 400)
SIZES = {
    "desktop": DESKTOP,
    "phone": PHONE,
    "small phone": SMALL_PHONE,
    "phone on its side": ON_ITS_SIDE,
    "desktop at 200 %": ZOOMED,
}
SAME = "on a wooden table in a quiet kitchen beside a lamp, a chair and a basket, " * 12
GUIDELINES = (
    "# Look first\n\nA [page](https://example.org) and <b>no</b> HTML.\n" + "\n- a rule" * 80
)
ALL = ("safe text", "unsafe text", "safe image", "unsafe image")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A review of long captions and large pictures, with guidelines."""
    folder = tmp_path_factory.mktemp("look")
    write_data_set(folder)
    (folder / "guidelines.md").write_text(GUIDELINES, encoding="utf-8")
    options = ("--gold-share", "0", "--control-share", "0")
    made = Server(folder, (*options, "--guidelines", str(folder / "guidelines.md")))
    with contextlib.closing(made):
        yield made.start()


def write_data_set(
    folder: Path, categories: Sequence[str] = ("smoking",), same: str = SAME
) -> None:
    row: dict[str, Any] = {"stage": "easy", "split": "train"}
    row |= {"sim_text": 0.8, "difficulty": 0.5}
    for side, thing in (("unsafe", "white cigarette"), ("safe", "yellow pencil")):
        _, jpeg = picture((thing, "blue cup of coffee"), "table")
        large = io.BytesIO()
        Image.open(io.BytesIO(jpeg)).resize((768, 768)).save(large, "JPEG")
        row |= {f"{side}_image": large.getvalue(), f"{side}_caption": f"a {thing} {same}"}
    rows = [
        {
            **row,
            "category": categories[at % len(categories)],
            "pair_id": f"pair-{at}",
            "safe_id": f"safe-{at}",
            "unsafe_id": f"unsafe-{at}",
        }
        for at in range(max(12, len(categories)))
    ]
    (folder / "dataset" / "data").mkdir(parents=True)
    pq.write_table(
        pa.Table.from_pylist(rows), folder / "dataset" / "data" / "train-00000-of-00001.parquet"
    )


@pytest.fixture
def page(server: Server, chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The first pair, covered, of somebody new."""
    name = request.node.name[:40]
    person = Person(chromium, server, name, None).come_in()
    person.page.get_by_role("button", name="begin").click()
    expect(question(person.page)).to_have_text("Is the safe side safe?")
    yield person.page
    person.context.close()


def question(page: Page) -> Locator:
    return page.locator(".question h2")


def run(page: Page, *commands: str) -> None:
    """Press buttons, each once the server has heard of the one before."""
    for command in commands:
        page.locator(f'[data-command="{command}"]').dispatch_event("click")
        expect(page.locator(".judging")).to_have_attribute("data-pending", "0")


def uncover(page: Page) -> None:
    for what in ALL:
        run(page, what)
    expect(page.locator(".caption")).to_have_count(2)
    expect(page.locator(".picture img")).to_have_count(2)


def key(page: Page, name: str, there: Locator, count: int = 1) -> None:
    """Press a key once keys act."""
    expect(page.locator(".judging")).to_have_attribute("data-locked", "false")
    page.wait_for_timeout(100)  # until what is shown has been drawn
    page.keyboard.press(name)
    expect(there).to_have_count(count)


def resize(page: Page, size: tuple[int, int], sidebar: bool = False) -> None:
    """Change the window, and wait until the page has found its shape."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    found = page.get_by_test_id("stSidebar")
    if (found.bounding_box() or {"x": -1})["x"] >= 0 and not sidebar:
        page.get_by_test_id("stSidebarCollapseButton").locator("button").dispatch_event("click")
    elif sidebar and (found.bounding_box() or {"x": -1})["x"] < 0:
        page.get_by_test_id("stExpandSidebarButton").dispatch_event("click")
    page.wait_for_function(
        """() => new Promise((done) => {
          let last = "";
          const look = (left) => {
            const names = "[data-testid=stMain], [data-testid=stSidebar]";
            const parts = document.querySelectorAll(names);
            const now = JSON.stringify([...parts].map((one) => one.getBoundingClientRect()));
            if (left === 0) done(true);
            else setTimeout(() => look(now === last ? left - 1 : 5), 50);
            last = now;
          };
          look(5);
        })"""
    )
    page.get_by_test_id("stMain").evaluate("main => { main.scrollTop = 0; }")


# What can be seen: not above or below the window, nor below Streamlit's header or the questions.
IN_SIGHT = """(found) => {
  const root = found[0].getRootNode();
  const bar = root.querySelector(".bar");
  return found.map((one) => {
    const box = one.getBoundingClientRect();
    const low = box.bottom - 2 <= window.innerHeight && box.right <= window.innerWidth + 1;
    if (box.top < 58 || box.left < 0 || !low) return false;
    const edges = [box.top + 2, (box.top + box.bottom) / 2, box.bottom - 2];
    return edges.every((y) => {
      const top = root.elementFromPoint((box.left + box.right) / 2, y);
      return one === top || one.contains(top) || top?.contains(one);
    });
  });
}"""


def in_sight(found: Locator) -> list[bool]:
    seen: list[bool] = found.evaluate_all(IN_SIGHT)
    return seen


def answers_in_sight(page: Page) -> bool:
    return all(in_sight(page.locator(".question h2, .question .options button")))


def scrolls(page: Page) -> int:
    """How often one scrolls on by what the questions leave of the window, until all was seen."""
    main = page.get_by_test_id("stMain")
    step = page.locator(".judging").evaluate(
        "root => parseFloat(root.style.getPropertyValue('--free')) - 20"
    )
    parts = page.locator(".words, .picture img")
    seen = [False] * parts.count()
    for count in range(6):
        seen = [one or other for one, other in zip(seen, in_sight(parts), strict=True)]
        assert answers_in_sight(page)
        if all(seen):
            return count
        main.evaluate("(main, step) => { main.scrollTop += step; }", step)
    raise AssertionError(f"not seen: {seen}")


def test_the_question_and_its_answers_stay_in_sight(page: Page) -> None:
    resize(page, DESKTOP, sidebar=True)
    uncover(page)
    found = {}
    for name, size in SIZES.items():
        resize(page, size)
        found[name] = scrolls(page)
    assert found["desktop"] == 0
    assert max(found.values()) <= 2, found
    resize(page, DESKTOP, sidebar=True)
    assert scrolls(page) == 0
    heights = page.locator(".picture img").evaluate_all("all => all.map((one) => one.height)")
    assert min(heights) >= 250
    run(page, "safe_is_safe yes", "unsafe_is_unsafe yes")
    expect(page.locator('[data-command="category right"] span')).to_have_text("Yes: smoking")
    expect(page.locator(".live[role=status]")).to_have_text("Is its category right? smoking")
    run(page, "category right", "meaning 4")
    for size in SIZES.values():
        resize(page, size)
        assert answers_in_sight(page), size


def test_skip_and_the_question_stay_in_sight_over_many_categories(
    chromium: Browser, tmp_path: Path
) -> None:
    names = [f"a category with quite a long name, number {at}" for at in range(22)]
    write_data_set(tmp_path, names)
    server = Server(tmp_path, ("--gold-share", "0", "--control-share", "0"))
    with contextlib.closing(server):
        added(server.start(), "many")
        page = Person(chromium, server, "many").sign_in().page
        page.get_by_role("button", name="begin").click()
        run(page, "unsafe text", "safe text", "safe_is_safe yes", "unsafe_is_unsafe yes")
        expect(page.locator(".question .options button")).to_have_count(22)
        for size in SIZES.values():
            resize(page, size)
            assert all(in_sight(page.locator(".question h2, [data-command=back]"))), size
            assert in_sight(page.locator("[data-command=skip]")) == [True], size
            last = page.locator(".question .options button").last
            last.evaluate("one => one.scrollIntoView({ block: 'nearest' })")
            assert in_sight(last) == [True], size
            assert all(in_sight(page.locator(".question h2, [data-command=skip]"))), size
            if size[0] < 500:
                high = page.locator(".bar").evaluate("one => one.offsetHeight / window.innerHeight")
                assert high <= 0.6


def test_axe_finds_nothing_serious_and_all_can_be_touched(page: Page) -> None:
    axe, found = Axe(), []

    def look(state: str) -> list[Any]:
        images = []
        for size in (DESKTOP, PHONE):
            resize(page, size)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.wait_for_timeout(50)
                result = axe.run(page).response
                images = [one for one in result["passes"] if one["id"] == "image-alt"]
                found.extend(
                    (state, size, scheme, one["id"], [node["target"] for node in one["nodes"]])
                    for one in result["violations"]
                    if one["impact"] in ("serious", "critical")
                )
            small = page.locator(".judging button:visible").evaluate_all(
                """all => all.map((one) => [one.textContent, one.offsetWidth, one.offsetHeight])
                     .filter(([, width, height]) => width < 44 || height < 44)"""
            )
            assert small == [], state
        return images

    look("covered")
    uncover(page)
    assert look("uncovered")  # it looks into the component
    run(page, "differences", "comment")
    look("comment and differences")
    run(page, "safe image")
    expect(page.locator("dialog.enlarged")).to_be_visible()
    look("enlarged")
    page.keyboard.press("Escape")
    run(page, "guidelines")
    expect(page.locator("dialog.guidelines")).to_be_visible()
    look("guidelines")
    page.keyboard.press("Escape")
    run(page, "safe_is_safe yes", "unsafe_is_unsafe yes", "category right", "meaning 4")
    run(page, "choice fix")
    expect(page.locator("textarea")).to_have_count(3)
    look("fix")
    assert found == []


def test_images_say_only_where_they_belong_and_can_be_enlarged(page: Page) -> None:
    uncover(page)
    images = page.locator(".picture img")
    assert [one.get_attribute("alt") for one in images.all()] == ["safe image", "unsafe image"]
    dialog = page.locator("dialog[open]")
    page.wait_for_timeout(400)  # clicks on what has just come are not heeded
    page.locator(".picture").nth(1).click()
    expect(dialog.locator("img")).to_have_attribute("alt", "unsafe image")
    assert dialog.locator("img").evaluate("one => one.clientHeight") > 700
    page.keyboard.press("y")  # the question is not in sight
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator(".picture").nth(1)).to_be_focused()
    expect(question(page)).to_have_text("Is the safe side safe?")
    key(page, "Shift+S", dialog.locator('img[alt="safe image"]'))
    key(page, "Shift+S", dialog, 0)


# The height of what each caption shows, of the caption, and whether it offers more.
WORDS = """all => all.map((one) => [
  one.clientHeight, one.children[0].offsetHeight, one.children[1].offsetHeight > 0,
])"""


def test_a_caption_that_is_cut_says_so_and_can_be_enlarged(
    chromium: Browser, tmp_path: Path
) -> None:
    write_data_set(tmp_path, same=(SAME + SAME + SAME)[:2500])
    server = Server(tmp_path, ("--gold-share", "0", "--control-share", "0"))
    with contextlib.closing(server):
        added(server.start(), "long")
        page = Person(chromium, server, "long").sign_in().page
        page.get_by_role("button", name="begin").click()
        resize(page, DESKTOP)
        uncover(page)
        expect(page.locator(".more:visible")).to_have_count(2)  # pictures come after the texts
        for size in SIZES.values():
            resize(page, size)
            for shown, whole, offers_more in page.locator(".words").evaluate_all(WORDS):
                assert shown < whole, size
                assert offers_more, size
            scrollers = page.locator(".side, .side *").evaluate_all(
                "all => all.filter((one) => /auto|scroll/.test(getComputedStyle(one).overflowY))"
            )
            assert scrollers == [], size
            # No room is left empty below what is cut.
            if size[0] == DESKTOP[0]:
                side = page.locator(".side").first
                gap = "one => one.getBoundingClientRect().bottom"
                last = page.locator(".side .picture img").first
                assert side.evaluate(gap) - last.evaluate(gap) < 20
        dialog = page.locator("dialog[open]")
        for size in (PHONE, DESKTOP):
            resize(page, size)
            page.wait_for_timeout(400)  # clicks on what has just come are not heeded
            page.locator(".words").first.click(position={"x": 20, "y": 20})
            expect(dialog.locator(".caption")).to_have_attribute("aria-label", "safe text")
            assert dialog.evaluate("one => one.offsetHeight / window.innerHeight") > 0.9
            page.keyboard.press("Escape")
            expect(dialog).to_have_count(0)
        more = page.get_by_role("button", name="More of the unsafe text")
        more.press("Enter")
        expect(dialog.locator(".caption")).to_have_attribute("aria-label", "unsafe text")
        dialog.get_by_role("button", name="Close").press("Enter")
        expect(more).to_be_focused()


def test_a_usual_caption_is_not_cut(chromium: Browser, tmp_path: Path) -> None:
    write_data_set(tmp_path, same=" ".join((SAME * 2).split()[:37]))
    server = Server(tmp_path, ("--gold-share", "0", "--control-share", "0"))
    with contextlib.closing(server):
        added(server.start(), "usual")
        page = Person(chromium, server, "usual").sign_in().page
        page.get_by_role("button", name="begin").click()
        uncover(page)
        expect(page.locator(".words")).to_have_count(2)
        for size in SIZES.values():
            resize(page, size)
            for shown, whole, offers_more in page.locator(".words").evaluate_all(WORDS):
                assert shown >= whole, size
                assert not offers_more, size


def test_guidelines_lie_over_the_page_and_give_the_focus_back(page: Page) -> None:
    dialog = page.locator("dialog.guidelines")
    run(page, "safe text")
    button = page.locator("[data-command=guidelines]")
    button.press("Enter")
    expect(dialog.locator("li")).to_have_count(80)
    expect(dialog.locator("p")).to_have_text("A page and <b>no</b> HTML.")
    assert dialog.locator("a").get_attribute("rel") == "noopener noreferrer"
    page.keyboard.press("y")  # the question is not in sight
    page.keyboard.press("Tab")
    expect(dialog.locator(":focus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    expect(question(page)).to_have_text("Is the safe side safe?")
    key(page, "g", page.locator("dialog.guidelines[open]"))
    key(page, "g", page.locator("dialog.guidelines[open]"), 0)
    button.evaluate("one => one.blur()")
    key(page, "g", page.locator("dialog.guidelines[open]"))
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    expect(page.locator(".judging:focus, .judging :focus")).to_have_count(1)


def test_differences_are_marked_on_request_once_both_texts_are_shown(page: Page) -> None:
    marks = page.locator("mark")
    run(page, "safe text")
    expect(page.locator(".caption")).to_have_count(1)
    key(page, "v", page.locator('[data-command=differences][aria-pressed="true"]'))
    expect(page.locator(".said")).to_have_text("Differences are marked once both texts are shown.")
    expect(marks).to_have_count(0)
    run(page, "unsafe text")
    expect(marks).to_have_text(["yellow pencil", "white cigarette"])
    assert "underline" in marks.first.evaluate("one => getComputedStyle(one).textDecorationLine")
    assert page.locator(".caption").first.inner_text() == f"a yellow pencil {SAME}"
    key(page, "v", marks, 0)


def test_words_that_differ_are_found_in_every_script(chromium: Browser) -> None:
    page = chromium.new_page()
    page.add_script_tag(path=SCRIPT / "differences.js")

    def marked(one: str, other: str) -> list[list[str]]:
        found = page.evaluate("([one, other]) => differences(one, other)", [one, other])
        for text, runs in zip((one, other), found, strict=True):
            assert "".join(run["text"] for run in runs) == text
        return [[run["text"] for run in runs if run["differs"]] for runs in found]

    assert marked("a red cup", "a red cup") == [[], []]
    assert marked("", "a cup") == [[], ["a cup"]]
    assert marked("a  red\ncup ", "a red cup") == [[], []]  # spaces are no words
    assert marked("a red cup, full", "a blue cup. full") == [["red", ","], ["blue", "."]]
    assert marked("no dog and a cat", "a cat and no dog") == [["no dog and"], ["and no dog"]]
    assert marked("桌子上有香烟", "桌子上有铅笔") == [["香烟"], ["铅笔"]]
    assert marked("机の上にタバコがある", "机の上に鉛筆がある") == [["タバコ"], ["鉛筆"]]
    assert marked("سيجارة على الطاولة", "قلم على الطاولة") == [["سيجارة"], ["قلم"]]
    assert marked("סיגריה על השולחן", "עיפרון על השולחן") == [["סיגריה"], ["עיפרון"]]
    assert marked("मेज पर सिगरेट", "मेज पर पेंसिल") == [["सिगरेट"], ["पेंसिल"]]
    assert marked("caf\u00e9 noir", "cafe\u0301 noir") == [[], []]  # written in two ways
    assert marked("👩‍🍳 <b>x</b>", "👩‍🔬 <b>x</b>") == [["👩‍🍳"], ["👩‍🔬"]]
    began = time.monotonic()
    assert marked("a b " * 1_500, "b c " * 1_500)[0] != []
    assert time.monotonic() - began < 5
    page.close()


def test_screen_readers_hear_of_questions_and_tab_goes_through_them(page: Page) -> None:
    live = page.locator(".live[role=status]")
    expect(live).to_have_text("Next pair: smoking, mild. Is the safe side safe?")
    expect(page.locator(".judging")).to_be_focused()
    order = []
    for _ in range(8):
        page.keyboard.press("Tab")
        focused = page.locator("[data-command]:focus")
        order.append(focused.get_attribute("data-command"))
        outline = focused.evaluate("one => getComputedStyle(one).outlineStyle")
        assert outline == "solid"
    assert order == [
        *("safe text", "safe image", "unsafe text", "unsafe image"),
        *("safe_is_safe yes", "safe_is_safe no", "safe_is_safe unsure", "skip"),
    ]
    run(page, "safe text")
    expect(page.locator(".caption")).to_have_count(1)
    run(page, "safe_is_safe yes")
    expect(live).to_have_text("Is the unsafe side unsafe?")
    run(page, "skip")
    expect(live).to_have_text("Next pair: smoking, mild. Is the safe side safe?")
