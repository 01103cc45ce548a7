"""A JSON document that is read several times, each time as a stream."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import ijson

from nsfwcaps.captions.opening import HEAD_BYTES, opened, peeked, shown
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.text import recognised
from nsfwcaps.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Document:
    """The file of a document; one that cannot seek is opened once more for each pass."""

    file: BinaryIO
    url: str
    options: ReadOptions

    @contextmanager
    def stream(self) -> Iterator[BinaryIO]:
        """Yield the document from its start as UTF-8, past a byte order mark.

        Raises:
            InputError: what is read of it is no JSON.
        """
        if not self.file.seekable():
            with self.fresh() as again:
                yield again
            return
        self.file.seek(0)
        with self._checked():
            yield self._utf8(self.file)

    @contextmanager
    def fresh(self) -> Iterator[BinaryIO]:
        """Yield the document by a stream of its own; see `stream`."""
        with self._checked(), opened(self.url) as again:
            yield self._utf8(again)

    @contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except (ijson.JSONError, UnicodeDecodeError) as error:
            why = "NaN and Infinity are no JSON" if "NaN" in str(error) else "fix the file"
            raise InputError(f"{shown(self.url)}: invalid JSON; {why}") from None

    def _utf8(self, file: BinaryIO) -> BinaryIO:
        file, head = peeked(file, HEAD_BYTES)
        encoding = self.options.encoding or recognised(head)
        if encoding not in ("utf-8", "utf-8-sig", "utf8"):
            return cast(BinaryIO, codecs.EncodedFile(file, "utf-8", encoding))
        if head.startswith(codecs.BOM_UTF8):
            file.read(len(codecs.BOM_UTF8))
        return file

    def refused(self, problem: str) -> InputError:
        """Return the error that says what is wrong with the document."""
        return InputError(f"{shown(self.url)}: {problem}")
