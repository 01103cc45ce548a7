"""What the paper's suite needs, and what of it is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nsfwcaps.evaluation.data import Data, Missing
from nsfwcaps.evaluation.paper.measured import result_files
from nsfwcaps.evaluation.paper.published import OF_GENERATION, TABLES, PaperSet, PaperTable
from nsfwcaps.evaluation.request import EvaluationRequest, EvaluationTask

_GENERATE = {
    "text-to-image": "--prompts i2p.csv",
    "image-to-text": "--images {name}=PATH",
}
_OF_SAFE, _OF_UNSAFE = "T→V, V→T and T*→V", "T*→V and V*→T"


def missing_for_paper(request: EvaluationRequest, data: Data | None, out: Path) -> list[Missing]:
    """List what the suite needs and does not have, in the order of the tables.

    Sets that were given and could not be read are not repeated. `data` is None if nothing was read.
    """
    models = [one.name for one in request.models]
    found: list[Missing] = []
    for table in TABLES:
        if table.task in OF_GENERATION:
            found += _not_generated(table, models, out)
        elif table.task == EvaluationTask.ZEROSHOT:
            if not request.class_sets:
                found.append(
                    Missing(
                        task=EvaluationTask.ZEROSHOT,
                        reason="needs classification sets; give --zeroshot NAME=PATH",
                    )
                )
        else:
            found += _not_given(table, request, data)
    return found


def _given(one: PaperSet, names: Sequence[str]) -> str | None:
    """Return the given name that means a set of the paper, or None."""
    return next((name for name in names if one.is_named(name)), None)


def _not_given(
    table: PaperTable, request: EvaluationRequest, data: Data | None
) -> Iterator[Missing]:
    task = EvaluationTask(table.task)
    of_pairs = task is EvaluationTask.RETRIEVAL
    names = [name for name, _ in (request.pairs if of_pairs else request.unsafe_images)]
    for one in _sets(table):
        given = _given(one, names)
        if given is None:
            yield Missing(
                dataset=one.name,
                task=task,
                reason=f"needs {one.what}; give {one.option} {one.name}=PATH",
            )
        elif of_pairs and data is not None and given in data.pairs:
            yield from _without_images(given, data)


def _without_images(name: str, data: Data) -> Iterator[Missing]:
    """Yield the figures of a pair set that has no images for them."""
    pairs = data.pairs[name]
    for side, pictures, figures in (
        ("safe", pairs.safe_pictures, _OF_SAFE),
        ("unsafe", pairs.unsafe_pictures, _OF_UNSAFE),
    ):
        if not len(pictures):
            yield Missing(
                dataset=name,
                task=EvaluationTask.RETRIEVAL,
                reason=f"has no {side} images, which {figures} need; add a column {side}_image",
            )


def _not_generated(table: PaperTable, models: Sequence[str], out: Path) -> Iterator[Missing]:
    for one in _sets(table):
        results: Mapping[str, Path] = result_files(out, one, table.task)
        lacking = [name for name in models if name not in results]
        if lacking:
            options = _GENERATE[table.task].format(name=one.name)
            yield Missing(
                dataset=one.name,
                reason=(
                    f"{table.task}: no result of {', '.join(lacking)}; run nsfwcaps generate "
                    f"{table.task} {options} --out {out}"
                ),
            )


def _sets(table: PaperTable) -> Iterator[PaperSet]:
    yield from dict.fromkeys(column.of for column in table.columns if column.of is not None)
