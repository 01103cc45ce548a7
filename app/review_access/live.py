"""Whether a token is that of a login, asked without holding up the server."""

from __future__ import annotations

import functools
import time

from starlette.concurrency import run_in_threadpool

from nsfwcaps.errors import NsfwcapsError
from nsfwcaps.review.database import Database
from nsfwcaps.review.people import logins


class LiveLogins:
    """The logins in the database of the review."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def is_signed_in(self, token: str | None, *, unknown: bool) -> bool:
        """Whether a login has this token; `unknown` where the database cannot be read.

        It does not count as use: a page left open signs nobody in for longer.
        """
        if token is None:
            return False
        return await run_in_threadpool(self._look, token, unknown)

    def _look(self, token: str, unknown: bool) -> bool:
        try:
            with self._database.read() as connection:
                return logins.signed_in(connection, token, time.time()) is not None
        except NsfwcapsError:
            return unknown

    @functools.cached_property
    def _database(self) -> Database:
        return Database(self._name)
