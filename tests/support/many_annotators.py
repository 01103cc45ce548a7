"""A review that ten people judge at once, a group of processes that does, and what became of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from support import review_group

from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.verdicts import VerdictKind
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue.opening import Opened, open_review

PEOPLE = [f"p-{number}" for number in range(10)]
CATEGORIES = ("smoking", "weapons", "vandalism", "fire")
# No caps, no breaks, and pairs that nobody else takes while their annotator is away.
RULES = {
    "gold_share": 0.0,
    "break_minutes": 0.0,
    "reservation_minutes": 600.0,
    **dict.fromkeys(("pairs_per_session", "pairs_per_day"), 100_000),
    **dict.fromkeys(("reveals_per_session", "reveals_per_day"), 100_000),
    **dict.fromkeys(("minutes_per_session", "minutes_per_day"), 1_000.0),
}


def write_pairs(folder: Path, count: int) -> Path:
    """Write a data set of harmless pairs."""
    (folder / "data").mkdir(parents=True)
    table = pa.table(
        {
            "pair_id": [f"pair-{number}" for number in range(count)],
            "unsafe_id": [f"unsafe-{number}" for number in range(count)],
            "safe_id": [f"safe-{number // 2}" for number in range(count)],
            "unsafe_caption": [f"a cigarette on table {number}" for number in range(count)],
            "safe_caption": [f"a cup on table {number // 2}" for number in range(count)],
            "category": [CATEGORIES[number % len(CATEGORIES)] for number in range(count)],
            "stage": [("easy", "medium", "hard")[number * 3 // count] for number in range(count)],
            "difficulty": [number / count for number in range(count)],
            "sim_text": [number * 7919 % count / count for number in range(count)],
            "margin": [number * 104_729 % count / count for number in range(count)],
            "hub_count": [2] * count,
        }
    )
    pq.write_table(table, folder / "data" / "train-00000-of-00001.parquet")
    return folder


def begin(database: Database, pairs: ReviewPairs, overlap: int) -> Opened:
    """Begin its review, with an account for each of the ten."""
    with database.write() as connection:
        connection.execute(
            sa.insert(tables.account),
            [
                {
                    "account_id": name,
                    "name": name,
                    "name_key": name,
                    "password_hash": "none",
                    "role": "annotator",
                    "created": 0.0,
                    "disabled": False,
                }
                for name in PEOPLE
            ],
        )
    return open_review(database, pairs, {**RULES, "overlap": overlap})


class Group:
    """Runs the annotators, and kills them all."""

    def __init__(self, address: str, data: Path, folder: Path) -> None:
        folder.mkdir()
        self._command = [sys.executable, review_group.__file__, address, str(data), str(folder)]
        self._folder = folder
        self._seed = 0

    def start(self) -> subprocess.Popen[bytes]:
        self._seed += 1
        command = [*self._command, str(self._seed), *PEOPLE]
        return subprocess.Popen(command, start_new_session=True)

    def told(self) -> dict[str, list[int]]:
        """Numbers that each annotator was told; a kill may cut off the last line of a file."""
        files = {path.name: path.read_bytes().split(b"\n")[:-1] for path in self._folder.iterdir()}
        return {name: [int(line) for line in lines] for name, lines in files.items()}

    def killed_at(self, count: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Run the group until so many verdicts were accepted, and kill it."""
        running = self.start()
        self._until(running, count // 2)
        meanwhile()
        self._until(running, count)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()

    def _until(self, running: subprocess.Popen[bytes], count: int) -> None:
        while sum(map(len, self.told().values())) < count:
            assert running.poll() is None, "the group ended before its time"
            time.sleep(0.01)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What a database holds, beside what annotators were told."""

    lost: int
    """Verdicts that somebody was told of and that are not theirs in the log."""
    doubled: int
    """Numbers that were told twice, and pairs on which somebody decided twice."""
    untold: int
    """Verdicts in the log of which nobody was told."""
    held: Counter[str]
    """Verdicts that hold, by pair, as the rows say."""
    counted: Counter[str]
    """The same, as the queue has it."""
    wrong: list[str]
    """What `verify` says."""


def tally(database: Database, told: dict[str, list[int]]) -> Tally:
    decision, item = tables.decision, tables.item
    with database.read() as connection:
        log = [link for link in verdicts.links(connection) if link.pair_id]
        rows = connection.execute(sa.select(decision.c.account_id, decision.c.pair_id)).all()
        queued = connection.execute(sa.select(item.c.pair_id, item.c.decided)).all()
        wrong = verdicts.verify(connection)
    judged = {link.seq: link.account_id for link in log if link.kind == VerdictKind.JUDGE}
    balance = Counter[tuple[str, str]]()
    for link in log:
        balance[link.account_id, link.pair_id] += {VerdictKind.JUDGE: 1, VerdictKind.UNDO: -1}[
            VerdictKind(link.kind)
        ]
    numbers = [(seq, account) for account, seqs in told.items() for seq in seqs]
    return Tally(
        lost=sum(judged.get(seq) != account for seq, account in numbers),
        doubled=len(numbers) - len(set(numbers)) + sum(count > 1 for count in balance.values()),
        untold=len(set(judged) - {seq for seq, _ in numbers}),
        held=Counter(row.pair_id for row in rows),
        counted=Counter({row.pair_id: row.decided for row in queued if row.decided}),
        wrong=wrong,
    )
