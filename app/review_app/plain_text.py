"""Text of people and data sets, shown as it is and never read as Markdown."""

from __future__ import annotations

import re

import streamlit as st

_LONG_CHARS, _LONG_PX = 400, 160
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$:~&])")
# Streamlit looks for icons, addresses and arrows after it has parsed Markdown. A backslash does not
# help there; a character without width in between does.
_LATER = re.compile(
    r"(?<=:)(?=[\w/+-]*:|//)|(?<=@)(?=[\w-]+\.)|(?<=www)(?=\.)|(?<=[<>~-])(?=[->=]+(?:\s|$))",
    re.IGNORECASE,
)
_WORD_JOINER = "\u2060"


def show_caption(text: str) -> None:
    """Show a caption; a long one scrolls, so that the question below stays in sight."""
    with st.container(height=_LONG_PX if len(text) > _LONG_CHARS else "content", border=False):
        st.text(text, width="stretch")


def plain(text: str) -> str:
    """Escape text for places where Streamlit reads Markdown: it shows as it is, in one line."""
    return _MARKDOWN.sub(r"\\\1", _LATER.sub(_WORD_JOINER, " ".join(text.split())))
