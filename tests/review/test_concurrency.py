"""Many annotators at once, in processes that are killed: nothing is lost, nothing counted twice."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from support import many_annotators, postgres_server
from support.many_annotators import PEOPLE, Group

from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.pairs import ReviewPairs

PAIRS, OVERLAP = 40, 3


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return many_annotators.write_pairs(tmp_path / "set", PAIRS)


@pytest.fixture
def group(database: Database, address: str, data: Path, tmp_path: Path) -> Group:
    many_annotators.begin(database, ReviewPairs(data), OVERLAP)
    return Group(address, data, tmp_path / "told")


def check(database: Database, group: Group, kills: int) -> None:
    told = group.told()
    assert all(told.get(name) for name in PEOPLE), "somebody never had a turn"
    found = many_annotators.tally(database, told)
    assert (found.lost, found.doubled, found.wrong) == (0, 0, [])
    # Between the log and the file of whoever was told lies one verdict each, at every kill.
    assert found.untold <= kills * len(PEOPLE)
    assert found.held == found.counted == {f"pair-{number}": OVERLAP for number in range(PAIRS)}


def test_ten_annotators_killed_twice(database: Database, group: Group) -> None:
    group.killed_at(34)
    group.killed_at(74)
    assert group.start().wait(60) == 0
    check(database, group, kills=2)


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
def test_the_server_crashes_under_ten_annotators(
    database: Database, group: Group, server: postgres_server.Server
) -> None:
    def crash() -> None:
        server.stop("immediate")
        server.start()

    group.killed_at(54, meanwhile=crash)
    assert group.start().wait(60) == 0
    check(database, group, kills=2)  # a crash takes as many answers on their way as a kill


def test_processes_begin_the_same_review_at_once(address: str, data: Path) -> None:
    begin = (
        "import sys\n"
        "from pathlib import Path\n"
        "from nsfwcaps.review.database import Database\n"
        "from nsfwcaps.review.queue.opening import open_review\n"
        "from nsfwcaps.review.pairs import ReviewPairs\n"
        "pairs = ReviewPairs(Path(sys.argv[2]))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "print(open_review(Database(sys.argv[1], create=True), pairs).filled.added)\n"
    )
    command = [sys.executable, "-c", begin, address, str(data)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    running = [subprocess.Popen(command, **pipes, text=True) for _ in range(4)]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    added = sorted(int(process.communicate(timeout=60)[0]) for process in running)
    assert added == [0, 0, 0, PAIRS]
    database = Database(address)
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.item)) == PAIRS
        assert verdicts.verify(connection) == []
    database.close()


def test_a_new_file_is_changed_to_wal_by_many_threads(tmp_path: Path) -> None:
    for number in range(20):
        name = str(tmp_path / f"{number}.sqlite")
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _, name=name: Database(name, create=True), range(8)))
        for database in made:
            database.close()
