"""Results on disk: one JSON file per data set, task and model, with CLIP_benchmark's keys.

    OUT/results/<dataset>/<task>/<model>.json   figures, intervals, counts
    OUT/results/<dataset>/<task>/<model>.npz    name of a figure -> value per query;
                                                units/<name> -> resampling unit per query

The JSON file is written last and records the digest of the other: it vouches for both.
"""

from __future__ import annotations

import csv
import enum
import hashlib
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.delivery.rewritten import rewrite
from nsfwcaps.evaluation.outcome import Names, TaskOutcome, Units, Values
from nsfwcaps.evaluation.request import EvaluationTask
from nsfwcaps.files import write_atomically
from nsfwcaps.metrics.intervals import interval
from nsfwcaps.metrics.units import count_units
from nsfwcaps.version import __version__

LANGUAGE = "en"

_RECALL = re.compile(r"(T→V|V→T) R@(\d+)")
_RETRIEVED = {"T→V": "image_retrieval_recall", "V→T": "text_retrieval_recall"}
_CLASSIFIED = {
    "acc@1": "acc1",
    "acc@5": "acc5",
    "mean per-class recall": "mean_per_class_recall",
}
TABLE = "results.csv"
_UNITS = "units/"
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_PLACE = ("dataset", "task", "model", "figure")
_NUMBERS = ("value", "low", "high", "n", "units")
_COMPARED = ("difference", "low", "high", "p", "p_holm", "verdict")
_COLUMNS = (
    *_PLACE,
    "category",
    *_NUMBERS,
    *("difference", "difference_low", "difference_high", "p", "p_holm", "verdict"),
)


@dataclass(frozen=True, kw_only=True)
class ResultId:
    """One task of one model on one data set."""

    dataset: str
    task: enum.StrEnum
    model: str

    @property
    def place(self) -> str:
        """Path below the results folder, without the suffix."""
        return f"{self.dataset}/{self.task.value}/{self.model}"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Provenance of a result: the inputs of its key in readable form."""

    key: str
    pretrained: str
    encoder: Mapping[str, Any]
    data_digest: str
    settings: Mapping[str, Any]


class ResultFolder:
    """The results folder of an evaluation."""

    def __init__(self, out: Path) -> None:
        self.path = out / "results"

    def is_current(self, part: ResultId, key: str) -> bool:
        """Tell whether a part exists, is intact, and has this key."""
        try:
            own = self.read(part)["nsfwcaps"]
            data = (self.path / f"{part.place}.npz").read_bytes()
            return bool(
                own["key"] == key and own["values_sha256"] == hashlib.sha256(data).hexdigest()
            )
        except (OSError, ValueError, LookupError, TypeError):
            return False

    def read(self, part: ResultId) -> dict[str, Any]:
        """Read the JSON file of a part."""
        return _read(self.path / f"{part.place}.json")

    def values(self, part: ResultId) -> dict[str, Values]:
        """Read the per-query values of a part, by figure."""
        with self._arrays(part) as archive:
            names = [name for name in archive.files if not name.startswith(_UNITS)]
            return {name: archive[name] for name in names}

    def units(self, part: ResultId) -> dict[str, Units]:
        """Read the resampling units of a part's queries, by figure."""
        with self._arrays(part) as archive:
            names = [name for name in archive.files if name.startswith(_UNITS)]
            return {name.removeprefix(_UNITS): archive[name] for name in names}

    def unbounded(self, part: ResultId) -> frozenset[str]:
        """Read the names of a part's figures whose mean is not from 0 to 1."""
        return frozenset(self.read(part)["nsfwcaps"].get("unbounded", ()))

    def _arrays(self, part: ResultId) -> Any:
        return np.load(self.path / f"{part.place}.npz", allow_pickle=False)

    def write(self, part: ResultId, outcome: TaskOutcome, origin: Origin) -> None:
        """Write a part, values first."""
        file = io.BytesIO()
        units = {f"{_UNITS}{name}": given for name, given in outcome.units.items()}
        np.savez_compressed(file, **outcome.values, **units)  # type: ignore[arg-type]
        write_atomically(self.path / f"{part.place}.npz", file.getbuffer())
        figures = _figures(outcome)
        content = {
            "dataset": part.dataset,
            "model": part.model,
            "pretrained": origin.pretrained,
            "task": part.task.value,
            "language": LANGUAGE,
            "metrics": _metrics({name: item["value"] for name, item in figures.items()}),
            "nsfwcaps": {
                "version": __version__,
                "key": origin.key,
                "encoder": origin.encoder,
                "data_digest": origin.data_digest,
                "settings": origin.settings,
                "figures": figures,
                "by_category": _by_category(outcome),
                "unbounded": sorted(outcome.unbounded),
                "facts": outcome.facts,
                "values": f"{part.task.value}/{part.model}.npz",
                "values_sha256": hashlib.sha256(file.getbuffer()).hexdigest(),
            },
        }
        write_json(self.path / f"{part.place}.json", content)

    def others(self) -> list[Path]:
        """List result files of tasks outside `EvaluationTask`, such as those of generation."""
        ours = {task.value for task in EvaluationTask}
        return [path for path in sorted(self.path.glob("*/*/*.json")) if path.parts[-2] not in ours]

    def remove_others(self, kept: Sequence[ResultId]) -> None:
        """Remove stale results of earlier runs."""
        places = {part.place for part in kept}
        for task in EvaluationTask:
            for path in sorted(self.path.glob(f"*/{task.value}/*")):
                place = path.relative_to(self.path).with_suffix("").as_posix()
                if path.suffix in (".json", ".npz") and place not in places:
                    path.unlink()


def write_json(path: Path, content: Any) -> None:
    """Write strict JSON: no NaN or infinity."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, text.encode() + b"\n")


def write_csv(
    out: Path,
    results: ResultFolder,
    parts: Sequence[ResultId],
    comparisons: Sequence[Mapping[str, Any]],
    others: Sequence[Path] = (),
) -> list[str]:
    """Write one row per figure, overall and per category; `others` are more result files.

    Rows of figures that were compared with the base have the difference and the verdict. Returns a
    line if an edited table was kept.
    """
    compared = {tuple(test[key] for key in _PLACE): test for test in comparisons}
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(_COLUMNS)
    contents = [*(results.read(part) for part in parts), *map(_read, others)]
    for content in contents:
        place = [content[key] for key in ("dataset", "task", "model")]
        own = content["nsfwcaps"]
        for name, category, item in _flat(own["figures"], own["by_category"]):
            numbers = [item.get(key) for key in _NUMBERS]
            test = {} if category else compared.get((*place, name), {})
            words = map(_as_text, [*place, name, category])
            rows.writerow([*words, *numbers, *map(test.get, _COMPARED)])
    return rewrite(out, TABLE, file.getvalue().encode())


def _as_text(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula, such as a category "=1+1"."""
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def _flat(
    figures: Mapping[str, Any], by_category: Mapping[str, Any]
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for name, item in figures.items():
        yield name, "", item
        for category, in_category in by_category.get(name, {}).items():
            yield name, category, in_category


def _figures(outcome: TaskOutcome) -> dict[str, dict[str, Any]]:
    plain = {
        name: {"value": number(value), "low": None, "high": None, "n": None, "units": None}
        for name, value in outcome.figures.items()
    }
    return {name: _mean(outcome, name) for name in outcome.values} | plain


def _by_category(outcome: TaskOutcome) -> dict[str, Any]:
    return {
        name: {
            str(category): _mean(outcome, name, _are_in(category, groups))
            for category in np.unique(groups)
            if category
        }
        for name, groups in outcome.groups.items()
    }


def _are_in(category: str, groups: Names) -> npt.NDArray[np.bool_]:
    """Return a mask `[q]` of the queries in a category."""
    found = np.asarray(groups == category)
    return found if found.ndim == 1 else np.asarray(found.any(axis=1))


def _mean(
    outcome: TaskOutcome, name: str, among: npt.NDArray[np.bool_] | None = None
) -> dict[str, Any]:
    """Return a figure and its interval, over all queries or those in a mask `[q]`."""
    values, units = outcome.values[name], outcome.units.get(name)
    if among is not None:
        values, units = values[among], None if units is None else units[among]
    around = interval(values, units=units, bounded=name not in outcome.unbounded)
    return {
        "value": number(float(np.mean(values))) if len(values) else None,
        "low": number(around.low),
        "high": number(around.high),
        "n": len(values),
        "units": count_units(len(values), units),
    }


def number(value: float) -> float | None:
    """Return the value as JSON can hold it: NaN and infinity become null."""
    return float(value) if math.isfinite(value) else None


def _metrics(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return all figures, also under CLIP_benchmark's name if it has one."""
    theirs: dict[str, float | None] = {}
    for name, value in values.items():
        if match := _RECALL.fullmatch(name):
            theirs[f"{_RETRIEVED[match[1]]}@{match[2]}"] = value
        elif name in _CLASSIFIED:
            theirs[_CLASSIFIED[name]] = value
    return {**theirs, **values}
