"""Guidelines for annotators: a Markdown file, kept as HTML that is safe to insert into a page."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nsfwcaps.errors import InputError
from nsfwcaps.review.chain import state
from nsfwcaps.review.meta import get_meta, set_meta

MAX_BYTES = 200_000
_KEY = "guidelines"
_SCHEMES = ("http://", "https://", "mailto:")


@dataclass(frozen=True, kw_only=True)
class Guidelines:
    """Guidelines of a review."""

    html: str
    """Without scripts, styles, images and HTML of the file."""
    sha256: str
    """Of the file."""


def read(path: Path) -> Guidelines:
    """Read and render a Markdown file.

    Raises:
        InputError: it cannot be read, is too large, or is not UTF-8 text.
    """
    try:
        if not path.exists():
            raise InputError(f"{path}: no such file; name a Markdown file with --guidelines")
        if not path.is_file():  # reading a pipe might never end
            raise InputError(f"{path}: not a file; name a Markdown file with --guidelines")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError):
        raise InputError(f"{path}: cannot be read; check its permissions") from None
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES:,} bytes; shorten the guidelines")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if "\0" in text:
        raise InputError(f"{path}: contains NUL characters; expected a Markdown file")
    html = rendered(text)
    if text.strip() and not html.strip():
        raise InputError(
            f"{path}: nothing of it would be shown; write text, or empty the file to remove the "
            "guidelines"
        )
    return Guidelines(html=html, sha256=hashlib.sha256(data).hexdigest())


def rendered(text: str) -> str:
    """Render Markdown as HTML without anything that acts or loads.

    >>> rendered("<b>*no*</b> [page](javascript:x)").strip()
    '<p>&lt;b&gt;<em>no</em>&lt;/b&gt; [page](javascript:x)</p>'
    """
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    markdown.validateLink = _is_safe  # type: ignore[method-assign]
    # An image would be fetched from elsewhere, or be one that nobody chose to uncover.
    markdown.add_render_rule("image", _image)
    markdown.add_render_rule("link_open", _link)
    return str(markdown.render(text))


def keep(connection: sa.Connection, given: Guidelines) -> str | None:
    """Store guidelines in place of earlier ones, and log them; an empty file removes them.

    Returns what was done, `set`, `changed` or `removed`; None if they were the same before.
    """
    values = {"html": given.html, "sha256": given.sha256} if given.html.strip() else None
    before = get_meta(connection, _KEY)
    if before == values:
        return None
    set_meta(connection, _KEY, values)
    state.log_guidelines(connection, time.time())
    if values is None:
        return "removed"
    return "set" if before is None else "changed"


def of(connection: sa.Connection) -> Guidelines | None:
    """Return the guidelines of a review, or None."""
    kept = get_meta(connection, _KEY)
    return None if kept is None else Guidelines(**kept)


def _is_safe(url: str) -> bool:
    return url.strip().lower().startswith(_SCHEMES)


def _image(self: Any, tokens: Sequence[Any], at: int, options: Any, env: Any) -> str:
    from markdown_it.common.utils import escapeHtml

    return escapeHtml(tokens[at].content)


def _link(self: Any, tokens: Sequence[Any], at: int, options: Any, env: Any) -> str:
    tokens[at].attrSet("rel", "noopener noreferrer")
    tokens[at].attrSet("target", "_blank")
    return str(self.renderToken(tokens, at, options, env))
