from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.icon_scenes import random_scenes, scene

from nsfwcaps.errors import ArtifactError
from nsfwcaps.world.distance import distances, graphs
from nsfwcaps.world.scene import Scene
from nsfwcaps.world.truth import read_edits, read_scenes, score, score_by_edit

SAFE = {
    "cat": scene("snow", "red cat"),
    "turned": scene("snow", "blue bus", "below", "red cat"),
    "pair": scene("snow", "red cat", "above", "blue bus"),
    "far": scene("grass", "pink egg"),
}
UNSAFE = {
    "u1": scene("snow", "red cat", "above", "white gun"),  # cat 1, pairs 1.25, far 2.75
    "u2": scene("snow", "red cat", "above", "blue gun"),  # cat 1, pairs 1, far 2.75
    "u3": scene("grass", "pink gun"),  # cat 1.75, pairs 2.75, far 1
}


def test_by_hand() -> None:
    result = score(
        [("u1", "cat"), ("u2", "turned"), ("u3", "cat"), ("u1", "pair")],
        [0.1, 0.2, 0.9, 0.5],
        safe=SAFE,
        unsafe=UNSAFE,
    )
    assert result.pairs == 4
    assert result.precision == pytest.approx(2 / 4)
    assert result.mined_distance == pytest.approx((1 + 1 + 1.75 + 1.25) / 4)
    assert result.nearest_distance == pytest.approx(1)
    assert result.chance == pytest.approx((1 / 4 + 3 / 4 + 1 / 4 + 1 / 4) / 4)
    # Ranks of the distances 1.5, 1.5, 4, 3; of the difficulties 1, 2, 4, 3.
    ranks = np.corrcoef([1.5, 1.5, 4, 3], [1, 2, 4, 3])[0, 1]
    assert result.difficulty_correlation == pytest.approx(ranks)


def test_any_of_the_closest_is_right() -> None:
    for target, right in [("cat", 1), ("turned", 1), ("pair", 1), ("far", 0)]:
        result = score([("u2", target)], [0.0], safe=SAFE, unsafe=UNSAFE)
        assert result.precision == right


def test_difficulty_that_falls_with_the_distance() -> None:
    pairs = [("u3", "far"), ("u3", "cat"), ("u3", "pair")]
    assert score(pairs, [3, 2, 1], safe=SAFE, unsafe=UNSAFE).difficulty_correlation == -1
    assert score(pairs, [1, 2, 3], safe=SAFE, unsafe=UNSAFE).difficulty_correlation == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("targets", "difficulty"),
    [
        (["cat"], [0.5]),
        (["cat", "turned", "far"], [0.5, 0.5, 0.5]),
        (["cat", "turned", "pair"], [0.1, 0.5, 0.9]),  # all of them are 1 away from u2
    ],
    ids=["one pair", "same difficulty", "same distance"],
)
def test_no_correlation_of_what_does_not_vary(targets: list[str], difficulty: list[float]) -> None:
    result = score([("u2", item) for item in targets], difficulty, safe=SAFE, unsafe=UNSAFE)
    assert result.difficulty_correlation is None
    said = json.dumps(dataclasses.asdict(result), allow_nan=False)
    assert json.loads(said)["difficulty_correlation"] is None


def test_many_blocks_are_scored_like_one() -> None:
    safe = {f"s{n}": one for n, one in enumerate(random_scenes(20, seed=1, few=True))}
    unsafe = {f"u{n}": one for n, one in enumerate(random_scenes(700, seed=2, few=True))}
    pairs = [(item, f"s{n % 20}") for n, item in enumerate(unsafe)]
    result = score(pairs, [*range(700)], safe=safe, unsafe=unsafe)
    whole = distances(graphs([*unsafe.values()]), graphs([*safe.values()])).tolist()
    mined = np.array([row[n % 20] for n, row in enumerate(whole)])
    least = np.array([min(row) for row in whole])
    ties = np.array([row.count(min(row)) for row in whole])
    assert result.precision == pytest.approx((mined == least).mean())
    assert result.mined_distance == pytest.approx(mined.mean())
    assert result.nearest_distance == pytest.approx(least.mean())
    assert result.chance == pytest.approx((ties / 20).mean())
    assert 0 < result.chance < 1


def test_targets_drawn_at_random_are_as_good_as_chance() -> None:
    safe = {f"s{n}": one for n, one in enumerate(random_scenes(8, seed=3, few=True))}
    unsafe = {f"u{n}": one for n, one in enumerate(random_scenes(50, seed=4, few=True))}
    every = [(item, target) for item in unsafe for target in safe]
    result = score(every, [*range(len(every))], safe=safe, unsafe=unsafe)
    assert result.precision == pytest.approx(result.chance)


def test_edits_apart() -> None:
    pairs = [("u1", "cat"), ("u2", "turned"), ("u3", "cat"), ("u1", "pair")]
    edits = {"u1": "added", "u2": "added", "u3": "replaced", "u4": "replaced"}
    apart = score_by_edit(pairs, [0.1, 0.2, 0.9, 0.5], safe=SAFE, unsafe=UNSAFE, edits=edits)
    assert [*apart] == ["added", "replaced"]
    assert [(each.pairs, each.precision) for each in apart.values()] == [(3, 2 / 3), (1, 0)]
    added = [pairs[row] for row in (0, 1, 3)]
    assert apart["added"] == score(added, [0.1, 0.2, 0.5], safe=SAFE, unsafe=UNSAFE)
    only = score_by_edit(pairs[:1], [0.1], safe=SAFE, unsafe=UNSAFE, edits=edits)
    assert [*only] == ["added"]


def write(path: Path, scenes: dict[str, Scene]) -> None:
    graphs = [one.to_json() for one in scenes.values()]
    edits = [f"edit of {item}" for item in scenes]
    columns = {"id": [*scenes], "scene": graphs, "caption": graphs, "edit": edits}
    pq.write_table(pa.table(columns), path)


def test_scenes_of_a_pool(tmp_path: Path) -> None:
    write(tmp_path / "b.parquet", UNSAFE)
    write(tmp_path / "a.parquet", SAFE)
    (tmp_path / "README.md").write_text("a card")
    assert read_scenes(tmp_path) == {**SAFE, **UNSAFE}
    assert read_edits(tmp_path) == {item: f"edit of {item}" for item in (*SAFE, *UNSAFE)}


def test_damaged_pool(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"no parquet")
    with pytest.raises(ArtifactError, match=r"a\.parquet"):
        read_scenes(tmp_path)
