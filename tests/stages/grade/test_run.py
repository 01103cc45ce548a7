"""grade: difficulty and stage of every pair over all shards, the picture, and what it refuses."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.small_release import build, prepare, tiny_world

from nsfwcaps import schema
from nsfwcaps.artifacts import ShardTables, StageFolder, StageRecord, StageResult
from nsfwcaps.errors import InputError
from nsfwcaps.freshness import StageState, state
from nsfwcaps.mining.difficulty import Borders
from nsfwcaps.pipeline import run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.grade.run import draw
from nsfwcaps.stages.grade.settings import GradeSettings

Signals = tuple[float, float | None, float]
"""Cosine, margin and density of one pair."""


def write_pairs(workdir: Path, shards: Sequence[Sequence[Signals]]) -> StageRecord:
    """What mine would have written: one file of pairs for each shard."""
    folder = StageFolder(workdir / "mine")
    folder.prepare()
    committed, start = [], 0
    for number, signals in enumerate(shards):
        rows = [pair(start + row, *values) for row, values in enumerate(signals)]
        table = pa.Table.from_pylist(rows, schema=schema.PAIRS)
        committed.append(
            folder.make_shard(
                f"{number}",
                partial(
                    ShardTables, tables={("pairs", f"pairs-{number}"): table}, rows_in=len(rows)
                ),
            )
        )
        start += len(rows)
    return folder.finish(
        stage="mine",
        fingerprint="",
        version="",
        settings={},
        inputs={},
        seconds=1.0,
        result=StageResult(shards=committed),
    )


def pair(number: int, sim: float, margin: float | None, density: float) -> dict[str, Any]:
    return {
        "pair_id": f"{number:032x}",
        "unsafe_id": f"{number:032x}",
        "safe_id": f"{number + 1000:032x}",
        "rank": 1,
        "sim_text": sim,
        "sim_image": None,
        "sim_cross": None,
        "score": sim,
        "margin": margin,
        "density": density,
        "hub_count": 1,
        "provenance": "mined:cosine:by-hand",
    }


def grade(workdir: Path, **settings: Any) -> StageRecord:
    return run_stage(STAGE["grade"], GradeSettings(**settings), workdir, Silent()).record


def graded(record: StageRecord) -> list[dict[str, Any]]:
    tables = [pq.read_table(path) for path in record.paths("pairs")]
    rows: list[dict[str, Any]] = pa.concat_tables(tables).to_pylist()
    return rows


def column(record: StageRecord, name: str) -> list[Any]:
    return [row[name] for row in graded(record)]


FIVE: list[Signals] = [
    (0.9, 0.10, 0.5),
    (0.8, None, 0.4),
    (0.7, 0.30, 0.3),
    (0.6, 0.20, 0.2),
    (0.5, 0.05, 0.1),
]
# Hardness by similarity: 0, ¼, ½, ¾, 1; by margin, which one lacks: ⅔, ½, 0, ⅓, 1;
# by density: 1, ¾, ½, ¼, 0.
BY_DEFAULT = [1 / 3, 3 / 8, 1 / 4, 13 / 24, 1.0]


def test_difficulty_weighs_similarity_and_margin_equally_by_default(tmp_path: Path) -> None:
    write_pairs(tmp_path, [FIVE])
    record = grade(tmp_path)
    assert column(record, "difficulty") == pytest.approx(BY_DEFAULT, abs=1e-7)
    # Borders at a third and two thirds of the way: 1/3 + 1/3 · 1/24, and 3/8 + 2/3 · 1/6.
    assert record.facts["borders"] == {
        "easy": pytest.approx(1 / 3 + 1 / 72, abs=1e-7),
        "medium": pytest.approx(3 / 8 + 1 / 9, abs=1e-7),
    }
    assert column(record, "stage") == ["easy", "medium", "easy", "hard", "hard"]
    assert record.facts["stages"] == {"easy": 2, "medium": 1, "hard": 2}
    assert record.facts["weights"] == {"similarity": 1.0, "margin": 1.0}


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((1, 0, 0), [0.0, 0.25, 0.5, 0.75, 1.0]),
        ((0, 1, 0), [2 / 3, 0.5, 0.0, 1 / 3, 1.0]),
        ((0, 0, 2), [1.0, 0.75, 0.5, 0.25, 0.0]),
        ((1, 0, 1), [0.5] * 5),
        ((3, 0, 1), [0.25, 0.375, 0.5, 0.625, 0.75]),
    ],
)
def test_a_weight_of_zero_leaves_its_signal_out(
    tmp_path: Path, weights: tuple[float, float, float], expected: list[float]
) -> None:
    write_pairs(tmp_path, [FIVE])
    names = ("similarity_weight", "margin_weight", "density_weight")
    record = grade(tmp_path, **dict(zip(names, weights, strict=True)))
    assert column(record, "difficulty") == pytest.approx(expected, abs=1e-7)
    assert 0 not in record.facts["weights"].values()


def test_the_cut_into_shards_changes_no_pair(tmp_path: Path) -> None:
    for name, shards in {"one": [FIVE], "three": [FIVE[:1], [], FIVE[1:]]}.items():
        write_pairs(tmp_path / name, shards)
    one, three = grade(tmp_path / "one"), grade(tmp_path / "three")
    assert graded(one) == graded(three)
    assert one.facts == three.facts
    assert [file.rows for file in three.files if file.group == "pairs"] == [1, 0, 4]
    assert StageFolder(tmp_path / "three" / "grade").damaged(three) is None
    assert one.paths("figures")[0].read_bytes() == three.paths("figures")[0].read_bytes()


def test_pairs_keep_their_columns_and_order(tmp_path: Path) -> None:
    write_pairs(tmp_path, [FIVE[:2], FIVE[2:]])
    record = grade(tmp_path)
    before = [row for path in read_paths(tmp_path) for row in pq.read_table(path).to_pylist()]
    after = [
        {key: value for key, value in row.items() if key not in ("difficulty", "stage")}
        for row in graded(record)
    ]
    assert after == before
    assert pq.read_schema(record.paths("pairs")[0]).equals(schema.GRADED)


def read_paths(workdir: Path) -> list[Path]:
    record = StageFolder(workdir / "mine").record()
    assert record is not None
    return record.paths("pairs")


def test_quartiles_of_the_cosine_are_those_of_each_stage(tmp_path: Path) -> None:
    write_pairs(tmp_path, [[(0.1 * number, 0.1, 0.1) for number in range(1, 10)]])
    record = grade(tmp_path, margin_weight=0)
    assert record.facts["sim_text"] == {
        "easy": [0.75, 0.8, 0.85],
        "medium": [0.45, 0.5, 0.55],
        "hard": [0.15, 0.2, 0.25],
    }


def test_one_pair_is_easy(tmp_path: Path) -> None:
    write_pairs(tmp_path, [[(0.7, None, 0.5)]])
    record = grade(tmp_path)
    assert column(record, "difficulty") == [0.5]
    assert column(record, "stage") == ["easy"]
    assert record.facts["sim_text"] == {"easy": [0.7, 0.7, 0.7], "medium": [], "hard": []}


def test_pairs_with_equal_signals_are_equally_difficult(tmp_path: Path) -> None:
    write_pairs(tmp_path, [[(0.7, 0.1, 0.5)] * 4])
    record = grade(tmp_path)
    assert column(record, "difficulty") == [0.5] * 4
    assert record.facts["stages"] == {"easy": 4, "medium": 0, "hard": 0}


def test_stages_have_the_shares_that_were_asked_for(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    write_pairs(tmp_path, [[(float(sim), 0.1, 0.1) for sim in random.uniform(size=100)]])
    record = grade(tmp_path, margin_weight=0, easy_share=0.2, hard_share=0.5)
    assert record.facts["stages"] == {"easy": 20, "medium": 30, "hard": 50}


def test_the_picture_is_a_png_and_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_pairs(tmp_path / name, [FIVE])
    pictures = [grade(tmp_path / name).paths("figures")[0].read_bytes() for name in ("one", "two")]
    assert pictures[0] == pictures[1]
    assert pictures[0][:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", pictures[0][16:24])
    assert (width, height) == (990, 374)
    # Neither a time nor the version of what drew it.
    assert b"Software" not in pictures[0]
    assert b"tIME" not in pictures[0]


def test_without_matplotlib_there_is_no_picture_and_all_else_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pairs(tmp_path, [FIVE])
    whole = grade(tmp_path)
    with monkeypatch.context() as absent:
        absent.setitem(sys.modules, "matplotlib", None)
        bare = grade(tmp_path)
        assert run_stage(STAGE["grade"], GradeSettings(), tmp_path, Silent()).skipped
    assert bare.paths("figures") == []
    assert [item.sha256 for item in bare.files] == [
        item.sha256 for item in whole.files if item.group == "pairs"
    ]
    told = {"figure": "not drawn: matplotlib is not installed"}
    assert (bare.facts, bare.inputs) == ({**whole.facts, **told}, {**whole.inputs, **told})
    said = STAGE["grade"].headline(bare.facts)
    assert said == "2 easy, 1 medium, 2 hard; no figure ('pip install \"nsfwcaps[report]\"')"
    # Once it is installed, the run is stale, and the next one draws it.
    assert state(STAGE["grade"], GradeSettings(), tmp_path) is StageState.STALE
    again = grade(tmp_path)
    assert again.output_digest == whole.output_digest
    assert STAGE["grade"].headline(again.facts) == "2 easy, 1 medium, 2 hard"


def test_the_picture_shows_the_pairs() -> None:
    values = np.array([0.2, 0.4, 0.9])
    staged = np.array(["easy", "medium", "hard"])
    at = Borders(easy=0.3, medium=0.6)
    assert draw(values, values, staged, at) == draw(values, values, staged, at)
    assert draw(values, values, staged, at) != draw(1 - values, values, staged, at)
    assert draw(values, values, staged, at) != draw(values, values, staged[::-1], at)


def test_mining_that_left_no_pair_is_refused_with_its_reasons(tmp_path: Path) -> None:
    recipe = prepare(tiny_world(), tmp_path)
    with pytest.raises(InputError) as caught:
        build(recipe, tmp_path / "work", mine={"min_similarity": 1.0})
    assert "'below_min_similarity': 4" in str(caught.value)
    assert "loosen min_similarity" in str(caught.value)
    assert StageFolder(tmp_path / "work" / "grade").record() is None


def test_the_same_settings_again_change_nothing(tmp_path: Path) -> None:
    write_pairs(tmp_path, [FIVE])
    grade(tmp_path)
    outcome = run_stage(STAGE["grade"], GradeSettings(), tmp_path, Silent())
    assert outcome.skipped
    other = run_stage(STAGE["grade"], GradeSettings(hard_share=0.2), tmp_path, Silent())
    assert not other.skipped
    assert other.record.facts["stages"] == {"easy": 2, "medium": 2, "hard": 1}
