"""What a folder holds: its data files, by the layouts that data sets have.

In this order: a snapshot in the cache of the Hugging Face Hub, sets of `save_to_disk`, the
configurations and splits of a card, else those that names of files and folders tell. What lies
there as data are metadata files of images, tars, captions beside their images, or tables.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import fsspec

from nsfwcaps.captions.folders.choices import ALL, DEFAULT, DEFAULT_OR_ALL, chosen
from nsfwcaps.captions.folders.file_kinds import SIDECARS, check_kinds, kind_of_file, topmost
from nsfwcaps.captions.folders.file_sets import check_set
from nsfwcaps.captions.folders.hub_cards import declared
from nsfwcaps.captions.folders.members import (
    IMAGE_ENDINGS,
    TEXT_ENDINGS,
    is_document,
    is_hidden,
    stem,
    suffix,
)
from nsfwcaps.captions.folders.pairing import owners, parent
from nsfwcaps.captions.folders.split_names import configs_of, in_order, split_of
from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.readers import ending_of
from nsfwcaps.captions.tables.column_names import CAPTION_WORDS, folded
from nsfwcaps.errors import InputError

_TABLES = (".parquet", ".arrow", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".token", ".json")
_ENDINGS = (*_TABLES, ".tar", ".tgz")
_LIST_NAMES = CAPTION_WORDS | {"metadata", "labels", "data", "index"}
"""Names of text files that rather hold many captions than that of one image."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Files of a pool, and the configurations and splits that they are of."""

    files: list[str]
    configs: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    """Empty if the folder has no splits."""

    def parts(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What was chosen of the folder, by the option's name."""
        return (("config", self.configs), ("split", self.splits))


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """A file that is read as data, or a folder of captions beside images."""

    name: str
    """Path relative to the folder; of a folder, with a slash at its end."""
    kind: str
    config: str = "default"
    split: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Folder:
    filesystem: fsspec.AbstractFileSystem
    path: str
    names: list[str] = field(default_factory=list)
    """Relative paths of the files in it, sorted; hidden ones are left out."""

    def read(self, name: str) -> bytes:
        data: bytes = self.filesystem.cat_file(f"{self.path}/{name}")
        return data

    def facts(self, name: str) -> dict[str, Any]:
        """A JSON object; empty if the file is something else."""
        try:
            found = json.loads(self.read(name))
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def where(self) -> str:
        return shown(self.path)


def files_of(
    filesystem: fsspec.AbstractFileSystem, path: str, options: ReadOptions | None = None
) -> Chosen:
    """Return the data files of a folder, as paths of its filesystem.

    Raises:
        InputError: there are none, or several kinds, configurations or splits to choose from.
    """
    options = options or ReadOptions()
    folder = _folder(filesystem, path.rstrip("/"))
    names, saved_splits = _saved_to_disk(folder)
    units = _units(names)
    if not units:
        raise InputError(
            f"{folder.where}: no data files in this folder; expected {', '.join(_ENDINGS)}, "
            "or images with captions beside them"
        )
    units = _declared(folder, units) or _named(units, saved_splits)
    of_configs, configs = _of_configs(folder, units, options)
    of_splits, splits = _of_splits(folder, of_configs, options)
    for config in configs or ("default",):
        part = [unit for unit in of_splits if unit.config == config or not configs]
        check_kinds(folder.where, {unit.name: unit.kind for unit in part})
        for split in {unit.split for unit in part}:
            check_set([unit.name for unit in part if unit.split == split], folder.where)
    whole = not splits and of_splits[0].kind == SIDECARS
    found = [""] if whole else topmost(unit.name for unit in of_splits)
    return Chosen(files=[f"{folder.path}/{name}" for name in found], configs=configs, splits=splits)


def _folder(filesystem: fsspec.AbstractFileSystem, path: str) -> _Folder:
    path = _snapshot(filesystem, path)
    inside = (name[len(path) :].lstrip("/") for name in filesystem.find(path))
    # Hidden files below the folder only: the folder itself may be in ~/.cache.
    names = sorted(name for name in inside if name and not is_hidden(name))
    return _Folder(filesystem=filesystem, path=path, names=names)


def _snapshot(filesystem: fsspec.AbstractFileSystem, path: str) -> str:
    """Of a repository in the Hub's cache, the snapshot that `main` is."""
    ref = f"{path}/refs/main"
    if not (path.rpartition("/")[2].startswith("datasets--") and filesystem.exists(ref)):
        return path
    return f"{path}/snapshots/{filesystem.cat_file(ref).decode().strip()}"


def _saved_to_disk(folder: _Folder) -> tuple[list[str], dict[str, str]]:
    """Names without Arrow files that `state.json` does not list, and splits by their folders.

    Raises:
        InputError: a file that `state.json` lists is missing.
    """
    present, left_out, splits = set(folder.names), set[str](), dict[str, str]()
    for name in folder.names:
        base, _, file = name.rpartition("/")
        start = f"{base}/" if base else ""
        if file == "state.json" and (files := folder.facts(name).get("_data_files")):
            listed = {start + str(item["filename"]) for item in files}
            if absent := sorted(listed - present):
                raise InputError(
                    f"{folder.where}: {absent[0]} is missing, which state.json lists; "
                    "copy the whole folder again"
                )
            beside = (n for n in present if n.rpartition("/")[0] == base and n.endswith(".arrow"))
            left_out |= {*beside} - listed
        elif file == "dataset_dict.json":
            found = folder.facts(name).get("splits") or ()
            splits |= {start + str(split): str(split) for split in found}
    return [name for name in folder.names if name not in left_out], splits


def _units(names: Sequence[str]) -> list[_Unit]:
    """Return what is read as data."""
    images = {stem(name) for name in names if suffix(name) in IMAGE_ENDINGS}
    beside = _beside(names, images)
    found = [_Unit(name=folder, kind=SIDECARS) for folder in sorted({*beside.values()})]
    for name in names:
        ending = ending_of(name)
        if ending in _ENDINGS and name not in beside and not is_document(name):
            found.append(_Unit(name=name, kind=kind_of_file(name, ending, bool(images))))
    return found


def _beside(names: Sequence[str], images: set[str]) -> dict[str, str]:
    """Folders of captions of images, by caption; also of those whose image is missing."""
    texts = [name for name in names if suffix(name) in TEXT_ENDINGS | {"json"}]
    found = {name: parent((name, image)) for name, image in owners(texts, images).items()}
    folder_of = {name.rpartition("/")[0]: folder for name, folder in found.items()}
    count = Counter(name.rpartition("/")[0] for name in found)
    alone = [name for name in texts if name not in found and not _is_list(name)]
    count.subtract(name.rpartition("/")[0] for name in alone)
    for name in alone:
        base = name.rpartition("/")[0]
        if count[base] >= 0:
            found[name] = folder_of[base]
    return found


def _is_list(name: str) -> bool:
    base = stem(name.rpartition("/")[2])
    return suffix(name) == "json" or is_document(name) or folded(base) in _LIST_NAMES


def _declared(folder: _Folder, units: Sequence[_Unit]) -> list[_Unit]:
    """Units with the configurations and splits of the folder's card; none without such a card."""
    card = next((name for name in folder.names if name.lower() == "readme.md"), None)
    if card is None:
        return []
    text = folder.read(card).decode("utf-8", errors="replace")
    by_name = {unit.name: unit for unit in units}
    return [
        _Unit(name=name, kind=by_name[name].kind, config=config, split=split or split_of(name))
        for config, files in declared(text, folder.names).items()
        for split, name in files
        if name in by_name
    ]


def _named(units: Sequence[_Unit], saved_splits: dict[str, str]) -> list[_Unit]:
    """Units with the splits and configurations that their names tell."""
    splits = [_saved_split(unit.name, saved_splits) or split_of(unit.name) for unit in units]
    tables = [unit.name for unit in units if unit.kind != SIDECARS]
    configs = dict(zip(tables, configs_of(tables, saved_splits.values()), strict=True))
    return [
        _Unit(name=unit.name, kind=unit.kind, config=configs.get(unit.name, "default"), split=split)
        for unit, split in zip(units, splits, strict=True)
    ]


def _saved_split(name: str, saved_splits: dict[str, str]) -> str | None:
    return saved_splits.get(name.rpartition("/")[0])


def _of_configs(
    folder: _Folder, units: Sequence[_Unit], options: ReadOptions
) -> tuple[list[_Unit], tuple[str, ...]]:
    names = sorted({unit.config for unit in units})
    if names == [DEFAULT]:
        return list(units), ()
    asked = options.config
    if asked in (None, DEFAULT_OR_ALL) and DEFAULT in names:
        asked = DEFAULT
    picked = chosen(
        names,
        ALL if asked == DEFAULT_OR_ALL else asked,
        option="--config",
        what="configurations",
        where=folder.where,
    )
    return [unit for unit in units if unit.config in picked], tuple(picked)


def _of_splits(
    folder: _Folder, units: Sequence[_Unit], options: ReadOptions
) -> tuple[list[_Unit], tuple[str, ...]]:
    names = {unit.split for unit in units}
    if names == {None}:
        return list(units), ()
    # Files of no split beside files of splits, such as captions.csv beside test.csv.
    known = in_order(split for split in names if split) + (["other"] if None in names else [])
    picked = chosen(known, options.split, option="--split", what="splits", where=folder.where)
    return [unit for unit in units if (unit.split or "other") in picked], tuple(picked)
