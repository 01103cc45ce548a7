"""Progress and agreement after random histories are those of a recount of the log by hand."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.small_review import PAIRS, accept, begin, fix, pair_set, reject, rows

from nsfwcaps.errors import NsfwcapsError
from nsfwcaps.review.chain.links import Link
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import adjudication, reopening, verdicts, verifying
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue import gold
from nsfwcaps.review.queue.opening import open_review
from nsfwcaps.review.results.agreement import agree
from nsfwcaps.review.results.progress import progress

PEOPLE = ("p-ann", "p-bob", "p-cy")
SAID = (
    accept(),
    accept(meaning=2, comment="the table is round"),
    accept(category="smoking"),
    accept(ask_lead=True),
    fix("a cup"),
    fix(" a  cup "),
    fix("a mug"),
    reject(),
)


@pytest.mark.parametrize("seed", range(6))
def test_counts_are_those_of_the_log(database: Database, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    begin(database, pair_set(tmp_path / "set"))
    done = Counter[str]()
    for step in range(240):
        done[act(database, chance)] += 1
        if step == 60:
            update(database, tmp_path / "set")
        if step % 30 == 29:
            check(database)
    assert {"judge", "undo", "settle", "reopen", "open", "aside", "gold"} <= set(+done)


def act(database: Database, chance: random.Random) -> str:
    """Do something that may be refused; return its name, or "" if it was."""
    names = ("judge",) * 6 + ("undo", "settle", "reopen", "aside", "gold", "back", *("open",) * 4)
    name = chance.choice(names)
    pair_id, lead = chance.choice(PAIRS), chance.choice(("p-lea", "p-leo"))
    try:
        with database.write() as connection:
            if name == "judge":
                answers = chance.choice(SAID)
                verdicts.judge(connection, chance.choice(PEOPLE), pair_id, answers, 1e9)
            elif name == "undo":
                person = chance.choice(PEOPLE)
                seq = verdicts.verdict_of(connection, person, pair_id) or 0
                verdicts.undo(connection, person, seq, 1e9)
            elif name == "gold":
                row = gold.GoldRow(number=1, values={"pair_id": pair_id, "choice": "accept"})
                gold.set_gold(connection, lead, [row], 1e9)
            elif name == "open":
                reopening.reopen(connection, lead, pair_id, 1e9, of=None)
            elif name == "back":
                last = reopening.last_act(connection, lead)
                reopening.undo(connection, lead, last.seq if last else 0, 1e9)
            else:
                _of_a_dispute(connection, name, lead, chance)
    except NsfwcapsError:
        return ""
    return name


def _of_a_dispute(connection: Any, name: str, lead: str, chance: random.Random) -> None:
    found = adjudication.disputes(connection, lead)
    done = [*reopening.settled(connection), *reopening.aside(connection)]
    if name == "reopen" and done:
        row = chance.choice(done)
        reopening.reopen(connection, lead, row.pair_id, 1e9, of=row.seq)
    elif name == "settle" and found:
        answers = chance.choice([accept(), reject(), fix("a jug")])
        adjudication.settle(connection, lead, chance.choice(found).pair_id, answers, 1e9)
    elif name == "aside" and found:
        reopening.set_aside(connection, lead, chance.choice(found), 1e9)
    else:
        raise NsfwcapsError("nothing to do")


def update(database: Database, folder: Path) -> None:
    """Take the first pair out of the data set."""
    path = folder / "data" / "train-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist(rows()[1:]), path)
    open_review(database, ReviewPairs(folder), update=True)


def check(database: Database) -> None:
    with database.read() as connection:
        assert verifying.verify(connection) == []
        log = list(verdicts.links(connection))
        found = progress(connection)
        choice = next(one for one in agree(connection, resamples=1) if one.question == "choice")
        data = {row["pair_id"] for row in rows()}
        gone = {"pair-1"} if found.whole.pairs == len(PAIRS) - 1 else set()
    current, marks, known = replayed(log)
    expected = Counter(state(pair_id, current, marks, known) for pair_id in sorted(data - gone))
    assert +Counter({k.value: v for k, v in found.whole.states.items()}) == expected
    people = Counter(account for account, _ in current)
    assert {one.account_id: one.verdicts for one in found.people} == dict(people)
    shares = []
    for pair_id in data:
        said = [body["choice"] for (_, pair), body in current.items() if pair == pair_id]
        both = [one == other for i, one in enumerate(said) for other in said[:i]]
        shares += [np.mean(both)] if both else []
    raw = choice.coefficients[0]
    assert raw.items == len(shares)
    assert np.isnan(raw.value) if not shares else raw.value == pytest.approx(np.mean(shares))


Current = dict[tuple[str, str], dict[str, Any]]


def replayed(log: list[Link]) -> tuple[Current, dict[str, str], set[str]]:
    """Follow the log with plain rules: a stack of marks for each pair."""
    current: Current = {}
    stacks: dict[str, list[tuple[int, str]]] = {}
    known: set[str] = set()
    for link in log:
        body, stack = json.loads(link.body), stacks.setdefault(link.pair_id, [])
        if link.kind == "judge":
            current[link.account_id, link.pair_id] = body
        elif link.kind == "undo":
            del current[link.account_id, link.pair_id]
        elif link.kind == "gold":
            known.add(link.pair_id)
        elif link.kind in ("settle", "aside"):
            stack.append((link.seq, link.kind))
        elif link.kind == "reopen" and stack and stack[-1] == (body["of"], "open"):
            stack.pop()  # an opening was taken back: what was before it holds
        elif link.kind == "reopen":
            stack.append((link.seq, "open"))
    return current, {pair: stack[-1][1] for pair, stack in stacks.items() if stack}, known


def state(pair_id: str, current: Current, marks: dict[str, str], known: set[str]) -> str:
    said = [body for (_, pair), body in current.items() if pair == pair_id]
    mark = marks.get(pair_id)
    if mark == "settle":
        return "settled"
    if said and (mark or any(body.get("ask_lead") for body in said)):
        return "disputed"
    if pair_id in known:
        return "known"
    if len(said) < 2:
        return "pending"
    return "agreed" if len({key(body, pair_id) for body in said}) == 1 else "disputed"


def key(body: dict[str, Any], pair_id: str) -> tuple[Any, ...]:
    (own,) = [row["category"] for row in rows() if row["pair_id"] == pair_id]
    caption = " ".join(body.get("safe_caption", "").split()) if body["choice"] == "fix" else ""
    category = own if body.get("category") == "right" else body.get("category")
    return body["choice"], caption, None if body["choice"] == "reject" else category
