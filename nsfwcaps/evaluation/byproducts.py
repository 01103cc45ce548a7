"""Files derived from results and vectors: similarities, examples, comparisons.

Their keys are kept in `run.json`, because their formats have no room for one.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nsfwcaps.config import digest
from nsfwcaps.evaluation import examples, similarities
from nsfwcaps.evaluation.compare import compare, comparisons_key
from nsfwcaps.evaluation.data import Data
from nsfwcaps.evaluation.embedding import GatheredPairs
from nsfwcaps.evaluation.measure import Measurer
from nsfwcaps.evaluation.request import EvaluationTask
from nsfwcaps.evaluation.results import ResultFolder, ResultId, write_json
from nsfwcaps.evaluation.verdicts import judged
from nsfwcaps.files import sha256_file, write_atomically
from nsfwcaps.progress import Progress

COMPARISONS = "comparisons.json"


class Derived:
    """Writes each derived file unless it exists under the same key."""

    def __init__(
        self, out: Path, data: Data, before: Mapping[str, Any], progress: Progress
    ) -> None:
        self._out, self._data, self._progress = out, data, progress
        self._before = before
        self.files: dict[str, dict[str, str]] = {}
        """Path below the output folder -> key and digest, of each file written or found current."""

    def similarities(self, measurer: Measurer, dataset: str) -> None:
        """Write one model's cosines for a pair set."""
        path = f"results/{dataset}/similarities/{measurer.model.name}.npz"
        identity = measurer.model.identity
        key = digest([similarities.VERSION, identity.digest, self._digest(dataset)])
        if self._is_current(path, key):
            return
        file = io.BytesIO()
        arrays: dict[str, Any] = similarities.similarities(measurer.pairs(dataset).vectors)
        np.savez_compressed(file, **arrays)
        write_atomically(self._out / path, file.getbuffer())
        self._keep(path, key)

    def examples(self, dataset: str, measurers: Sequence[Measurer]) -> None:
        """Write the example queries of a pair set."""
        path = f"results/{dataset}/examples.json"
        models = [[one.model.name, one.model.identity.digest] for one in measurers]
        key = digest([examples.VERSION, models, self._digest(dataset)])
        if self._is_current(path, key):
            return
        by_name = {one.model.name: one for one in measurers}

        def gather(name: str) -> GatheredPairs:
            for other, measurer in by_name.items():
                if other != name:
                    measurer.close()  # the vectors of one model at a time
            return by_name[name].pairs(dataset)

        content = examples.examples(
            self._data.pairs[dataset], list(by_name), gather, device=measurers[0].model.device
        )
        write_json(self._out / path, content)
        self._keep(path, key)
        for measurer in measurers:
            measurer.close()

    def comparisons(
        self,
        pairs: Sequence[tuple[ResultId, ResultId]],
        *,
        seed: int,
        samples: int,
        margin: float,
    ) -> list[dict[str, Any]]:
        """Paired tests of the base's parts against the other models' parts."""
        results = ResultFolder(self._out)
        others = _of_other_tasks(self._out / COMPARISONS)
        key = comparisons_key(results, pairs, others, seed=seed, samples=samples, margin=margin)
        if self._is_current(COMPARISONS, key):
            found: list[dict[str, Any]] = json.loads((self._out / COMPARISONS).read_bytes())
            return found
        tests = compare(results, pairs, self._progress, seed=seed, samples=samples)
        tests = judged([*tests, *others], margin=margin)
        write_json(self._out / COMPARISONS, tests)
        self._keep(COMPARISONS, key)
        return tests

    def remove_others(self) -> None:
        """Remove files of an earlier run that this run did not produce."""
        for path in self._before.keys() - self.files.keys():
            if ".." not in Path(path).parts:
                (self._out / path).unlink(missing_ok=True)

    def _digest(self, dataset: str) -> str:
        return self._data.digest(dataset, EvaluationTask.RETRIEVAL)

    def _is_current(self, path: str, key: str) -> bool:
        known = self._before.get(path)
        try:
            is_current = known == {"key": key, "sha256": sha256_file(self._out / path)}
        except OSError:
            return False
        if is_current:
            self._keep(path, key)
        return is_current

    def _keep(self, path: str, key: str) -> None:
        self.files[path] = {"key": key, "sha256": sha256_file(self._out / path)}


def _of_other_tasks(path: Path) -> list[dict[str, Any]]:
    """Comparisons of other tasks, such as those that generation wrote to this folder."""
    ours = {task.value for task in EvaluationTask}
    try:
        return [test for test in json.loads(path.read_bytes()) if test["task"] not in ours]
    except (OSError, ValueError, LookupError, TypeError):
        return []
