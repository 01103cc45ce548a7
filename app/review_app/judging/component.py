"""The component that draws the judging page in the browser; its script is in `script/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

KEY = "judging"
"""Key of the session state that holds what the browser sent: `outbox`."""
_FOLDER = Path(__file__).parent / "script"
# They are one module: each uses what the ones before it define.
SCRIPTS = (
    *("keys.js", "view.js", "state.js", "differences.js", "fit.js"),
    *("draw.js", "draw_sides.js", "fields.js", "dialogs.js", "drawing.js", "main.js"),
)


def script() -> str:
    """The whole script."""
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)


def mount(data: Mapping[str, Any], on_outbox: Callable[[], None]) -> None:
    """Draw the page; `on_outbox` runs when the browser has sent something."""
    st.html(f"<style>{(_FOLDER / 'page.css').read_text(encoding='utf-8')}</style>")
    _component()(data=dict(data), key=KEY, on_outbox_change=on_outbox)


def outbox() -> Any:
    """What the browser sent last, unchecked."""
    return (st.session_state.get(KEY) or {}).get("outbox")


@st.cache_resource(show_spinner=False)
def _component() -> st.components.v2.types.ComponentRenderer:
    css = (_FOLDER / "style.css").read_text(encoding="utf-8")
    return st.components.v2.component("nsfwcaps_judging", css=css, js=script())
