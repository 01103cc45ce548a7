"""Classification sets: labelled images from folders, webdataset tars or tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from nsfwcaps.config import digest
from nsfwcaps.enums import Split
from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.class_folders import class_folders, folder_rows
from nsfwcaps.evaluation.datasets.class_names import Label, classes_of, read_classes
from nsfwcaps.evaluation.datasets.class_tables import label_names, table_rows, tables
from nsfwcaps.evaluation.datasets.class_tars import TarSet, tar_rows, tar_set
from nsfwcaps.evaluation.datasets.pictures import MISSING, PictureSet
from nsfwcaps.evaluation.datasets.templates import IMAGENET, default_templates, named_templates
from nsfwcaps.metrics.answer_sets import Rows
from nsfwcaps.models.names import public
from nsfwcaps.progress import Progress

_IMAGENET_CLASSES = 1000

LabelledRows = Iterator[tuple[int, Label | None]]
"""Row of each image (or `MISSING`), and its label."""


@dataclass(frozen=True, kw_only=True)
class ClassSetRequest:
    """A requested classification set, and files with its class names and templates."""

    name: str
    url: str
    classes: Path | None = None
    templates: Path | str | None = None
    """A file, or `clip_benchmark:SET`."""


@dataclass(frozen=True, kw_only=True)
class ClassSet:
    """Distinct images, and the labelled rows that refer to them."""

    name: str
    pictures: PictureSet
    image_of: Rows
    """Row `[n]` in `pictures` of each labelled image."""
    labels: Rows
    """Class number `[n]` of each labelled image."""
    class_names: Sequence[str]
    templates: Sequence[str]
    templates_of: str
    """Where the templates are from; `IMAGENET` if by default."""
    left_out: dict[str, int]

    @cached_property
    def digest(self) -> str:
        """Digest of everything the figures depend on."""
        return digest(
            [
                [sha256 for sha256, _ in self.pictures.images],
                [self.image_of.tolist(), self.labels.tolist()],
                [self.class_names, self.templates],
            ]
        )

    @property
    def counts(self) -> dict[str, int]:
        """Sizes, for display."""
        return {
            "images": len(self.labels),
            "classes": len(self.class_names),
            "classes without images": len(self.class_names) - len(np.unique(self.labels)),
            "templates": len(self.templates),
        }

    @property
    def notes(self) -> list[str]:
        """What limits the figures."""
        if self.templates_of != IMAGENET or len(self.class_names) == _IMAGENET_CLASSES:
            return []
        return [
            "the templates are ImageNet's, by default: accuracies compare with published ones only "
            "where theirs are given too, with --templates; CLIP_benchmark has its own for each set"
        ]


def read_class_set(asked: ClassSetRequest, split: Split | None, progress: Progress) -> ClassSet:
    """Read a set; class names and templates come from the files, else the set, else defaults.

    Raises:
        InputError: the set is unreadable or has no labelled image, or a file does not match it.
    """
    url, classes = asked.url, asked.classes
    pictures, left_out = PictureSet(), Counter[str]()
    source = _source(url, split, pictures, left_out)
    found: list[tuple[int, Label]] = []
    with progress.task(f"read {asked.name}", None, unit="images") as advance:
        for row, label in source.rows:
            advance(1)
            if label is None:
                left_out["label_missing"] += 1
            elif row != MISSING:
                found.append((row, label))
    if pictures.missing:
        left_out["image_missing"] = pictures.missing
    if not found:
        counts = ", ".join(f"{count:,} {why}" for why, count in left_out.items())
        raise InputError(f"{url}: no labelled images ({counts or 'the set is empty'})")
    matched = classes_of(
        _distinct([label for _, label in found], source.labels, url),
        read_classes(classes) if classes is not None else source.names,
        where=url,
        source=str(classes) if classes is not None else f"{url} itself",
    )
    templates, templates_of = _templates(asked, source.templates)
    return ClassSet(
        name=asked.name,
        pictures=pictures,
        image_of=np.array([row for row, _ in found], dtype=np.int64),
        labels=np.array([matched.number_of[label] for _, label in found], dtype=np.int64),
        class_names=list(matched.names),
        templates=templates,
        templates_of=templates_of,
        left_out=dict(sorted(left_out.items())),
    )


def _templates(asked: ClassSetRequest, of_set: Sequence[str] | None) -> tuple[Sequence[str], str]:
    """Return the templates and where they are from."""
    if asked.templates is not None:
        return named_templates(str(asked.templates)), public(str(asked.templates))
    return (of_set, "the data set") if of_set else (default_templates(), IMAGENET)


@dataclass(frozen=True, kw_only=True)
class _ClassSource:
    """Rows of a set in any layout, and what the layout says about its classes."""

    rows: LabelledRows
    labels: Sequence[Label] = ()
    """All labels, if the layout lists them apart from the rows."""
    names: Sequence[str] | Mapping[str, str] | None = None
    templates: Sequence[str] | None = None


def _source(
    url: str, split: Split | None, pictures: PictureSet, left_out: Counter[str]
) -> _ClassSource:
    path = Path(url)
    tars: TarSet | None = tar_set(path, split)
    if tars is not None:
        return _ClassSource(
            rows=tar_rows(tars, pictures, left_out), names=tars.names, templates=tars.templates
        )
    folders = class_folders(path, split)
    if folders:
        return _ClassSource(
            rows=folder_rows(folders, pictures), labels=[folder.name for folder in folders]
        )
    urls = tables(url, split)
    return _ClassSource(
        rows=table_rows(urls, split, url, pictures, left_out), names=label_names(urls)
    )


def _distinct(found: Sequence[Label], known: Sequence[Label], url: str) -> list[Label]:
    """Sort distinct labels: numbers numerically, names alphabetically."""
    distinct = {*found, *known}
    if len({type(label) for label in distinct}) > 1:
        raise InputError(f"{url}: labels mix numbers and names; use one kind")
    return sorted(distinct, key=lambda label: (isinstance(label, str), label))
