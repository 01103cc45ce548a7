"""Splits and configurations that the names of a folder's files tell, as `datasets` names them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# Source: SPLIT_KEYWORDS, NON_WORDS_CHARS and SPLIT_PATTERN_SHARDED of datasets/data_files.py.
_KEYWORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "dev": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
_KEYWORD = re.compile(
    rf"(?:^|[-._ 0-9])({'|'.join(sorted(_KEYWORDS, key=len, reverse=True))})(?:$|[-._ 0-9])",
    re.IGNORECASE,
)
_OF = re.compile(r"(\w+(?:\.\w+)*)-\d{5}-of-\d{5}")
_ORDER = ("train", "validation", "test")
# Words before `-00000-of-00001` that name no split.
_SHARD_WORDS = frozenset({"part", "data", "shard", "chunk", "file", "batch", "output"})
_SHARD = re.compile(rf"(?:{'|'.join(sorted(_SHARD_WORDS))})?[-_]?\d+", re.IGNORECASE)


def canonical(split: str) -> str:
    """Return the usual name of a split: `val` and `dev` are `validation`."""
    return _KEYWORDS.get(split.casefold(), split)


def in_order(splits: Iterable[str]) -> list[str]:
    """Sort splits: train, validation, test, then the others by name."""

    def rank(split: str) -> tuple[int, str]:
        usual = canonical(split)
        return (_ORDER.index(usual) if usual in _ORDER else len(_ORDER), split)

    return sorted(splits, key=rank)


_SIDE = re.compile(
    r"(?:^|[-._ 0-9])(?:"
    r"(?P<safe>safe|sfw|harmless|benign|non[-_]?(?:harmful|toxic|nsfw))|"
    r"(?P<unsafe>unsafe|nsfw|harmful|toxic|not[-_]?safe)"
    r")(?:$|[-._ 0-9]|(?-i:(?=[A-Z])))",
    re.IGNORECASE,
)


def split_of(name: str) -> str | None:
    """Return the split that a file's relative path names, or None.

    >>> split_of("data/train-00000-of-00001.parquet"), split_of("split=dev/0.csv")
    ('train', 'dev')
    >>> split_of("annotations/captions_val2017.json"), split_of("contest.csv")
    ('val', None)
    """
    *folders, file = name.split("/")
    stem = file.partition(".")[0] if file.count(".") == 1 else file.rpartition(".")[0]
    for folder in folders:
        if folder.startswith("split="):
            return folder.removeprefix("split=")
    numbered = _OF.match(stem)
    if numbered and numbered[1].casefold() in _KEYWORDS:
        return numbered[1]
    for folder in folders:
        if found := _KEYWORD.search(folder):
            return found[1].lower()
    if numbered and numbered[1].casefold() not in _SHARD_WORDS:
        return numbered[1]
    found = _KEYWORD.search(stem)
    return found[1].lower() if found else None


def configs_of(names: Sequence[str], splits: Iterable[str]) -> list[str]:
    """Return the configuration of each file: the folders that tell its data from the others'.

    Folders of splits, of shards (`00000`) and of keys (`year=2020`) do not count. Files named by
    both sides of a pair, such as `safe.csv` and `nsfw.csv`, are two configurations.

    >>> configs_of(["data/train.csv", "data/test.csv", "extra/00000/a.csv"], ["train", "test"])
    ['data', 'data', 'extra']
    """
    known = {*splits}
    paths = [[part for part in name.split("/")[:-1] if _counts(part, known)] for name in names]
    while paths and all(path and path[0] == paths[0][0] for path in paths):
        paths = [path[1:] for path in paths]
    while paths and all(path and path[-1] == paths[0][-1] for path in paths):
        paths = [path[:-1] for path in paths]
    configs = ["/".join(path) or "default" for path in paths]
    sides = [side_of(name) for name in names]
    if {"safe", "unsafe"} <= {*sides} and {*configs} == {"default"}:
        return [side or "default" for side in sides]
    return configs


def side_of(name: str) -> str | None:
    """Return the side that a file's own name tells, `safe` or `unsafe`; None without one.

    >>> side_of("a/nsfw_1.csv"), side_of("benign.tar"), side_of("non-toxic.txt"), side_of("a.csv")
    ('unsafe', 'safe', 'safe', None)
    """
    found = _SIDE.search(name.rpartition("/")[2])
    if found is None:
        return None
    return "safe" if found["safe"] else "unsafe"


def _counts(folder: str, splits: set[str]) -> bool:
    is_split = folder in splits or _KEYWORD.search(folder)
    return not (is_split or "=" in folder or _SHARD.fullmatch(folder))
