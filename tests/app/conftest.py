"""A review for each test, and a page that has cookies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
import tabs
from tabs import Review


@pytest.fixture
def review(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Review]:
    """A review that is not begun; what the page finds open is that of this test."""
    for name in ("NSFWCAPS_REVIEW_DB", "NSFWCAPS_REVIEW_DATA"):
        monkeypatch.setenv(name, "")  # so that it is taken back
    monkeypatch.setattr(sys, "path", [str(tabs.SCRIPT.parent), *sys.path])
    # Streamlit leaves its script there, and processes that later tests spawn would run that.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    # `AppTest` has no browser: the headers are those of the one whose tab runs.
    monkeypatch.setattr(type(st.context), "headers", property(lambda context: tabs.sending))
    for cache in (st.cache_resource, st.cache_data):
        cache.clear()
    made = Review(tmp_path)
    yield made
    made.database.close()
