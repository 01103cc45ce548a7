"""A JSON document that is read several times, each time as a stream."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import ijson

from nsfwcaps.captions.formats.json_guard import Guarded
from nsfwcaps.captions.opening import HEAD_BYTES, opened, peeked, shown
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.text import UTF8, known, recognised
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
            yield self._guarded(self.file)

    @contextmanager
    def fresh(self) -> Iterator[BinaryIO]:
        """Yield the document by a stream of its own; see `stream`."""
        with self._checked(), opened(self.url) as again:
            yield self._guarded(again)

    @contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except (ijson.JSONError, UnicodeDecodeError) as error:
            why = (
                "NaN and Infinity are no JSON, write null"
                if "NaN" in str(error)
                else "fix the file"
            )
            raise InputError(f"{shown(self.url)}: invalid JSON; {why}") from None

    def _guarded(self, file: BinaryIO) -> BinaryIO:
        return cast(BinaryIO, Guarded(self._utf8(file), shown(self.url)))

    def _utf8(self, file: BinaryIO) -> BinaryIO:
        file, head = peeked(file, HEAD_BYTES)
        asked = self.options.encoding
        encoding = known(asked, shown(self.url)) if asked else recognised(head)
        if encoding not in ("utf-8", UTF8):
            return cast(BinaryIO, _Recoded(file, encoding))
        if head.startswith(codecs.BOM_UTF8):
            file.read(len(codecs.BOM_UTF8))
        return file

    def refused(self, problem: str) -> InputError:
        """Return the error that says what is wrong with the document."""
        return InputError(f"{shown(self.url)}: {problem}")


class _Recoded:
    """A text stream of another encoding as UTF-8, for ijson reads nothing else."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")

    def read(self, size: int = -1) -> bytes:
        """Read about `size` bytes; none only at the end."""
        text = ""
        while size and not text:
            data = self._file.read(size)
            text = self._decoder.decode(data, final=not data)
            if not data:
                break
        return text.encode("utf-8", errors="replace")
