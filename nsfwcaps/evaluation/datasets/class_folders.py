"""One folder per class, named after it, as for torchvision's ImageFolder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from nsfwcaps.enums import Split
from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.files import picture_files
from nsfwcaps.evaluation.datasets.pictures import PictureSet

_SPLITS = {
    Split.TRAIN: ("train",),
    Split.VALIDATION: ("validation", "val", "valid", "dev"),
    Split.TEST: ("test",),
}


def class_folders(path: Path, split: Split | None) -> list[Path]:
    """List the class folders in order, of the given split if the set is divided into splits.

    Empty if the path holds no images in folders.

    Raises:
        InputError: a class has no images, or the set lacks the split.
    """
    if not path.is_dir():
        return []
    inner = _folders(path)
    words = {word for names in _SPLITS.values() for word in names}
    if inner and all(folder.name.lower() in words for folder in inner):
        wanted = _SPLITS[split or Split.TEST]
        chosen = [folder for folder in inner if folder.name.lower() in wanted]
        if not chosen:
            raise InputError(
                f"{path}: no split {wanted[0]}; found "
                f"{', '.join(folder.name for folder in inner)}: choose one with --split"
            )
        inner = _folders(chosen[0])
    filled = [folder for folder in inner if picture_files(folder)]
    if filled and len(filled) < len(inner):
        empty = [folder.name for folder in inner if folder not in filled]
        shown = ", ".join(empty[:3]) + (", …" if len(empty) > 3 else "")
        raise InputError(
            f"{path}: {len(empty)} of {len(inner)} classes have no images ({shown}); complete the "
            "copy, or remove the empty folders"
        )
    return filled


def folder_rows(folders: Sequence[Path], pictures: PictureSet) -> Iterator[tuple[int, str]]:
    """Yield the row and the class of each image."""
    for folder in folders:
        for file in picture_files(folder):
            yield pictures.add(file.read_bytes), folder.name


def _folders(path: Path) -> list[Path]:
    return sorted(
        folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith(".")
    )
