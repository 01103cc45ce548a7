"""A group of annotators, each in a process of its own, who judge until nothing is left.

    python review_group.py ADDRESS DATA_SET FOLDER SEED ACCOUNT [ACCOUNT ...]

Every number of a row that an annotator is told goes to FOLDER/ACCOUNT, synced to the disk, before
the next pair. Whoever kills the process group kills all of them. One process imports everything
and opens the data set, the others are its forks.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from nsfwcaps.errors import StorageError
from nsfwcaps.review.database import Database
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.states import Consent, Finished, ReviewTask

_PATIENCE_S = 60
_THOUGHT_S = 0.02


def judge(desk: Desk, told: int, chance: random.Random) -> bool:
    """Do what is to be done now; False where that is nothing."""
    state = desk.state()
    if isinstance(state, Consent):
        desk.consent([])
    elif isinstance(state, ReviewTask):
        _on(desk, state, told, chance)
    else:
        assert isinstance(state, Finished), f"no rest is due, got {state}"
        time.sleep(0.05)
        return state.held_by_others
    return True


def _on(desk: Desk, task: ReviewTask, told: int, chance: random.Random) -> None:
    # Without a moment of thought one process would take the lock again before others look.
    time.sleep(chance.random() * _THOUGHT_S)
    desk.uncover(task.token, "safe text")
    desk.answer(task.token, safe_is_safe="no")
    seq = desk.decide(task.token, Choice.REJECT, comment=f"{chance.random()}")
    os.write(told, f"{seq}\n".encode())
    os.fsync(told)
    if chance.random() < 0.05:
        desk.undo()


def work(address: str, pairs: ReviewPairs, file: Path, account: str, seed: int) -> None:
    """Judge until nothing is left; a server that is away comes back."""
    told = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    chance = random.Random(f"{seed} {account}")
    patience_ends = time.monotonic() + _PATIENCE_S
    database = None
    while True:
        try:
            database = database or Database(address)
            if not judge(Desk(database, pairs, account), told, chance):
                return
        except StorageError:
            if time.monotonic() > patience_ends:
                raise
            time.sleep(0.2)


def main(address: str, data: str, folder: str, seed: str, *accounts: str) -> int:
    """Fork one process for each account; whether all of them ended well."""
    pairs = ReviewPairs(Path(data))
    children = []
    for account in accounts:
        child = os.fork()
        if child == 0:
            work(address, pairs, Path(folder) / account, account, int(seed))
            os._exit(0)
        children.append(child)
    ends = [os.waitpid(child, 0)[1] for child in children]
    return int(any(ends))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
