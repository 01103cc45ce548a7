"""Folders of images with their captions beside them: `x.jpg` with `x.txt`, `x.caption` or JSON."""

from __future__ import annotations

from collections.abc import Iterator

import fsspec

from nsfwcaps.captions.folders.members import captions_in, facts_of, row_of
from nsfwcaps.captions.formats.label_texts import without_labels
from nsfwcaps.captions.formats.tar_samples import Parts, grouped
from nsfwcaps.captions.opening import reaching
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.rows import BadRow, Choose, Row, row_wise


def read_sidecars(url: str, choose: Choose, options: ReadOptions) -> Iterator[Row | BadRow]:
    """Read a row for each image with a caption; `image` is its path below the folder.

    The lines of a text file are captions each; texts of numbers are labels and left out.
    """
    with reaching(url):
        filesystem, path = fsspec.core.url_to_fs(url)
        folder = _Folder(filesystem, path.rstrip("/"))
        names, labels = without_labels(folder.names(), folder.__getitem__)
        samples, notes = grouped(names)
        rows = (row for parts in samples for row in _rows(parts, folder, options))
        yield from row_wise(rows, choose, {"format": "captions beside images", **labels, **notes})


class _Folder:
    def __init__(self, filesystem: fsspec.AbstractFileSystem, path: str) -> None:
        self._filesystem = filesystem
        self._path = path

    def names(self) -> list[str]:
        found = (name[len(self._path) :].lstrip("/") for name in self._filesystem.find(self._path))
        return sorted(name for name in found if name)

    def __getitem__(self, name: str) -> bytes:
        data: bytes = self._filesystem.cat_file(f"{self._path}/{name}")
        return data


def _rows(parts: Parts, folder: _Folder, options: ReadOptions) -> Iterator[Row | BadRow]:
    lines = [line for name in parts.texts for line in captions_in(folder[name], options, name)]
    raw = folder[parts.facts] if parts.facts else b"{}"
    facts = facts_of(raw)
    if facts is None and not lines:
        yield BadRow("broken_json", raw)
    elif not parts.images:
        # Not a caption for sure: a list of prompts or a note may lie in the folder too.
        yield BadRow("no_image", "\n".join(lines).encode(errors="surrogateescape") or raw)
    for name in parts.images if facts is not None or lines else ():
        row = row_of(parts.key, lines, facts or {}, name)
        if lines or row.keys() - {"__key__", "image"}:
            yield row
        else:
            yield BadRow("no_caption", name.encode(errors="surrogateescape"))
