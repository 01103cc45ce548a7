"""Keeping who is signed in over a reload: a cookie of this page, gone with the browser's session.

Streamlit cannot set cookies, so a script of two lines does. Scripts of the page can read it, and
the page has none but Streamlit's and this one. It is sent to no other site.
"""

from __future__ import annotations

import streamlit as st

_SCRIPT = """
export default function ({ data }) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const age = data.token ? "" : "; Max-Age=0";
  document.cookie = `${data.name}=${data.token}; Path=/; SameSite=Strict${age}${secure}`;
}
"""


def kept_token() -> str | None:
    """The token that the browser sent when it opened the page."""
    return st.context.cookies.get(_name())


def keep_token(token: str | None) -> None:
    """Have the browser keep a token; None makes it forget."""
    _keeper()(data={"name": _name(), "token": token or ""}, key="token-keeper")


@st.cache_resource(show_spinner=False)
def _keeper() -> st.components.v2.types.ComponentRenderer:
    return st.components.v2.component("nsfwcaps_token", js=_SCRIPT)


def _name() -> str:
    # Cookies do not know ports: two reviews on one machine must not sign each other out.
    return f"nsfwcaps_review_{st.get_option('server.port')}"
