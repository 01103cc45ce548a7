"""Summary files shared with `eval`: entries are added, none are replaced."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.detectors.detector import DetectorStatement
from nsfwcaps.errors import ArtifactError
from nsfwcaps.evaluation.byproducts import COMPARISONS
from nsfwcaps.evaluation.compare import compare
from nsfwcaps.evaluation.record import RECORD, read_record, without_folders
from nsfwcaps.evaluation.results import ResultFolder, ResultId, write_csv, write_json
from nsfwcaps.evaluation.verdicts import MARGIN, judged
from nsfwcaps.generation.generator import GenerationTask
from nsfwcaps.metrics.paired_tests import FLIPS
from nsfwcaps.progress import Progress
from nsfwcaps.version import __version__


@dataclass(frozen=True, kw_only=True)
class Certainty:
    """Settings of the tests."""

    samples: int = FLIPS
    """Random sign flips of each test without an exact p."""
    seed: int = 0
    margin: float = MARGIN


class Summaries:
    """Comparisons, table and record of a results folder."""

    def __init__(self, out: Path, certainty: Certainty) -> None:
        self._out, self._certainty = out, certainty
        self._results = ResultFolder(out)

    def claim(self) -> None:
        """Write an empty record if there is none, to mark the folder as an evaluation's."""
        if not (self._out / RECORD).exists():
            write_json(self._out / RECORD, {"nsfwcaps": __version__})

    def compare(self, parts: Sequence[ResultId], progress: Progress) -> list[dict[str, Any]]:
        """Test each part against the first; judge all primary figures in the folder.

        Returns the tests of these parts.
        """
        own = {(part.dataset, part.task.value) for part in parts}
        before = _read_list(self._out / COMPARISONS)
        kept = [item for item in before if (item["dataset"], item["task"]) not in own]
        tests = compare(
            self._results,
            [(parts[0], part) for part in parts[1:]],
            progress,
            seed=self._certainty.seed,
            samples=self._certainty.samples,
        )
        found = judged([*kept, *tests], margin=self._certainty.margin)
        write_json(self._out / COMPARISONS, found)
        return found[len(kept) :]

    def tabulate(self) -> list[str]:
        """Write the table of all results in the folder; return a line if an edited one was kept."""
        every = sorted(self._results.path.glob("*/*/*.json"))
        comparisons = _read_list(self._out / COMPARISONS)
        return write_csv(self._out, self._results, (), comparisons, every)

    def record(
        self,
        *,
        task: GenerationTask,
        models: Mapping[str, Mapping[str, Any]],
        dataset: tuple[str, Mapping[str, Any]],
        detectors: Sequence[DetectorStatement],
        missing: Mapping[str, str],
    ) -> None:
        """Add models, data set, detectors and missing parts to `run.json`."""
        name, about = dataset
        run = read_record(self._out)
        gaps = [
            item
            for item in run.get("missing") or []
            if (item.get("dataset"), item.get("task")) != (name, task.value)
        ]
        gaps += [
            {"model": model, "dataset": name, "task": task.value, "reason": without_folders(reason)}
            for model, reason in missing.items()
        ]
        stated = {item["name"]: item for item in run.get("detectors") or []}
        stated |= {item.name: item.as_json() for item in detectors}
        known = dict(run.get("models") or {})
        # The entry of `eval` covers both towers, so it takes precedence.
        known |= {key: facts for key, facts in models.items() if "named" not in known.get(key, {})}
        content = {
            "nsfwcaps": __version__,
            **run,
            "models": known,
            "datasets": {**(run.get("datasets") or {}), name: about},
            "detectors": list(stated.values()),
            "missing": gaps,
        }
        write_json(self._out / RECORD, content)


def _read_list(path: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return []
    except (ValueError, TypeError):
        raise ArtifactError(
            f"{path} is damaged; delete it, then run 'nsfwcaps eval' and 'nsfwcaps generate' again"
        ) from None
