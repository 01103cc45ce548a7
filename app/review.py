"""The review in a browser; `nsfwcaps review` starts it.

Pages are thin: they draw what `nsfwcaps.review` returns and call it when a button is pressed.
Captions, names and comments are shown as plain text, never as Markdown or HTML.
"""

from __future__ import annotations

import streamlit as st

from review_app import navigation
from review_app.actions import shown_errors
from review_app.context import opened
from review_app.pages import sign_in

# Names and comments could begin like a formula, which a spreadsheet would run.
_NO_DOWNLOADS = """<style>
[data-testid="stDataFrame"] [data-testid="stElementToolbar"] { display: none; }
</style>"""


def main() -> None:
    """Draw the page that the address names, for whoever is signed in."""
    st.set_page_config(layout="wide")
    st.html(_NO_DOWNLOADS)
    _draw_after_a_restart()
    with shown_errors():
        context = opened()
        navigation.draw(context, sign_in.resumed(context))


@st.fragment(run_every="1d")
def _draw_after_a_restart() -> None:
    """Draw nothing.

    A page with such a fragment is drawn as soon as a server that was restarted is back. Streamlit
    knows no button before, and would drop the first click.
    """


main()
