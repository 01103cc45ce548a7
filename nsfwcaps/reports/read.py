"""Reading the folder of `nsfwcaps eval`; damaged files are reported and skipped."""

from __future__ import annotations

import json
import math
import shlex
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nsfwcaps.errors import ArtifactError
from nsfwcaps.reports.results import Cosines, Figure, Key, ModelComparison, ReportInput, TaskResult

Content = TypeVar("Content")

_DAMAGE = (OSError, ValueError, TypeError, KeyError, AttributeError, zipfile.BadZipFile, EOFError)


def read(folder: Path) -> ReportInput:
    """Read the results of an evaluation.

    Raises:
        ArtifactError: the folder holds no readable result.
    """
    reader = _Reader(folder)
    paths = sorted((folder / "results").glob("*/*/*.json"))
    parts = [part for path in paths if (part := reader.read(path, _part)) is not None]
    if not parts:
        raise ArtifactError(
            reader.problems[0]
            if paths
            else f"{folder}: no results; run "
            f"'nsfwcaps eval --out {shlex.quote(str(folder))} …' first"
        )
    run = reader.read(folder / "run.json", _object) or {}
    cosines: dict[str, dict[str, Mapping[str, Cosines]]] = {}
    for path in sorted((folder / "results").glob("*/similarities/*.npz")):
        if (arrays := reader.read(path, _arrays)) is not None:
            cosines.setdefault(path.parent.parent.name, {})[path.stem] = arrays
    examples = {
        path.parent.name: content
        for path in sorted((folder / "results").glob("*/examples.json"))
        if (content := reader.read(path, _object)) is not None
    }
    compared = reader.read(folder / "comparisons.json", _comparisons) or {}
    return ReportInput(
        models=_in_order(parts, run),
        parts=tuple(parts),
        comparisons=compared,
        run=run,
        cosines=cosines,
        examples=examples,
        problems=tuple(reader.problems),
    )


class _Reader:
    """Reads files below a folder, and records those that fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[str] = []

    def read(self, path: Path, parse: Callable[[Path], Content]) -> Content | None:
        """Return the parsed content of a file, or None if it is missing or damaged."""
        try:
            return parse(path)
        except FileNotFoundError:
            what = "is missing"
        except _DAMAGE:
            what = "is damaged"
        name = path.relative_to(self.folder).as_posix()
        self.problems.append(
            f"{name} {what}; run the same 'nsfwcaps eval' command again to rewrite it"
        )
        return None


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _object(path: Path) -> dict[str, Any]:
    return dict(_json(path))


def _part(path: Path) -> TaskResult:
    values = _json(path)
    own = values["nsfwcaps"]
    return TaskResult(
        dataset=str(values["dataset"]),
        task=str(values["task"]),
        model=str(values["model"]),
        data_digest=str(own["data_digest"]),
        version=str(own["version"]),
        settings=dict(own.get("settings") or {}),
        figures={name: _figure(item) for name, item in own["figures"].items()},
        by_category={
            name: {category: _figure(item) for category, item in categories.items()}
            for name, categories in (own.get("by_category") or {}).items()
        },
        facts=dict(own.get("facts") or {}),
    )


def _figure(item: Mapping[str, Any]) -> Figure:
    n, units = item.get("n"), item.get("units")
    low, high = _interval(item)
    return Figure(
        value=_number(item["value"]),
        low=low,
        high=high,
        n=None if n is None else int(n),
        units=None if units is None else int(units),
    )


def _interval(item: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Read the ends; None for those of an interval without width, as early versions wrote them."""
    low, high = _number(item.get("low")), _number(item.get("high"))
    return (None, None) if low == high else (low, high)


def _number(value: Any) -> float | None:
    if value is None or not math.isfinite(float(value)):
        return None
    return float(value)


def _comparisons(path: Path) -> dict[Key, ModelComparison]:
    return {
        (item["dataset"], item["task"], item["figure"], item["model"]): ModelComparison(
            difference=difference,
            low=_interval(item)[0],
            high=_interval(item)[1],
            p=_number(item["p"]),
            p_holm=_number(item["p_holm"]),
            margin=_number(item["margin"]),
            verdict=item["verdict"],
        )
        for item in _json(path)
        if (difference := _number(item["difference"])) is not None
    }


def _arrays(path: Path) -> dict[str, Cosines]:
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: np.asarray(archive[name], dtype=np.float32) for name in archive.files}
    return {name: values[np.isfinite(values)] for name, values in arrays.items()}


def _in_order(parts: list[TaskResult], run: Mapping[str, Any]) -> tuple[str, ...]:
    """Order models as given to the evaluation, then those of earlier runs."""
    there = {part.model for part in parts}
    named = [name for name in run.get("models") or () if name in there]
    return (*named, *sorted(there.difference(named)))
