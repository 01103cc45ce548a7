"""Many annotators at once, in processes that are killed: nothing is lost, nothing counted twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import postgres_server
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import review_group
import sqlalchemy as sa

from nsfwcaps.review import tables, verdicts
from nsfwcaps.review.database import Database
from nsfwcaps.review.open import open_review
from nsfwcaps.review.pairs import PairSet
from nsfwcaps.review.verdicts import Kind

PEOPLE = [f"p-{number}" for number in range(10)]
PAIRS, OVERLAP = 60, 3
# No caps, no breaks, and pairs that nobody else takes while their annotator is away.
RULES = {
    "overlap": OVERLAP,
    "gold_share": 0.0,
    "break_minutes": 0.0,
    "reservation_minutes": 600.0,
    **dict.fromkeys(("pairs_per_session", "pairs_per_day"), 10_000),
    **dict.fromkeys(("reveals_per_session", "reveals_per_day"), 10_000),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    rows = [
        {
            "pair_id": f"pair-{number}",
            "unsafe_id": f"unsafe-{number}",
            "safe_id": f"safe-{number}",
            "unsafe_caption": f"a cigarette on table {number}",
            "safe_caption": f"a cup on table {number}",
            "category": "smoking",
            "sim_text": number / PAIRS,
        }
        for number in range(PAIRS)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "data" / "train-00000-of-00001.parquet")
    return folder


@pytest.fixture
def begun(address: str, data: Path) -> str:
    """Address of a review that ten people may judge."""
    database = Database(address, create=True)
    open_review(database, PairSet(data), RULES)
    with database.write() as connection:
        for name in PEOPLE:
            connection.execute(
                sa.insert(tables.account).values(
                    account_id=name,
                    name=name,
                    name_key=name,
                    password_hash="none",
                    role="annotator",
                    created=0.0,
                )
            )
    database.close()
    return address


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

    def until(self, running: subprocess.Popen[bytes], count: int) -> None:
        """Wait until so many verdicts were accepted."""
        while sum(map(len, self.told().values())) < count:
            assert running.poll() is None, "the group ended before its time"
            time.sleep(0.005)

    def killed_at(self, count: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Run the group until so many verdicts were accepted, and kill it."""
        running = self.start()
        self.until(running, count // 2)
        meanwhile()
        self.until(running, count)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def check(address: str, told: dict[str, list[int]], kills: int) -> None:
    """Everything that was accepted is there, once; the tables agree with the log."""
    database = Database(address)
    with database.read() as connection:
        log = {link.seq: link for link in verdicts.links(connection)}
        decision, item = tables.decision, tables.item
        held = Counter(connection.scalars(sa.select(decision.c.pair_id)).all())
        counted = connection.execute(sa.select(item.c.pair_id, item.c.decided)).all()
        assert verdicts.verify(connection) == []
    database.close()
    numbers = [seq for seqs in told.values() for seq in seqs]
    assert len(numbers) == len(set(numbers))
    assert all(told.values()), "somebody never had a turn"
    for account, seqs in told.items():
        assert {(log[seq].account_id, log[seq].kind) for seq in seqs} == {(account, Kind.JUDGE)}
    judged = {link.seq for link in log.values() if link.kind == Kind.JUDGE}
    undone = sum(link.kind == Kind.UNDO for link in log.values())
    # Between the log and the file of whoever was told lies one verdict each, at every kill.
    assert len(judged - set(numbers)) <= kills * len(PEOPLE)
    assert {row.pair_id: row.decided for row in counted} == dict(held)
    assert set(held.values()) == {OVERLAP}
    assert len(judged) - undone == PAIRS * OVERLAP


def test_ten_annotators_killed_twice(begun: str, data: Path, tmp_path: Path) -> None:
    group = Group(begun, data, tmp_path / "told")
    group.killed_at(50)
    group.killed_at(110)
    assert group.start().wait(60) == 0
    check(begun, group.told(), kills=2)


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
def test_the_server_crashes_under_ten_annotators(
    begun: str, data: Path, tmp_path: Path, server: postgres_server.Server
) -> None:
    def crash() -> None:
        server.stop("immediate")
        server.start()

    group = Group(begun, data, tmp_path / "told")
    group.killed_at(80, meanwhile=crash)
    assert group.start().wait(60) == 0
    check(begun, group.told(), kills=2)  # a crash takes as many answers on their way as a kill


def test_two_processes_begin_the_same_review(address: str, data: Path) -> None:
    begin = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from nsfwcaps.review.database import Database\n"
        "from nsfwcaps.review.open import open_review\n"
        "from nsfwcaps.review.pairs import PairSet\n"
        "pairs = PairSet(Path(sys.argv[2]))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "print(open_review(Database(sys.argv[1], create=True), pairs).filled.added)\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", begin, address, str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    added = sorted(int(process.communicate(timeout=60)[0]) for process in running)
    assert added == [0, 0, 0, PAIRS]
    check_begun(address)


def check_begun(address: str) -> None:
    database = Database(address)
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.item)) == PAIRS
        assert verdicts.verify(connection) == []
    database.close()
