"""Results in an evaluation's folder that another evaluation would remove."""

from __future__ import annotations

from pathlib import Path

from nsfwcaps.evaluation.request import EvaluationRequest, EvaluationTask
from nsfwcaps.evaluation.results import ResultFolder


def replaced(request: EvaluationRequest, out: Path) -> list[str]:
    """Return the data sets and models with results in a folder that a request does not name.

    One line each, such as `data set coco (12 results)`; an evaluation would remove them.
    """
    folder = ResultFolder(out).path
    found: dict[str, int] = {}
    models = {model.name for model in request.models}
    sets = {name for name, _ in (*request.pairs, *request.unsafe_images)}
    sets |= {one.name for one in request.class_sets}
    for task in EvaluationTask:
        for path in sorted(folder.glob(f"*/{task.value}/*.json")):
            data, model = path.parts[-3], path.stem
            if data not in sets:
                lost = f"data set {data}"
            elif model not in models:
                lost = f"model {model}"
            else:
                continue
            found[lost] = found.get(lost, 0) + 1
    return [f"no longer given: {name} ({count:,} results)" for name, count in found.items()]
