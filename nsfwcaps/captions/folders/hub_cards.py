"""Configurations and splits that the card of a Hugging Face data set declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import yaml
from fsspec.utils import glob_translate

_FRONT_MATTER = re.compile(r"\A\ufeff?---\s*\n(.*?\n)---\s*(?:\n|\Z)", re.DOTALL)

Declared = dict[str, list[tuple[str | None, str]]]
"""Split and relative path of the files of each configuration; no split where none is declared."""


def declared(card: str, names: Sequence[str]) -> Declared:
    """Return what a card says of the files that are there.

    A snapshot may hold a part of the data set: configurations without a file here are left out.
    Source: the `configs` of huggingface.co/docs/hub/datasets-manual-configuration.
    """
    found: Declared = {}
    for config in _configs(card):
        files = list(dict.fromkeys(_files(config, names)))
        if files:
            found.setdefault(str(config.get("config_name") or "default"), []).extend(files)
    return found


def _configs(card: str) -> list[dict[str, Any]]:
    matter = _FRONT_MATTER.match(card)
    try:
        facts = yaml.safe_load(matter[1]) if matter else None
    except yaml.YAMLError:
        return []
    configs = facts.get("configs") if isinstance(facts, dict) else None
    return [item for item in configs or [] if isinstance(item, dict)]


def _files(config: dict[str, Any], names: Sequence[str]) -> Iterator[tuple[str | None, str]]:
    folder = str(config.get("data_dir") or "").removeprefix("./").strip("/")
    base = f"{folder}/" if folder and folder != "." else ""
    if config.get("data_files") is None:
        if base:
            yield from ((None, name) for name in names if name.startswith(base))
        return
    for split, pattern in _patterns(config["data_files"]):
        matches = _matcher(base + pattern.removeprefix("./"))
        # Hidden files count only where they are named, as in `datasets`.
        hidden = pattern.startswith(".") or "/." in pattern
        for name in names:
            if matches(name) and (hidden or not any(p.startswith(".") for p in name.split("/"))):
                yield split, name


def _matcher(pattern: str) -> Callable[[str], object]:
    try:
        return re.compile(glob_translate(pattern)).match
    except ValueError:  # `**` within a name
        return re.compile(glob_translate(re.sub(r"\*+", "*", pattern))).match


def _patterns(data_files: Any) -> Iterator[tuple[str, str]]:
    """Split and pattern of `data_files`: text, a list, a mapping, or a list of {split, path}."""
    if isinstance(data_files, str):
        yield "train", data_files  # as `datasets` names files without a split
    elif isinstance(data_files, dict):
        if isinstance(data_files.get("path"), str | list):
            for path in _paths(data_files["path"]):
                yield str(data_files.get("split") or "train"), path
        else:
            for split, value in data_files.items():
                yield from ((str(split), path) for path in _paths(value))
    elif isinstance(data_files, list):
        for item in data_files:
            yield from _patterns(item)


def _paths(value: Any) -> list[str]:
    return [str(path) for path in (value if isinstance(value, list) else [value])]
