"""The page in a browser: nothing is cut off, and what is folded is printed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from support.small_evaluation import DATASET, Writer, small

from nsfwcaps.reports.write import write

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
CATEGORIES = ("accident", "crime", "drugs", "smoking", "weapons")
LONG = "safer-clip-towards-nearest-targets-rank-16-strength-one-half"

# Elements that end beyond the window, or whose words end beyond a table that does not scroll.
CUT = """() => [...document.querySelectorAll("body *")].filter((item) => {
  if (item.closest("svg") && !item.matches("svg") || item.matches(".unseen")) return false;
  const scrolled = item.parentElement.closest(".wide");
  if (scrolled) return getComputedStyle(scrolled).overflowX !== "auto";
  const box = item.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 1 || box.left < -1);
}).length"""
FOLDED = "() => document.querySelectorAll('#categories ~ div details:not([open])').length"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not FOUND:
        pytest.skip("no chromium or google-chrome is installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=FOUND, args=["--no-sandbox"])
        yield opened
        opened.close()


def with_models(writer: Writer, names: list[str]) -> Writer:
    """Give the results of one model to further ones."""
    for place, content in [*writer.parts.items()]:
        if place.endswith("/ours.json"):
            for name in names:
                writer.parts[place.replace("ours.json", f"{name}.json")] = content | {"model": name}
    writer.comparisons += [test | {"model": name} for test in writer.comparisons for name in names]
    return writer


@pytest.mark.parametrize("width", [1200, 1280, 390])
@pytest.mark.parametrize("names", [[LONG], ["a", "b", "c", "d", "e", LONG]], ids=["3", "8"])
def test_nothing_is_cut_off(browser: Browser, tmp_path: Path, width: int, names: list[str]) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(write(with_models(small(tmp_path), names).write()).html.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CUT) == 0
    tables = (
        "() => [...document.querySelectorAll('.wide')].map((e) => e.scrollWidth - e.clientWidth)"
    )
    scrolled = [over for over in page.evaluate(tables) if over > 0]
    assert bool(scrolled) == (width == 390 or len(names) > 1), scrolled
    page.close()


def test_many_categories_are_folded_and_printed(browser: Browser, tmp_path: Path) -> None:
    writer = small(tmp_path)
    for place, content in writer.parts.items():
        if f"{DATASET}/retrieval" in place:
            for figures in content["nsfwcaps"]["by_category"].values():
                figures |= dict.fromkeys(CATEGORIES, figures["weapons"])
    page = browser.new_page()
    page.goto(write(writer.write()).html.as_uri())
    assert page.evaluate(FOLDED) == 6
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(FOLDED) == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(FOLDED) == 6
    page.close()


def test_few_categories_are_open(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(write(small(tmp_path).write()).html.as_uri())
    assert page.evaluate(FOLDED) == 0
    page.close()
