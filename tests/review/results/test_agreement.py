"""Agreement: which answers become which ratings. The coefficients have tests of their own."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from support.small_review import accept, begin, fix, judge, pair_set, reject

from nsfwcaps.metrics.agreement import Level, Name, Ratings
from nsfwcaps.review.database import Database
from nsfwcaps.review.log.adjudication import settle
from nsfwcaps.review.results.agreement import agree, as_json, ratings


@pytest.fixture(autouse=True)
def begun(database: Database, tmp_path: Path) -> None:
    begin(database, pair_set(tmp_path / "set"))
    first = [("p-ann", accept(meaning=5)), ("p-bob", accept(meaning=2, category="weapons"))]
    judge(database, "pair-1", first)
    judge(database, "pair-2", [("p-bob", fix("a cup")), ("p-cy", accept(category="fire"))])
    judge(database, "pair-3", [("p-ann", reject()), ("p-cy", accept())])
    with database.write() as connection:
        settle(connection, "p-lea", "pair-3", reject(), 1e9)


def table(found: Ratings) -> list[list[float | None]]:
    return [[None if math.isnan(cell) else cell for cell in row] for row in found.table.tolist()]


def test_ratings_are_those_given_blind(database: Database) -> None:
    with database.read() as connection:
        found = ratings(connection)
    # Annotators in the order of their first rating: ann, bob, cy.
    assert table(found["choice"]) == [[0, 0, None], [None, 1, 0], [2, None, 0]]
    assert table(found["meaning"]) == [[4, 1, None], [None, 3, 3], [None, None, 3]]
    assert table(found["safe_is_safe"]) == [[0, 0, None], [None, 0, 0], [1, None, 0]]
    sizes = {name: one.categories for name, one in found.items()}
    assert sizes == {
        "safe_is_safe": 3, "unsafe_is_unsafe": 3, "category": 3, "meaning": 5, "choice": 3,
    }  # fmt: skip


def test_right_is_the_category_that_the_data_set_gives(database: Database) -> None:
    """pair-1 and pair-3 are weapons, pair-2 smoking; fire is nobody's but cy's."""
    with database.read() as connection:
        found = ratings(connection)["category"]
    fire, smoking, weapons = range(3)
    assert table(found) == [[weapons, weapons, None], [None, smoking, fire], [None, None, weapons]]


def test_levels_and_coefficients(database: Database) -> None:
    with database.read() as connection:
        heard: list[str] = []
        found = agree(connection, resamples=20, done=heard.append)
    assert heard == [one.question for one in found]
    levels = {one.question: one.level for one in found}
    assert levels.pop("meaning") is Level.ORDINAL
    assert set(levels.values()) == {Level.NOMINAL}
    choice = next(one for one in found if one.question == "choice")
    raw = next(item for item in choice.coefficients if item.name is Name.RAW)
    assert (raw.value, raw.items, raw.ratings, raw.raters) == (pytest.approx(1 / 3), 3, 6, 3)


def test_as_json_has_null_for_what_is_undefined(tmp_path: Path) -> None:
    other = Database(str(tmp_path / "other.sqlite"), create=True)
    begin(other, pair_set(tmp_path / "set"))
    with other.read() as connection:
        found = as_json(agree(connection, resamples=5))
    other.close()
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text)["choice"]["coefficients"]["raw_agreement"]["value"] is None


def test_equal_seeds_give_equal_intervals(database: Database) -> None:
    with database.read() as connection:
        one, other = (as_json(agree(connection, seed=3, resamples=30)) for _ in range(2))
    assert one == other
    assert not np.isnan(one["choice"]["coefficients"]["raw_agreement"]["low"] or 0)
