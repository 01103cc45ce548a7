"""The script in the browser that guards the keyboard.

A key that is held down would answer question after question unread. And a click leaves the focus on
a link of the menu or a checkbox, where Enter and Space would press that again instead of a button.
"""

from __future__ import annotations

import streamlit as st

_SCRIPT = """
export default function () {
  window.addEventListener("keydown", once, true);  // adding it again has no effect
  window.addEventListener("click", release, true);
}

function once(event) {
  const typed = event.composedPath()[0].closest?.("input, textarea, [contenteditable]");
  if (event.repeat && !typed && (event.key.length === 1 || event.key === "Enter")) {
    event.stopImmediatePropagation();
  }
}

function release(event) {
  const byPointer = event.detail > 0;
  setTimeout(() => {
    const focused = document.activeElement;
    if (byPointer && focused?.matches("a, input[type=checkbox]")) focused.blur();
  });
}
"""


def guard_keyboard() -> None:
    """Add the script to the page."""
    _guard()(key="keyboard-guard")


@st.cache_resource(show_spinner=False)
def _guard() -> st.components.v2.types.ComponentRenderer:
    return st.components.v2.component("nsfwcaps_keyboard", js=_SCRIPT)
