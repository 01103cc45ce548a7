"""The page's side of the login's cookie, which only the server can set and read.

After a password was checked, the browser brings a ticket to the server, gets the cookie, and opens
the page again. So the session of a login always began with its cookie.
"""

from __future__ import annotations

import secrets
import time

import streamlit as st

from review_access import tickets
from review_access.connections import TOKEN_HEADER
from review_access.cookie import OWN

_SCRIPT = """
const done = new Set();  // drawing again repeats nothing

export default function ({ data, parentElement }) {
  if (done.has(data.ticket)) return;
  done.add(data.ticket);
  run(data, parentElement.querySelector("p"));
}

async function run({ task, ticket, own, stays }, told) {
  await fetch(own + task, { method: "POST", body: ticket });
  if (task === "sign-in" && !(await fetch(own + "kept")).ok) {
    told.textContent = "This browser did not keep the login. Allow cookies, then reload the page.";
    return;
  }
  if (!stays) location.reload();
}
"""


def token_of_browser() -> str | None:
    """The token that the browser's cookie brought when it connected."""
    return st.context.headers.get(TOKEN_HEADER)


def hand_over(token: str) -> None:
    """Make the browser keep a token, and open the page again."""
    _draw(task="sign-in", ticket=tickets.issue(token, time.time()))


def forget(*, stays: bool) -> None:
    """Make the browser forget a login that has ended; it opens the page again unless it `stays`."""
    _draw(task="sign-out", ticket=secrets.token_hex(8), stays=stays)


def _draw(**data: object) -> None:
    base = st.get_option("server.baseUrlPath").strip("/")
    own = f"/{base}/{OWN}" if base else f"/{OWN}"
    _script()(data={"stays": False, **data, "own": own}, key="login-cookie")


@st.cache_resource(show_spinner=False)
def _script() -> st.components.v2.types.ComponentRenderer:
    return st.components.v2.component("nsfwcaps_login", html="<p></p>", js=_SCRIPT)
