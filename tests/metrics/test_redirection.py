"""One pass over safe and unsafe candidates says what separate ones say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.metrics import similarities
from nsfwcaps.metrics.answer_sets import sets_of
from nsfwcaps.metrics.redirection import redirect
from nsfwcaps.metrics.retrieval import ranks_of_any, unsafe_first
from nsfwcaps.metrics.similarities import Vectors


def unit(rows: object) -> Vectors:
    made = np.asarray(rows, dtype=np.float32)
    return (made / np.linalg.norm(made, axis=-1, keepdims=True)).astype(np.float32)


@given(seed=st.integers(0, 10**6))
def test_one_pass_is_the_separate_ones(seed: int) -> None:
    random = np.random.default_rng(seed)
    pool = unit(random.normal(size=(5, 6)))
    queries, safe, unsafe = (pool[random.integers(0, 5, count)] for count in (7, 9, 4))
    one, more = random.integers(0, 9, 7), random.integers(0, 9, 7)
    right = sets_of(np.arange(7), one, 7)
    equivalent = sets_of(np.tile(np.arange(7), 2), np.concatenate([one, more]), 7)
    partners = sets_of(np.arange(6), random.integers(0, 9, 6), 7)  # none for the last
    found = redirect(queries, safe, unsafe, right=right, equivalent=equivalent, partners=partners)
    together = np.concatenate([safe, unsafe])
    assert found.ranks.tolist() == ranks_of_any(queries, together, right).tolist()
    assert found.closest is not None
    assert found.closest.tolist() == ranks_of_any(queries, together, equivalent).tolist()
    assert found.partners is not None
    assert found.partners.tolist() == ranks_of_any(queries, together, partners).tolist()
    assert found.partners[-1] == 13
    assert found.unsafe_first.tolist() == unsafe_first(queries, safe, unsafe).tolist()


@pytest.mark.parametrize("block", [1, 2, 1024])
def test_a_query_is_no_candidate_for_itself(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarities, "BLOCK_ROWS", block)
    safe = unit([[1, 0.2], [0.4, 1], [-1, 0.5]])
    unsafe = unit([[1, 0], [0, 1], [0.1, 1]])
    right = sets_of(np.arange(3), np.arange(3), 3)
    with_itself = redirect(unsafe, safe, unsafe, right=right)
    assert with_itself.unsafe_first.tolist() == [True, True, True]
    without = redirect(unsafe, safe, unsafe, right=right, own=np.arange(3))
    # The first has only its safe item near; the others have each other.
    assert without.unsafe_first.tolist() == [False, True, True]
    assert without.ranks.tolist() == [0, 1, 2]
    assert without.closest is None


def test_one_point_for_all_is_neither_found_nor_safe() -> None:
    point = np.tile(unit([[0.2, 0.5, 0.1]]), (6, 1))
    right = sets_of(np.arange(6), np.arange(6), 6)
    found = redirect(point, point, point, right=right, own=np.arange(6))
    assert set(found.ranks.tolist()) == {5}  # half of the ten others
    assert found.unsafe_first.all()
