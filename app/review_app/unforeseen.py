"""What the page says of an error that nobody foresaw."""

from __future__ import annotations

import streamlit as st

SENTENCE = (
    "The page could not go on because of an error in the program. What was saved stays saved. "
    "Reload the page; if it happens again, ask whoever runs the server to look into its log."
)


def say(_: Exception) -> bool:
    """Say it in place of Streamlit's box, whose links would take the error to other sites."""
    st.error(SENTENCE)
    return True
