"""Overlaps of neighbourhoods by hand, and against brute force in double precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pytest

from nsfwcaps.metrics import neighbourhoods, tiles
from nsfwcaps.metrics.neighbourhoods import neighbourhood_overlaps
from nsfwcaps.metrics.similarities import TIE, Vectors


def unit(rows: object) -> Vectors:
    made = np.asarray(rows, dtype=np.float64)
    return (made / np.linalg.norm(made, axis=-1, keepdims=True)).astype(np.float32)


def rows(seed: int, n: int = 60, d: int = 8) -> Vectors:
    return unit(np.random.default_rng(seed).normal(size=(n, d)))


def brute_parts(vectors: Vectors, k: int) -> npt.NDArray[np.float64]:
    """Part `[n, n]` of each row in the neighbourhoods, from all products and a sort of each."""
    exact = vectors.astype(np.float64)
    sims = exact @ exact.T
    parts = np.zeros_like(sims)
    for row in range(len(sims)):
        others = np.delete(np.arange(len(sims)), row)
        last = np.sort(sims[row, others])[-k]
        nearer = [other for other in others if sims[row, other] > last + TIE]
        tied = [other for other in others if abs(sims[row, other] - last) <= TIE]
        parts[row, nearer] = 1
        parts[row, tied] = (k - len(nearer)) / len(tied)
    return parts


def brute(after: Vectors, before: Vectors, k: int) -> npt.NDArray[np.float64]:
    one, other = brute_parts(after, k), brute_parts(before, k)
    return np.minimum(one, other).sum(1) / np.maximum(one, other).sum(1)


def copies(random: np.random.Generator, count: int, distinct: int, width: int) -> Vectors:
    """Rows of which many are equal up to rounding."""
    some = random.normal(size=(distinct, width))[random.integers(0, distinct, count)]
    return unit(some + 1e-8 * random.normal(size=some.shape))


def contracted(random: np.random.Generator, count: int, width: int) -> Vectors:
    """Rows so close that single precision does not order their similarities."""
    return unit(1 + 3e-3 * random.normal(size=(count, width)))


SHAPES = [(3, 7), (16, 64), (512, 2048)]
"""Rows and columns of a tile, of 90 x 90."""


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("k", [1, 5, 60, 89])
def test_overlaps_are_those_of_brute_force(
    shape: tuple[int, int], k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "ROWS", shape[0])
    monkeypatch.setattr(tiles, "COLUMNS", shape[1])
    monkeypatch.setattr(neighbourhoods, "_COLUMNS", 50)
    random = np.random.default_rng(k)
    plain, near, equal = (
        unit(random.normal(size=(90, 64))),
        contracted(random, 90, 64),
        copies(random, 90, 3, 64),
    )
    mixed = np.concatenate([equal[:40], plain[:30], near[:20]])
    moved = unit(plain + 0.1 * random.normal(size=plain.shape))
    for after, before in ((moved, plain), (plain, near), (equal, mixed), (mixed, moved)):
        expected = brute(after, before, k)
        np.testing.assert_allclose(neighbourhood_overlaps(after, before, k), expected, rtol=1e-9)


def test_rows_in_order_of_nearness_are_found_in_every_tile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each tile has nearer rows than all before it, for the last rows of a half circle."""
    monkeypatch.setattr(tiles, "ROWS", 8)
    monkeypatch.setattr(tiles, "COLUMNS", 8)
    angles = np.linspace(0, 3, 80) ** 1.1
    before = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    after = before[np.random.default_rng(0).permutation(80)]
    expected = brute(after, before, 4)
    assert neighbourhood_overlaps(after, before, 4).tolist() == pytest.approx(expected.tolist())


def test_few_blocks_of_uncertain_rows_or_many(monkeypatch: pytest.MonkeyPatch) -> None:
    after, before = copies(np.random.default_rng(0), 60, 2, 16), rows(1, d=16)
    whole = neighbourhood_overlaps(after, before, k=7).tolist()
    monkeypatch.setattr(neighbourhoods, "_VALUES", 60 * 13)
    monkeypatch.setattr(neighbourhoods, "_CACHED", 60 * 4)
    assert neighbourhood_overlaps(after, before, k=7).tolist() == whole


def test_progress_counts_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "ROWS", 7)
    monkeypatch.setattr(tiles, "COLUMNS", 16)
    seen: list[int] = []

    @contextmanager
    def task(total: int) -> Iterator[Callable[[int], None]]:
        seen.append(-total)
        yield seen.append

    neighbourhood_overlaps(rows(0), rows(1), task=task)
    assert seen[0] == -60 * 59  # 60 * 59 / 2 pairs, before and after
    assert sum(seen) == 0


def test_overlap_of_a_model_with_itself_is_one_whatever_the_rotation() -> None:
    some = rows(0)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0].astype(np.float32)
    assert neighbourhood_overlaps(some @ turn, some, k=5).tolist() == [1.0] * len(some)


def test_overlap_by_hand() -> None:
    angles = np.deg2rad([0, 10, 31, 60, 100])
    before = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    after = before[[4, 1, 2, 3, 0]]  # the first and the last change places
    # Nearest two, before: {1,2} {0,2} {1,3} {2,4} {3,2}; after: {3,2} {4,2} {1,3} {2,0} {1,2}.
    jaccard = [1 / 3, 1 / 3, 1.0, 1 / 3, 1 / 3]
    assert neighbourhood_overlaps(after, before, k=2).tolist() == pytest.approx(jaccard)


def test_equal_rows_share_places() -> None:
    """60 rows of 3 distinct ones, against themselves with noise that only rounding could make."""
    some = rows(4, n=3)[np.arange(60) % 3]
    noise = 1e-7 * np.random.default_rng(0).normal(size=some.shape)
    again = (some + noise).astype(np.float32)
    assert neighbourhood_overlaps(again, some, k=10).tolist() == pytest.approx([1.0] * 60)


def test_shared_places_by_hand() -> None:
    """Before, three rows tie for two places; after, two of them are the nearest."""
    before = np.eye(4, dtype=np.float32)
    near = np.array([[1, 0, 0, 0], [0.8, 0.6, 0, 0], [0.8, 0, 0.6, 0], [0, 0, 0, 1]])
    found = neighbourhood_overlaps(near.astype(np.float32), before, k=2)
    # 2/3 + 2/3 are common of 2 + 2; the last row still sees three equal ones.
    assert found.tolist() == pytest.approx([4 / 3 / (4 - 4 / 3)] * 3 + [1.0])


def test_overlap_needs_more_rows_than_neighbours() -> None:
    with pytest.raises(ValueError, match="above 5, got 5 after"):
        neighbourhood_overlaps(rows(0, n=5), rows(1, n=5), k=5)
