"""Inspection of a pool: read a sample of it as ingest would, and count what it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from nsfwcaps.captions import sources
from nsfwcaps.captions.clean import Clean, clean_row
from nsfwcaps.captions.images import ImageReader
from nsfwcaps.captions.opening import local_path, shown
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.captions.tables.roles import Columns
from nsfwcaps.errors import InputError
from nsfwcaps.inspection.facts import SideFacts, Spread
from nsfwcaps.inspection.formats import format_of
from nsfwcaps.inspection.report import Inspection
from nsfwcaps.inspection.sample import Files, FileSample, described, rows_of_pool
from nsfwcaps.inspection.settings import InspectSettings
from nsfwcaps.inspection.tally import Tally
from nsfwcaps.inspection.window import chosen_model, window_of
from nsfwcaps.stages.ingest import pool as ingest_pool
from nsfwcaps.stages.ingest.pool import (
    check_chosen,
    check_splits,
    chosen_parts,
    column_lines,
    no_captions,
)

BOTH = "safe or unsafe"
_DECODED = 16
_LOOKED_UP_REMOTELY = 64


def inspect(
    pools: Sequence[str], settings: InspectSettings, *, everything: bool = False
) -> Inspection:
    """Inspect the files of a pool, given by one or several addresses.

    Raises:
        ConfigError: the model's name has no known form.
        InputError: the pool cannot be read, needs a choice, or has no usable caption.
        ModelError: the tokenizer of the model is not installed.
    """
    label = settings.side
    options = ingest_pool.read_options(settings.of_ingest(pools, label or Label.SAFE))
    found = [sources.resolve(url, options) for url in pools]
    check_chosen(settings.of_ingest((), label), found)
    files = Files(
        urls=[url for chosen in found for url in chosen.files],
        chosen=tuple(dict.fromkeys(part for chosen in found for part in chosen_parts(chosen))),
        everything=everything,
    )
    readings, problems = _readings(files, settings)
    first = readings[0]
    check_splits(settings.of_ingest((), label), first.pool_facts())
    if not any(reading.tally.captions for reading in readings):
        rows = sum(sample.first for sample in first.samples)
        raise no_captions(pools[0], rows, first.tally.unusable)
    form = format_of(first.samples[0].url, first.samples[0].columns)
    extent = rows_of_pool(files, first.samples)
    return Inspection(
        pool=", ".join(map(shown, pools)),
        files=len(files.urls),
        bytes=sum(files.sizes.values()),
        format=form.name,
        compression=form.compression,
        encoding=form.encoding,
        delimiter=form.delimiter,
        configs=list(dict.fromkeys(name for chosen in found for name in chosen.configs)),
        splits=list(dict.fromkeys(name for chosen in found for name in chosen.splits)),
        rows=extent.rows if extent else None,
        rows_exact=bool(extent and extent.exact),
        rows_read=sum(sample.first + sum(sample.later) for sample in first.samples),
        sample=described(files, first.samples),
        sides=[reading.facts() for reading in readings],
        problems=problems,
    )


def _readings(files: Files, settings: InspectSettings) -> tuple[list[_Reading], dict[str, str]]:
    """Read the pool as each side that is asked for, or as both where they differ."""
    if settings.side is not None or settings.label_column is not None:
        return [_Reading(files, settings, settings.side).done()], {}
    heads: dict[Label, Columns | None] = {}
    problems: dict[Label, InputError] = {}
    for label in Label:
        try:
            heads[label] = _head(files, settings, label)
        except InputError as error:
            problems[label] = error
    if not heads:
        raise problems[Label.SAFE]
    columns = [*heads.values()]
    same = len(columns) > 1 and columns[0] == columns[1] and not (columns[0] and columns[0].flag)
    same = same and settings.safe_image == settings.unsafe_image
    labels = [Label.SAFE] if same else [*heads]
    readings = [
        _Reading(files, settings, label, name=BOTH if same else label.value).done()
        for label in labels
    ]
    return readings, {label.value: str(error) for label, error in problems.items()}


def _head(files: Files, settings: InspectSettings, label: Label) -> Columns | None:
    """Columns of the first file; None if it has no rows."""
    sample = FileSample(files.sampled[0], files, settings.of_ingest(files.urls, label), label)
    sample.rows.at_end()
    return sample.columns


class _Reading:
    """The pool, read as one side."""

    def __init__(
        self, files: Files, settings: InspectSettings, label: Label | None, name: str | None = None
    ) -> None:
        ingest = settings.of_ingest(files.urls, label)
        self.samples = [FileSample(url, files, ingest, label) for url in files.sampled]
        self._everything = files.everything
        self._chosen = files.chosen
        self._label = label
        self._name = name or (label.value if label else "by column")
        self._max_chars, self._null_words = settings.max_chars, settings.null_words
        first = self.samples[0]
        first.rows.at_end()  # recognises its columns
        has_column = first.columns is not None and first.columns.image is not None
        self._has_pictures = has_column or first.rows.template is not None
        self._model = chosen_model(settings.model, with_images=self._has_pictures)
        decode = None if files.everything else _DECODED
        self.tally = Tally(window_of(self._model), decode=decode)
        self._several: Counter[str] = Counter()

    def done(self) -> _Reading:
        """Read all samples."""
        for sample in self.samples:
            images = sample.rows.images
            read = self._read_of(images) if self._everything else self._look_of(images)
            before = self.tally.several_categories
            for number, row in sample:
                items = clean_row(
                    row,
                    sample.columns,
                    self._label,
                    max_chars=self._max_chars,
                    null_words=self._null_words,
                    read_image=read,
                    template=sample.rows.template,
                )
                for item in items:
                    self.tally.add(sample.name, number, item)
                    if isinstance(item, Clean) and item.image is not None:
                        sample.image_bytes += len(item.image)
                        self.tally.add_picture(item.image)
            self._several[sample.url] = self.tally.several_categories - before
        return self

    def _read_of(self, images: ImageReader) -> Callable[[str], bytes]:
        def read(path: str) -> bytes:
            data = images.read(path)
            self.tally.add_picture(data)
            return data

        return read

    def _look_of(self, images: ImageReader) -> Callable[[str], bytes]:
        """Read the first pictures; look whether the others are there.

        The path then takes the place of the content: it tells pictures apart as well.
        """
        known: dict[str, bytes] = {}
        is_remote = local_path(images.root) is None
        looked = 0

        def look(path: str) -> bytes:
            nonlocal looked
            if path in known:
                return known[path]
            if len(known) < _DECODED:
                known[path] = images.read(path)
                self.tally.add_picture(known[path])
                return known[path]
            looked += 1
            if (not is_remote or looked <= _LOOKED_UP_REMOTELY) and not images.exists(path):
                raise FileNotFoundError
            return path.encode()

        return look

    def facts(self) -> SideFacts:
        """Return what was counted."""
        tally = self.tally
        described = ingest_pool.described(self.samples[0].columns, self.samples[0].rows.template)
        return SideFacts(
            label=self._name,
            used=described.get("used", {}),
            ignored=described.get("ignored", []),
            columns=list(column_lines(self.pool_facts())),
            captions=tally.captions,
            unusable=dict(sorted(tally.unusable.items())),
            labels=dict(sorted(tally.labels.items())) if self._label is None else {},
            exact_copies=tally.exact_copies,
            near_copies=tally.near_copies,
            characters=Spread.of(tally.characters),
            words=Spread.of(tally.words),
            tokens=tally.token_facts(self._model),
            scripts=dict(tally.scripts.most_common()),
            non_latin=tally.non_latin,
            hidden_characters=tally.hidden,
            categories=dict(tally.categories.most_common()),
            several_categories=tally.several_categories,
            pictures=tally.picture_facts() if self._has_pictures else None,
            examples=tally.finished_examples(),
        )

    def pool_facts(self) -> list[dict[str, Any]]:
        """Facts of the sampled files as in the record of ingest."""
        return [
            {
                "name": sample.name,
                "columns": ingest_pool.described(sample.columns),
                "several_categories": self._several[sample.url],
                "chosen": list(self._chosen),
            }
            for sample in self.samples
        ]
