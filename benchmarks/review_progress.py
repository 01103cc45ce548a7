"""Time of Progress after each new verdict, beside the counting of before, in one run.

    python benchmarks/review_progress.py [--verdicts 24000] [--people 10] [--new 5]

After each new verdict everything is counted: pairs by state, people, and agreement with its 1,000
bootstrap samples. Before, the bootstrap drew every item; now it draws kinds of items. Seconds are
those of the processor, so that other programs do not count; `status` is the whole command.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support import many_annotators


def main() -> None:
    """Judge, count after each of the last verdicts in both ways, and print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--verdicts", type=int, default=24_000)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--new", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        _measure(Path(scratch), options.verdicts, options.people, options.new)


def _measure(folder: Path, verdicts: int, people: int, new: int) -> None:
    from nsfwcaps.review.database import Database
    from nsfwcaps.review.pairs import ReviewPairs
    from nsfwcaps.review.results import agreement, progress

    pairs = ReviewPairs(many_annotators.write_pairs(folder / "set", verdicts))
    database = Database(str(folder / "review.sqlite"), create=True)
    many_annotators.begin(database, pairs, overlap=2)
    said = _verdicts(pairs.ids, people)
    _judge(database, said, verdicts - new)
    found: dict[str, list[float]] = {}

    def timed(name: str, call: Callable[..., Any]) -> Any:
        with database.read() as connection:
            started = time.process_time()
            result = call(connection)
            found.setdefault(name, []).append(time.process_time() - started)
        return result

    for _ in range(new):
        _judge(database, said, 1)
        timed("counts", progress.progress)
        timed("agreement", agreement.agree)
        timed("agreement, every item drawn", _by_item)
    database.close()
    median = {name: statistics.median(values) for name, values in found.items()}
    print(f"{verdicts:,} verdicts of {people} people; median of {new} new verdicts, processor time")
    print("| what | s |\n|---|---|")
    for name, seconds in median.items():
        print(f"| {name} | {seconds:.2f} |")
    print(f"| `review status --json`, with its start | {_status(folder):.2f} |")
    now = median["counts"] + median["agreement"]
    before = median["counts"] + median["agreement, every item drawn"]
    print(f"\nProgress: {now:.2f} s after a verdict, {now / before:.2f} of the counting of before")


def _verdicts(ids: list[str], people: int) -> Iterator[tuple[str, str, Any]]:
    """Yield account, pair and answers: two people a pair, some fixes and comments."""
    from nsfwcaps.review.log.answers import Answers, Choice

    chance = random.Random(0)
    for number, pair_id in enumerate(ids):
        for account in chance.sample(many_annotators.PEOPLE[:people], 2):
            choice = chance.choices(list(Choice), [0.7, 0.1, 0.2])[0]
            yield (
                account,
                pair_id,
                Answers(
                    safe_is_safe="no" if choice is Choice.REJECT else "yes",
                    unsafe_is_unsafe=chance.choice(["yes", "unsure"]),
                    category=chance.choice(["right", "right", *many_annotators.CATEGORIES]),
                    meaning=chance.randint(1, 5),
                    choice=choice,
                    safe_caption=f"a cup {number}" if choice is Choice.FIX else None,
                    comment=f"comment {number}" if chance.random() < 0.05 else None,
                ),
            )


def _judge(database: Any, said: Iterator[tuple[str, str, Any]], count: int) -> None:
    from nsfwcaps.review.log import verdicts

    with database.write() as connection:
        for _ in range(count):
            account, pair_id, answers = next(said)
            verdicts.judge(connection, account, pair_id, answers, 1e9)


def _by_item(connection: Any) -> None:
    """The bootstrap of before: dense weights of every item, for the sums of every sample."""
    from nsfwcaps.metrics.agreement import RESAMPLES, Level, _coefficients
    from nsfwcaps.metrics.agreement_bootstrap import tables
    from nsfwcaps.review.results.agreement import MEANING, ratings

    for name, rated in ratings(connection).items():
        table = rated.table[~np.isnan(rated.table).all(axis=1)]
        counted = tables(table, categories=rated.categories, shared=10)
        kinds = _kind_of(table)
        chance = np.random.default_rng(0)
        for _ in range(0, RESAMPLES, 250):
            drawn = chance.integers(0, len(table), size=(250, len(table)))
            drawn += np.arange(250)[:, None] * len(table)
            weights = np.bincount(drawn.ravel(), minlength=250 * len(table)).reshape(250, -1)
            weights = weights.astype(np.float64) @ kinds
            level = Level.ORDINAL if name == MEANING else Level.NOMINAL
            _coefficients(counted.sums(weights), level)


def _kind_of(table: Any) -> Any:
    """Matrix `[items, kinds]` that says which kind an item is."""
    from scipy import sparse

    _, kind = np.unique(np.nan_to_num(table, nan=-1), axis=0, return_inverse=True)
    ones, rows = np.ones(len(table)), np.arange(len(table))
    return sparse.csr_array((ones, (rows, kind.ravel())))


def _status(folder: Path) -> float:
    """Processor seconds of the whole command."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["review", "status", "--json", "--db", str(folder / "review.sqlite")]
    subprocess.run([sys.executable, "-m", "nsfwcaps", *command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
