"""The two reports: what they say, what they hide, and what they must not let through."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from support.html_page import Shown
from support.small_evaluation import DATASET, UNSAFE, Writer, example, item, small

from nsfwcaps.reports import render
from nsfwcaps.reports.page import Page, page
from nsfwcaps.reports.read import read

NASTY = [
    "<script>alert('quillbrook')</script>",
    "</template><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "| a | **b** | [c](https://example.org) | `d` |\n# e",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u202c \u200f\u2067abc",
    "\u0000\u0007\ud800",
    "]]><!-- -->",
]


def page_of(writer: Writer) -> Page:
    return page(read(writer.write()))


def html_of(writer: Writer) -> str:
    return render.html(page_of(writer))


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return small(tmp_path)


def with_captions(writer: Writer, captions: list[str]) -> Writer:
    """Put a caption everywhere where one can be."""
    queries = []
    for number, caption in enumerate(captions):
        query = {**example(number), "caption": caption, "category": caption}
        query["nearest"]["ours"] = [item(caption, unsafe=False), item(caption, unsafe=True)]
        queries.append(query)
    writer.examples = {DATASET: {"queries": queries}}
    return writer


def test_html_is_whole_and_has_every_section(writer: Writer) -> None:
    shown = Shown(html_of(writer))
    assert (shown.unbalanced, shown.open) == ([], [])
    anchors = {given["id"] for tag, given in shown.tags if tag == "h2"}
    linked = {given["href"] for tag, given in shown.tags if tag == "a"}
    assert linked == {f"#{anchor}" for anchor in anchors}
    assert len(anchors) == 11


def test_html_says_the_numbers(writer: Writer) -> None:
    text = Shown(html_of(writer)).text
    assert "of 2 primary figures of redirection, gained in 1" in text
    assert "41.0 % , shown to be the best" in text.replace("\u00a0", " ")
    assert "not shown either way" in text
    assert "ours, pets, zeroshot: no classes" in text
    assert "nudity in photos" in text
    assert "d" * 64 in text
    assert "Wilson's interval" in text
    assert "near-duplicates, whose caption or picture has a cosine of at least 0.95" in text


def test_the_right_answer_and_notes_are_said_above_the_table(writer: Writer) -> None:
    for name, content in writer.parts.items():
        if "/retrieval/" in name:
            answer = "the safe item of each pair, mined with some"
            content["nsfwcaps"]["facts"] |= {"right_answer": answer, "notes": ["read it with care"]}
    for text in (Shown(html_of(writer)).text, render.markdown(page_of(writer))):
        assert text.count("Right answer: the safe item of each pair, mined with some.") == 1
        assert text.count("Note: read it with care.") == 1


def test_nothing_is_loaded_from_elsewhere(writer: Writer) -> None:
    writer = with_captions(writer, ["see https://example.org/a.png", *NASTY])
    text = html_of(writer)
    shown = Shown(text)
    addresses = [
        value
        for tag, given in shown.tags
        for name, value in given.items()
        if name in ("src", "href", "action", "data", "srcset", "poster")
    ]
    assert all(value and value.startswith(("#", "data:image/jpeg;base64,")) for value in addresses)
    assert not {"link", "iframe", "object", "base", "form"} & {tag for tag, _ in shown.tags}
    style = "".join(re.findall(r"<style>.*?</style>", text, re.DOTALL))
    assert not re.search(r"url\(|@import", style)
    assert "default-src 'none'" in text


def test_policy_allows_the_only_script(writer: Writer) -> None:
    import base64
    import hashlib

    text = html_of(writer)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in unescape(text)


def test_no_unsafe_caption_or_picture_shows_before_a_click(writer: Writer) -> None:
    shown = Shown(html_of(writer))
    assert UNSAFE not in shown.text
    assert not any(UNSAFE in value for value in shown.attributes)
    # 3 queries, each with 4 unsafe neighbours; 2 safe ones show.
    assert sum(UNSAFE in text for text in shown.covered) == 3 * 5
    assert shown.covered_tags.count("img") == 3 * 5
    assert [tag for tag, _ in shown.tags].count("img") == 3 * 2
    assert "A vase on table" in shown.text


def test_every_cover_is_a_button_of_its_own(writer: Writer) -> None:
    shown = Shown(html_of(writer))
    buttons = [given for tag, given in shown.tags if tag == "button"]
    assert len(buttons) == 3 * 5
    assert all(given["class"] == "cover" for given in buttons)
    assert [tag for tag, _ in shown.tags].count("template") == len(buttons)


def test_print_keeps_covers(writer: Writer) -> None:
    printed = html_of(writer).split("@media print", 1)[1]
    assert re.match(r".*?\.uncovered \{ display: none; \}", printed, re.DOTALL)


@pytest.mark.parametrize("caption", NASTY, ids=range(len(NASTY)))
def test_captions_are_data(writer: Writer, caption: str) -> None:
    plain = Shown(html_of(with_captions(writer, ["A vase"])))
    text = html_of(with_captions(writer, [caption]))
    shown = Shown(text)
    assert [tag for tag, _ in shown.tags] == [tag for tag, _ in plain.tags]
    assert (shown.covered_tags, shown.unbalanced) == (plain.covered_tags, [])
    assert not any(name.startswith("on") for _, given in shown.tags for name in given)
    assert ("{{ 7 * 7 }}" in shown.text) == ("7 * 7" in caption)
    text.encode()  # what was half a character is none any more


def test_captions_are_isolated_from_what_stands_beside_them(writer: Writer) -> None:
    text = html_of(with_captions(writer, ["\u202eabc"]))
    for match in re.finditer("\u202e", text):
        opened = text.rfind("<", 0, match.start())
        assert text[opened:].startswith("<bdi")


def test_markdown_holds_no_caption(writer: Writer) -> None:
    text = render.markdown(page_of(writer))
    assert UNSAFE not in text
    assert "A vase" not in text


def markdown_tables(text: str) -> list[list[list[str]]]:
    found: list[list[list[str]]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and token.level == 4 and found:
            found[-1][-1].append(token.content)
    return found


def test_markdown_tables_parse(writer: Writer) -> None:
    found = markdown_tables(render.markdown(page_of(writer)))
    # Models; at a glance; two tables with differences, one without; six figures by category.
    assert len(found) == 1 + 1 + 2 + 2 + 1 + 6
    for table in found:
        assert len({len(row) for row in table}) == 1, table[0]
        assert len(table) > 1
    glance = {row[0]: row[3:] for row in found[1]}
    assert glance["T\\*→V R@1"] == [
        "5.0 % [2.0 to 8.0]",
        "**41.0 %** ▲ [38.0 to 44.0]",
    ]


def test_markdown_stays_a_table_whatever_categories_are_called(writer: Writer) -> None:
    own = writer.parts[f"results/{DATASET}/retrieval/ours.json"]["nsfwcaps"]["by_category"]
    own["T*→V R@1"] = dict.fromkeys(NASTY, own["T*→V R@1"]["weapons"])
    text = render.markdown(page_of(writer))
    table = next(t for t in markdown_tables(text) if t[0][0] == "category" and len(t) > 4)
    assert len(table) == 1 + 2 + len(NASTY)
    assert {len(row) for row in table} == {4}
    drawn = Shown(MarkdownIt("commonmark").enable("table").render(text))
    assert not {"script", "a", "template"} & {tag for tag, _ in drawn.tags}
    sources = [str(given["src"]) for tag, given in drawn.tags if tag == "img"]
    assert all(source.startswith("figures/") for source in sources)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)


def test_plots_are_svg_with_words(writer: Writer) -> None:
    found = page_of(writer)
    for plot in found.plots:
        root = ElementTree.fromstring(render.svg(plot, found.models))
        assert root.attrib["role"] == "img"
        assert "before" in root.attrib["aria-label"] or "redirected" in root.attrib["aria-label"]


def test_many_models_have_marks_of_their_own() -> None:
    looks = {(n % render.COLOURS, render.MARKS[n % len(render.MARKS)]) for n in range(42)}
    assert len(looks) == 42


def test_colours_are_all_in_the_style() -> None:
    style = Path(render.__file__).parent / "templates" / "plot.css"
    defined = set(re.findall(r"--m(\d): #", style.read_text()))
    assert defined == {str(number) for number in range(render.COLOURS)}
