"""Webdatasets in CLIP_benchmark's layout.

SET/classnames.txt  zeroshot_classification_templates.txt  dataset_type.txt
SET/test/0.tar …    samples of key.jpg (or .png, .webp) and key.cls, the class number
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsfwcaps.enums import Split
from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.class_names import Label, read_classes
from nsfwcaps.evaluation.datasets.files import Sample, picture_of, tar_files, tar_samples
from nsfwcaps.evaluation.datasets.pictures import PictureSet
from nsfwcaps.evaluation.datasets.templates import read_templates

_NAMES = "classnames.txt"
_TEMPLATES = "zeroshot_classification_templates.txt"
_TYPE = "dataset_type.txt"


@dataclass(frozen=True, kw_only=True)
class TarSet:
    """Shards, and the contents of the files beside them."""

    tars: Sequence[Path]
    names: Sequence[str] | None
    templates: Sequence[str] | None


def tar_set(path: Path, split: Split | None) -> TarSet | None:
    """Find the shards of a set: a tar file, a folder of tar files, or such a folder per split.

    Raises:
        InputError: the set is not single-label classification, or lacks the split.
    """
    if path.suffix == ".tar" and path.is_file():
        return _described([path], path.parent)
    if not path.is_dir():
        return None
    if tars := tar_files(path):
        return _described(tars, path)
    wanted = (split or Split.TEST).value
    if tars := tar_files(path / wanted):
        return _described(tars, path)
    if others := sorted({tar.parent.name for tar in path.glob("*/*.tar")}):
        raise InputError(
            f"{path}: no tar files of the split {wanted}; found {', '.join(others)}: choose one "
            "with --split"
        )
    return None


def tar_rows(
    tars: TarSet, pictures: PictureSet, left_out: Counter[str]
) -> Iterator[tuple[int, Label | None]]:
    """Yield the row and the label of each image."""
    for tar in tars.tars:
        for sample in tar_samples(tar):
            read = picture_of(sample)
            if read is None:
                left_out["image_not_named"] += 1
                continue
            yield pictures.add(read), _label(sample)


def _described(tars: Sequence[Path], folder: Path) -> TarSet:
    # The files are beside the split's folder, or beside the tars.
    home = folder if (folder / _NAMES).is_file() else folder.parent
    kind = home / _TYPE
    if kind.is_file() and (word := kind.read_text().strip().lower()) in ("retrieval", "multilabel"):
        raise InputError(f"{folder}: {_TYPE} says '{word}'; expected single-label classification")
    names = read_classes(home / _NAMES) if (home / _NAMES).is_file() else None
    return TarSet(
        tars=tars,
        names=list(names) if names is not None else None,
        templates=read_templates(home / _TEMPLATES) if (home / _TEMPLATES).is_file() else None,
    )


def _label(sample: Sample) -> Label | None:
    if "cls" not in sample:
        return None
    text = sample["cls"]().decode(errors="replace").strip()
    return int(text) if text.isdecimal() else text or None
