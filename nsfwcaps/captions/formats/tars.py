"""Tar files of images with captions, as webdataset and img2dataset write them."""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from fsspec.implementations.local import LocalFileOpener

from nsfwcaps.captions.folders.members import captions_in, facts_of, row_of
from nsfwcaps.captions.formats.label_texts import without_labels
from nsfwcaps.captions.formats.tar_samples import Parts, grouped
from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.rows import BadRow, Choose, Row, Sample, row_wise
from nsfwcaps.errors import InputError


@dataclass(frozen=True, slots=True)
class _Member:
    offset: int
    size: int


def read(file: BinaryIO, url: str, choose: Choose, options: ReadOptions) -> Iterator[Row | BadRow]:
    """Read a row for each image with its captions; `image` holds the file's bytes.

    The names are listed first, for captions may lie far from their images. A sample at a time is
    in memory; images are not read at all if `choose` leaves them out. A compressed or remote tar
    is unpacked to a temporary file.

    Raises:
        InputError: the tar is damaged or truncated.
    """
    with _on_disk(file) as local:
        members = dict(listed(local, url))
        contents = _Files(local, members)
        names, labels = without_labels([*members], contents.__getitem__)
        samples, notes = grouped(names)
        if members and not samples:
            raise InputError(
                f"{shown(url)}: no images with captions in this tar; unpack it and name the file "
                "with the captions"
            )
        wish = _Wish(choose, has_images=any(parts.images for parts in samples))
        rows = (row for parts in samples for row in _rows(parts, contents, wish, options))
        found = {"format": "tar of images and captions", **labels, **notes}
        yield from row_wise(rows, wish.choose, found)


@contextmanager
def _on_disk(file: BinaryIO) -> Iterator[BinaryIO]:
    """The file itself if its members can be read in any order, else an unpacked copy."""
    if isinstance(file, LocalFileOpener | io.BytesIO):
        yield file
        return
    with tempfile.TemporaryFile(prefix="nsfwcaps-") as copy:
        shutil.copyfileobj(file, copy, 2**20)
        copy.seek(0)
        yield cast(BinaryIO, copy)


class _Wish:
    """Whether the tar has images, and whether they are needed once the columns are chosen."""

    def __init__(self, choose: Choose, *, has_images: bool) -> None:
        self._choose = choose
        self.has_images = has_images
        self.images = True

    def choose(self, sample: Sample) -> Sequence[str]:
        names = self._choose(sample)
        self.images = "image" in names
        return names


class _Header(tarfile.TarInfo):
    """A member's header; `tarfile` is silent about a missing end of the archive."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> _Header:
        try:
            return super().fromtarfile(tar)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                tar.has_ended = True  # type: ignore[attr-defined]
            raise


def listed(file: BinaryIO, url: str) -> Iterator[tuple[str, _Member]]:
    """Yield names and places of the files; a hard link is the file that it links to.

    Raises:
        InputError: the tar breaks off, or another one follows in the same file.
    """
    try:
        with tarfile.open(fileobj=file, mode="r:", tarinfo=_Header, errorlevel=2) as tar:
            linked: dict[str, _Member] = {}
            while (header := tar.next()) is not None:
                if header.islnk() and header.linkname in linked:
                    yield header.name, linked[header.linkname]
                elif header.isreg():
                    linked[header.name] = _Member(header.offset_data, header.size)
                    yield header.name, linked[header.name]
                tar.members.clear()  # type: ignore[attr-defined]
            if not getattr(tar, "has_ended", False):
                raise tarfile.ReadError("no end of archive")
    except tarfile.TarError:
        raise InputError(
            f"{shown(url)}: the tar file is damaged or truncated; copy or download it again"
        ) from None
    while rest := file.read(2**20):
        if rest.strip(b"\0"):
            raise InputError(
                f"{shown(url)}: more data follows the end of the tar; tar files joined by 'cat' "
                "lose all but the first: name them one by one"
            )


class _Files:
    """The contents of a tar's files."""

    def __init__(self, file: BinaryIO, members: Mapping[str, _Member]) -> None:
        self._file = file
        self._members = members

    def __getitem__(self, name: str) -> bytes:
        member = self._members[name]
        self._file.seek(member.offset)
        return self._file.read(member.size)


def _rows(parts: Parts, files: _Files, wish: _Wish, options: ReadOptions) -> Iterator[Row | BadRow]:
    """A row for each image of a sample; one without an image if there is only text."""
    captions = [text for name in parts.texts for text in captions_in(files[name], options, name)]
    raw = files[parts.facts] if parts.facts else b"{}"
    facts = facts_of(raw)
    if facts is None and not captions:
        yield BadRow("broken_json", raw)
        return
    if not parts.images and wish.has_images and len(captions) > 1:
        # Not the caption of one lost image, but a table or a list of many.
        yield BadRow("no_image", "\n".join(captions).encode(errors="surrogateescape"))
        return
    images: list[str | None] = [*parts.images]
    for name in images or [None]:
        image = None
        if name is not None and wish.images:
            image = {"bytes": files[name], "path": name}
        row = row_of(parts.key, captions, facts or {}, image)
        if captions or row.keys() - {"__key__", "image"}:
            yield row
        else:
            yield BadRow("no_caption", (name or parts.key).encode(errors="surrogateescape"))
