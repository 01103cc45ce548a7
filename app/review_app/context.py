"""The review that all pages are about: its database and its data set."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
import streamlit as st

from nsfwcaps.errors import ConfigError
from nsfwcaps.review.database import Database
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.people.providers import providers

Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")


@dataclass(frozen=True)
class ReviewContext:
    """An open review."""

    database: Database
    pairs: ReviewPairs

    def read(
        self,
        query: Callable[Concatenate[sa.Connection, Arguments], Found],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Found:
        """Run a query of `nsfwcaps.review` on one state of the database."""
        with self.database.read() as connection:
            return query(connection, *args, **kwargs)


def opened() -> ReviewContext:
    """The review that the environment names, opened once per server.

    Raises:
        ConfigError: the environment names none.
        NsfwcapsError: it cannot be opened.
    """
    name, data = (os.environ.get(f"NSFWCAPS_REVIEW_{what}") for what in ("DB", "DATA"))
    if not name or not data:
        raise ConfigError("start this page with 'nsfwcaps review --data RUN'")
    return _open(name, data)


def oidc_providers() -> tuple[str, ...]:
    """Names of the OIDC providers at which people can sign in; none without `--oidc`."""
    path = os.environ.get("NSFWCAPS_REVIEW_OIDC")
    return _providers(path) if path else ()


@st.cache_resource(show_spinner=False)
def _providers(path: str) -> tuple[str, ...]:
    return providers(Path(path))


@st.cache_resource(show_spinner="Opening the data set")
def _open(name: str, data: str) -> ReviewContext:
    return ReviewContext(Database(name), ReviewPairs(Path(data)))
