"""`run.json`: what was evaluated, and what is missing.

Generation writes results to the same folder; its entries are preserved.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nsfwcaps.errors import StorageError
from nsfwcaps.evaluation.request import EvaluationTask
from nsfwcaps.evaluation.results import write_json

RECORD = "run.json"
_OURS = (".lock", ".parts")
"""What commands at work leave in a folder before there is a record."""

# Parent folders in a path, absolute or relative; the host of a URL does not count.
_FOLDERS = re.compile(r"(?<![\w.])(?<!:/)(?:~|\.{0,2})/(?:[^\s/:'\"()]+/)+")


def without_folders(reason: str) -> str:
    """Strip parent folders from paths in a message: records are shared, folders are private.

    >>> without_folders("/home/me/runs/safer/adapter.json is damaged")
    'adapter.json is damaged'
    """
    return _FOLDERS.sub("", reason)


def read_record(out: Path) -> dict[str, Any]:
    """Read `run.json`; empty if missing or damaged, as it is rewritten anyway."""
    try:
        return dict(json.loads((out / RECORD).read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}


def write_record(out: Path, record: Mapping[str, Any], others: Sequence[Path]) -> None:
    """Write `run.json`.

    Args:
        out: the evaluation's folder.
        record: content from this run.
        others: result files of other tasks; entries of their models and data sets are kept.
    """
    before = read_record(out)
    models = {path.stem for path in others}
    datasets = {path.parts[-3] for path in others}
    content = {
        **before,
        **record,
        "models": {**record["models"], **_entries_of(before, record, "models", models)},
        "datasets": {**record["datasets"], **_entries_of(before, record, "datasets", datasets)},
        "missing": [
            *({**item, "reason": without_folders(item["reason"])} for item in record["missing"]),
            *_of_other_tasks(before.get("missing")),
        ],
    }
    write_json(out / RECORD, content)


def _entries_of(
    before: Mapping[str, Any], record: Mapping[str, Any], key: str, names: set[str]
) -> dict[str, Any]:
    known = before.get(key)
    known = known if isinstance(known, dict) else {}
    return {name: known[name] for name in known if name in names and name not in record[key]}


def _of_other_tasks(missing: Any) -> list[Any]:
    """Missing parts of other tasks; entries without a task come from evaluation."""
    items = missing if isinstance(missing, list) else []
    ours = [None, *(task.value for task in EvaluationTask)]
    return [item for item in items if isinstance(item, dict) and item.get("task") not in ours]


def check_folder(out: Path) -> None:
    """Refuse a folder that holds other files.

    Raises:
        StorageError: the path is a file, or a folder that no evaluation wrote.
    """
    if out.exists() and not out.is_dir():
        raise StorageError(f"{out} is a file; choose another --out")
    others = [path.name for path in out.iterdir() if path.name not in _OURS] if out.exists() else []
    if others and not (out / RECORD).exists():
        raise StorageError(
            f"{out} holds other files (such as {min(others)}); choose another --out, or empty the "
            "folder"
        )
