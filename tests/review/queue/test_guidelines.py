"""Guidelines: Markdown that can neither act nor load anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsfwcaps.errors import InputError
from nsfwcaps.review.database import Database
from nsfwcaps.review.queue import guidelines


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# What is safe\n\n*Never* guess.", "<h1>What is safe</h1>\n<p><em>Never</em> guess.</p>"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        ("![a cup](https://example.org/a.png)", "<p>a cup</p>"),
        ("![<b>](x.png)", "<p>![&lt;b&gt;](x.png)</p>"),
        ("[a](JavaScript:alert(1))", "<p>[a](JavaScript:alert(1))</p>"),
        ("[a](&#106;avascript:x)", "<p>[a](javascript:x)</p>"),
        ("[a](data:text/html,x)", "<p>[a](data:text/html,x)</p>"),
        ("[a](//example.org)", "<p>[a](//example.org)</p>"),
        ("<vbscript:x>", "<p>&lt;vbscript:x&gt;</p>"),
        (
            "[a](https://example.org)",
            '<p><a href="https://example.org" rel="noopener noreferrer" target="_blank">a</a></p>',
        ),
        (
            "<mailto:lead@example.org>",
            '<p><a href="mailto:lead@example.org" rel="noopener noreferrer" target="_blank">'
            "mailto:lead@example.org</a></p>",
        ),
        ('[a](https://e.org "\\" onclick=\\"x")', None),
        ("<img src=x onerror=alert(1)>", "<p>&lt;img src=x onerror=alert(1)&gt;</p>"),
    ],
)
def test_what_markdown_becomes(text: str, html: str | None) -> None:
    found = guidelines.rendered(text).strip()
    if html is None:
        assert 'title="&quot; onclick=&quot;x"' in found
    else:
        assert found == html


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xff\xfe", "not UTF-8 text"),
        (b"a\0b", "NUL"),
        (b"[a]: https://x.org\n", "nothing of it would be shown"),
        (b"a" * 200_001, "larger than 200,000 bytes"),
    ],
)
def test_what_is_no_guidelines_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "rules.md").write_bytes(data)
    with pytest.raises(InputError, match=why):
        guidelines.read(tmp_path / "rules.md")
    with pytest.raises(InputError, match="not a file"):
        guidelines.read(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        guidelines.read(tmp_path / "other.md")


def test_they_are_kept_and_removed(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "rules.md"
    for text, html in (("*a*", "<p><em>a</em></p>\n"), ("b", "<p>b</p>\n"), ("", None)):
        path.write_text(text, encoding="utf-8-sig")
        with database.write() as connection:
            guidelines.keep(connection, guidelines.read(path))
        with database.read() as connection:
            found = guidelines.of(connection)
        assert (found and found.html) == html
