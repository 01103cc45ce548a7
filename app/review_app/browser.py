"""The script in the browser: it keeps the login in a cookie and guards the keyboard.

Streamlit cannot set cookies, so this script sets one, which ends with the browser's session.
Scripts of the page can read it; the page has only Streamlit's and this one. It is sent to no other
site.

A key that is held down would answer question after question unread. And a click leaves the focus on
a link of the menu or a checkbox, where Enter and Space would press that again instead of a button.
"""

from __future__ import annotations

import streamlit as st

_SCRIPT = """
export default function ({ data }) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const age = data.token ? "" : "; Max-Age=0";
  document.cookie = `${data.name}=${data.token}; Path=/; SameSite=Strict${age}${secure}`;
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


def kept_token() -> str | None:
    """The token that the browser sent with its request for the page."""
    return st.context.cookies.get(_name())


def keep_token(token: str | None) -> None:
    """Make the browser keep a token; None makes it forget."""
    _keeper()(data={"name": _name(), "token": token or ""}, key="token-keeper")


@st.cache_resource(show_spinner=False)
def _keeper() -> st.components.v2.types.ComponentRenderer:
    return st.components.v2.component("nsfwcaps_token", js=_SCRIPT)


def _name() -> str:
    # Cookies are shared by all ports: two reviews on one machine must not sign each other out.
    return f"nsfwcaps_review_{st.get_option('server.port')}"
