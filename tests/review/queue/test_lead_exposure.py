"""What leads uncover: recorded for them, against caps of their own, apart from annotators' ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.small_review import begin, pair_set

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review.database import Database
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue import exposure, lead_exposure, sessions
from nsfwcaps.review.queue.opening import policy_of

NOON = 1e9 - 1e9 % 86_400 + 43_200
HOUR = 3600


@pytest.fixture(autouse=True)
def pairs(database: Database, tmp_path: Path) -> ReviewPairs:
    made = pair_set(tmp_path / "set")
    begin(database, made, lead_reveals_per_hour=2, lead_reveals_per_day=3)
    return made


def left(database: Database, now: float, lead: str = "p-lea") -> tuple[int, int, int]:
    with database.read() as connection:
        rest = lead_exposure.left(connection, lead, now)
    return rest.in_hour, rest.in_day, rest.reveals


def test_caps_are_of_the_hour_and_of_the_day(database: Database, pairs: ReviewPairs) -> None:
    def uncover(now: float) -> None:
        lead_exposure.uncover(database, pairs, "p-lea", "pair-1", "unsafe text", now)

    assert left(database, NOON) == (2, 3, 2)
    uncover(NOON)
    uncover(NOON + 1)
    assert left(database, NOON + 2) == (0, 1, 0)
    with pytest.raises(ReviewError, match=r"uncovered 2 .* in this hour, .* after .* 13:00 UTC"):
        uncover(NOON + 3)
    uncover(NOON + HOUR)
    assert left(database, NOON + HOUR) == (1, 0, 0)
    with pytest.raises(ReviewError, match=r"uncovered 3 .* today, .* after .* 00:00 UTC"):
        uncover(NOON + 2 * HOUR)
    assert left(database, NOON + 24 * HOUR) == (2, 3, 2)
    assert left(database, NOON, "p-leo") == (2, 3, 2)


def test_erasing_the_record_does_not_lift_the_caps_of_today(
    database: Database, pairs: ReviewPairs
) -> None:
    for now in (NOON - 24 * HOUR, NOON):
        lead_exposure.uncover(database, pairs, "p-lea", "pair-1", "unsafe text", now)
    with database.read() as connection:
        mine = exposure.entries(connection, "p-lea")
    assert [(one.event.value, one.category, one.severity) for one in mine] == [
        ("text uncovered", "weapons", 1)
    ] * 2
    with database.write() as connection:
        assert exposure.erase(connection, "p-lea", sessions.today(NOON)) == 3
        assert exposure.entries(connection, "p-lea") == []
    assert left(database, NOON) == (1, 2, 1)
    assert left(database, NOON - 24 * HOUR) == (2, 3, 2)


def test_caps_of_annotators_are_untouched(database: Database, pairs: ReviewPairs) -> None:
    lead_exposure.uncover(database, pairs, "p-lea", "pair-1", "safe text", NOON)
    with database.read() as connection:
        policy = policy_of(connection)
        rest = sessions.left(connection, "p-lea", None, policy, NOON)
    assert (rest.reveals, rest.pairs) == (150, 60)


@pytest.mark.parametrize(
    ("account", "pair_id", "what", "kind", "message"),
    [
        ("p-ann", "pair-1", "safe text", ReviewError, "only a lead may"),
        ("p-lea", "pair-9", "safe text", ReviewError, "pair pair-9 is not in"),
        ("p-lea", "pair-1", "safe sound", InputError, "cannot uncover 'safe sound'"),
        ("p-lea", "pair-1", "safe image", InputError, "cannot be decoded|has no safe image"),
    ],
)
def test_what_is_refused_costs_nothing(
    database: Database,
    pairs: ReviewPairs,
    account: str,
    pair_id: str,
    what: str,
    kind: type[Exception],
    message: str,
) -> None:
    with pytest.raises(kind, match=message):
        lead_exposure.uncover(database, pairs, account, pair_id, what, NOON)
    with database.read() as connection:
        assert exposure.entries(connection, account) == []
    assert left(database, NOON, account) == (2, 3, 2)
