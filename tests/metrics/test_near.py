"""Near pairs against brute force in double precision; at most so many of a row."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from nsfwcaps.metrics import near, tiles
from nsfwcaps.metrics.near import near_pairs
from nsfwcaps.metrics.similarities import Vectors

LEAST = 0.95


def unit(rows: object) -> Vectors:
    made = np.asarray(rows, dtype=np.float64)
    return (made / np.linalg.norm(made, axis=-1, keepdims=True)).astype(np.float32)


def edge(random: np.random.Generator, count: int, width: int) -> Vectors:
    """Rows whose cosines with the first lie within rounding of the border."""
    first = np.eye(width)[0]
    across = random.normal(size=(count, width - 1))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    along = LEAST + random.normal(size=count) * 1e-7
    rows = np.hstack([along[:, None], np.sqrt(1 - along**2)[:, None] * across])
    return np.concatenate([first[None], rows]).astype(np.float32)


@pytest.mark.parametrize("band", [1, 7, 8192])
@pytest.mark.parametrize("shape", [(1, 5), (512, 2048)], ids=str)
def test_pairs_are_those_of_brute_force(
    band: int, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near, "BAND_ROWS", band)
    monkeypatch.setattr(tiles, "ROWS", shape[0])
    monkeypatch.setattr(tiles, "COLUMNS", shape[1])
    random = np.random.default_rng(0)
    rows = np.concatenate([edge(random, 30, 64), unit(random.normal(size=(20, 64)))])
    rows[-1] = np.nan
    sims = rows.astype(np.float64) @ rows.astype(np.float64).T
    found = near_pairs(rows, LEAST, 100)
    expected = np.nonzero(sims >= LEAST)
    assert sorted(zip(*(part.tolist() for part in found), strict=True)) == list(
        zip(*(part.tolist() for part in expected), strict=True)
    )
    assert 0 < (sims[0] >= LEAST).sum() < 31  # the border divides them


@pytest.mark.parametrize("shape", [(4, 5), (512, 2048)], ids=str)
def test_of_many_the_nearest_are_kept(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "ROWS", shape[0])
    monkeypatch.setattr(tiles, "COLUMNS", shape[1])
    angles = np.linspace(0, 0.3, 20)
    rows = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    left, right = near_pairs(rows, LEAST, 3)
    assert left.tolist() == np.repeat(np.arange(20), 3).tolist()
    assert right[left == 0].tolist() == [0, 1, 2]
    assert sorted(right[left == 10].tolist()) == [9, 10, 11]
    assert right[left == 19].tolist() == [19, 18, 17]


@pytest.mark.parametrize("least", [-6.0, 2.0])
@pytest.mark.parametrize("shape", [(1, 40), (7, 16), (16, 3), (512, 2048)], ids=str)
def test_of_equals_lower_rows_are_kept(
    shape: tuple[int, int], least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "ROWS", shape[0])
    monkeypatch.setattr(tiles, "COLUMNS", shape[1])
    rows = np.random.default_rng(1).integers(-2, 3, (60, 3)).astype(np.float32)
    rows[33] = np.nan
    sims = rows @ rows.T  # whole numbers: many are equal
    expected = [
        (row, int(column))
        for row in range(60)
        for column in np.lexsort((np.arange(60), -sims[row]))[:9]
        if sims[row, column] >= least
    ]
    left, right = near_pairs(rows, least, 9)
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == expected
    assert len(set(np.bincount(left, minlength=60).tolist())) > 1


def test_memory_does_not_grow_with_the_tiles_of_a_collapsed_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tiles, "ROWS", 64)
    monkeypatch.setattr(tiles, "COLUMNS", 64)
    rows = np.ones((3000, 1), dtype=np.float32)
    near_pairs(rows[:100], LEAST, 10)  # imports
    tracemalloc.start()
    try:
        left, right = near_pairs(rows, LEAST, 10)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert left.tolist() == np.repeat(np.arange(3000), 10).tolist()
    assert right.tolist() == list(range(10)) * 3000
    assert peak < 1e7  # ten pairs of each row of every tile are 28 MB


def test_no_rows_have_no_pairs() -> None:
    left, right = near_pairs(np.empty((0, 4), dtype=np.float32), LEAST, 3)
    assert (len(left), len(right)) == (0, 0)
