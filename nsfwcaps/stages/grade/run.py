"""grade: assign a difficulty and a level to every pair, and plot the borders of the levels."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps import extras, schema
from nsfwcaps.artifacts import Shard, ShardFiles, ShardTables, StageFolder, StageRecord, StageResult
from nsfwcaps.config import digest, output_settings
from nsfwcaps.enums import DifficultyLevel, Similarity
from nsfwcaps.errors import InputError
from nsfwcaps.mining.deciding import COSINES, deciding_cosines
from nsfwcaps.mining.difficulty import Borders, grade
from nsfwcaps.progress import Progress
from nsfwcaps.stages.grade.settings import GradeSettings
from nsfwcaps.tables import read_tables

VERSION = 2

_NOT_DRAWN = {"figure": "not drawn: matplotlib is not installed"}
"""Source and fact of a run without matplotlib; absent with matplotlib."""

_COLOURS = {
    DifficultyLevel.EASY: "#9ecae1",
    DifficultyLevel.MEDIUM: "#4292c6",
    DifficultyLevel.HARD: "#08519c",
}


def sources(settings: GradeSettings) -> Mapping[str, str]:
    """Return whether the figure can be drawn: installing the extra `report` makes a run stale."""
    return _figure_facts()


def _figure_facts() -> Mapping[str, str]:
    return {} if extras.missing("report") is None else _NOT_DRAWN


def plan(settings: GradeSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Return the number of pairs to grade."""
    pairs = inputs["mine"].rows("pairs")
    return {"pairs": pairs, "work": {"pairs graded": pairs}}


def run(
    settings: GradeSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Rank the signals over all pairs, then write the graded pairs shard by shard.

    Raises:
        InputError: mine found no pairs.
    """
    mine = inputs["mine"]
    paths = mine.paths("pairs")
    signals, sim_text = _signals(paths, Similarity(mine.facts.get("similarity") or Similarity.TEXT))
    count = len(signals["similarity"])
    if count == 0:
        raise InputError(
            f"grade: no pairs to grade; mine rejected all unsafe captions ({dict(mine.rejects)}); "
            "loosen min_similarity, reciprocal or hub_cap"
        )
    weights = settings.weights
    graded = grade(signals, weights, easy_share=settings.easy_share, hard_share=settings.hard_share)
    difficulties, level_of, at = graded.difficulty, graded.levels, graded.borders
    key = [VERSION, mine.output_digest, output_settings(settings)]
    shards: list[Shard] = []
    start = 0
    with progress.task("grade", count) as advance:
        # Keyed by number, not by first row: an empty block starts at the same row as the next.
        for number, table in enumerate(read_tables(paths)):
            part = slice(start, start + table.num_rows)
            shards.append(
                _commit(folder, [*key, number], table, difficulties[part], level_of[part], number)
            )
            start += table.num_rows
            advance(table.num_rows)
    if not _figure_facts():
        shards.append(_picture(folder, key, signals["similarity"], difficulties, level_of, at))
    return StageResult(
        shards=shards,
        facts={
            **_figure_facts(),
            "weights": weights,
            "borders": asdict(at),
            "stages": {
                level.value: int((level_of == level.value).sum()) for level in DifficultyLevel
            },
            "sim_text": {
                level.value: _quartiles(sim_text[level_of == level.value])
                for level in DifficultyLevel
            },
        },
    )


Values = npt.NDArray[np.float64]


def _signals(paths: Sequence[Any], by: Similarity) -> tuple[dict[str, Values], Values]:
    """Return the signals `[p]`, with the similarity that chose the targets, and that of texts."""
    names = [*COSINES, "margin", "density"]
    empty = schema.PAIRS.empty_table().select(names)
    pairs = pa.concat_tables([empty, *read_tables(paths, names)])
    signals = {"similarity": deciding_cosines(pairs, by)}
    for name in ("margin", "density"):
        signals[name] = pairs[name].to_numpy().astype(np.float64)
    return signals, deciding_cosines(pairs, Similarity.TEXT)


def _commit(
    folder: StageFolder,
    key: Sequence[Any],
    table: pa.Table,
    difficulties: npt.NDArray[np.float64],
    level_of: npt.NDArray[np.str_],
    number: int,
) -> Shard:
    def graded() -> ShardTables:
        columns = [pa.array(difficulties, pa.float32()), pa.array(level_of.tolist(), pa.string())]
        whole = pa.Table.from_arrays(
            [*(column.combine_chunks() for column in table.columns), *columns], schema=schema.GRADED
        )
        return ShardTables(tables={("pairs", f"pairs-{number:05d}"): whole}, rows_in=table.num_rows)

    return folder.make_shard(digest(key), graded)


def _picture(
    folder: StageFolder,
    key: Sequence[Any],
    similarity: npt.NDArray[np.float64],
    difficulties: npt.NDArray[np.float64],
    level_of: npt.NDArray[np.str_],
    at: Borders,
) -> Shard:
    name = "stages.png"
    return folder.make_shard(
        digest([*key, name, hashlib.sha256(similarity.tobytes()).hexdigest()]),
        lambda: ShardFiles(
            contents={("figures", name): draw(similarity, difficulties, level_of, at)}
        ),
    )


def draw(
    similarity: npt.NDArray[np.float64],
    difficulties: npt.NDArray[np.float64],
    level_of: npt.NDArray[np.str_],
    at: Borders,
) -> bytes:
    """Return a PNG of similarity and difficulty `[p]` by level, with the level borders."""
    # Not pyplot: it keeps global state and may need a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, values, label in (
        (left, similarity, "cosine of unsafe and safe caption"),
        (right, difficulties, "difficulty"),
    ):
        axes.hist(
            [values[level_of == level.value] for level in DifficultyLevel],
            bins=40,
            stacked=True,
            color=[_COLOURS[level] for level in DifficultyLevel],
            label=[level.value for level in DifficultyLevel],
        )
        axes.set_xlabel(label)
        axes.set_ylabel("pairs")
        axes.spines[["top", "right"]].set_visible(False)
    for border in (at.easy, at.medium):
        right.axvline(border, color="black", linewidth=1, linestyle="--")
    left.legend(frameon=False, loc="upper left")
    out = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _quartiles(values: npt.NDArray[np.float64]) -> list[float]:
    """Return the quartiles, rounded for display; empty if there are no values."""
    if len(values) == 0:
        return []
    return [round(float(value), 4) for value in np.quantile(values, [0.25, 0.5, 0.75])]
