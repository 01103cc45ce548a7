"""Review performance: page latency, and concurrent annotators that are killed.

    python benchmarks/review.py [--pairs 100000] [--verdicts 5000] [--parts calls page crowd]

`calls`: opening a data set, filling the queue, and each call of an annotator's desk, at the start
and after thousands of verdicts on pairs that others have yet to judge (overlap 2). For comparison,
the naive way: a script that reads all pairs and verdicts with pandas for each page and searches
the next pair in Python. `page`: from a key press to the redrawn page, in headless Chromium,
through `nsfwcaps review`. `crowd`: ten annotators in separate processes, each thinking 10 ms per
pair, all killed twice. Uses SQLite, and PostgreSQL if a server is installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support import many_annotators, postgres_server

PARTS = ("calls", "page", "crowd")
SAMPLES = 60
CROWD_PAIRS = 1_000
Timings = dict[str, list[float]]


def main() -> None:
    """Run the requested parts; print one table per part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--verdicts", type=int, default=5_000)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, _servers() as servers:
        folder = Path(scratch)
        data = many_annotators.write_pairs(folder / "set", options.pairs)
        for name, make in servers.items():
            if "calls" in options.parts:
                _calls(name, make("calls", folder), data, options.verdicts)
        for name, make in servers.items():
            if "page" in options.parts:
                _page(name, make("page", folder), data, folder)
        small = many_annotators.write_pairs(folder / "small", CROWD_PAIRS)
        for name, make in servers.items():
            if "crowd" in options.parts:
                _crowd(name, make("crowd", folder), small, folder / f"told-{name}")


@contextmanager
def _servers() -> Iterator[dict[str, Callable[[str, Path], str]]]:
    """Yield, by server, a function that creates a database and returns its address."""
    known: dict[str, Callable[[str, Path], str]] = {
        "SQLite": lambda part, folder: str(folder / f"{part}.sqlite")
    }
    if postgres_server.programs() is None:
        print(postgres_server.NONE_HERE)
        yield known
        return
    server = postgres_server.Server(durable=True)
    try:
        yield {**known, "PostgreSQL": lambda part, _: server.make_schema(part)}
    finally:
        server.remove()


def _calls(name: str, address: str, data: Path, verdicts: int) -> None:
    from nsfwcaps.review.database import Database
    from nsfwcaps.review.pairs import ReviewPairs

    started = time.perf_counter()
    pairs = ReviewPairs(data)
    opened = time.perf_counter()
    database = Database(address, create=True)
    many_annotators.begin(database, pairs, overlap=2)
    filled = time.perf_counter()
    print(
        f"\n{name}, {len(pairs):,} pairs: {opened - started:.1f} s to open the data set, ", end=""
    )
    print(f"{filled - opened:.1f} s to fill the queue")
    first = _timed(database, pairs)
    _judge_ahead(database, pairs, verdicts)
    plain = _plain(database, data)
    later = _timed(database, pairs)
    database.close()
    print(f"| ms | at the start: median | p95 | after {verdicts:,} verdicts: median | p95 |")
    print("|---|---|---|---|---|")
    for call in first:
        print(f"| {call} | {_shown(first[call])} | {_shown(later[call])} |")
    ours = statistics.median(later["state, next pair"])
    print(
        f"The plain way takes {plain:,.0f} ms for the next pair, so ours {ours / plain:.4f} of it."
    )


def _timed(database: Any, pairs: Any) -> Timings:
    """Time each call in milliseconds, over the given number of pairs."""
    from nsfwcaps.review.log.answers import Choice
    from nsfwcaps.review.queue.desk import Desk
    from nsfwcaps.review.queue.states import Consent

    desk = Desk(database, pairs, "p-0")
    found: Timings = {}

    def timed(call: str, action: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = action()
        found.setdefault(call, []).append((time.perf_counter() - started) * 1000)
        return result

    desk.stop()
    for _ in range(5):
        assert isinstance(timed("state, consent page", desk.state), Consent)
    desk.consent([])
    for _ in range(SAMPLES):
        token = timed("state, next pair", desk.state).token
        timed("uncover", partial(desk.uncover, token, "safe text"))
        timed("answer", partial(desk.answer, token, safe_is_safe="no"))
        timed("state, same pair", desk.state)
        timed("decide", partial(desk.decide, token, Choice.REJECT))
    return found


def _judge_ahead(database: Any, pairs: Any, count: int) -> None:
    """Record one annotator's verdicts on the first pairs of the queue, in one go."""
    import sqlalchemy as sa

    from nsfwcaps.review import tables
    from nsfwcaps.review.log import verdicts
    from nsfwcaps.review.log.answers import Answers, Choice

    answers = Answers(safe_is_safe="no", choice=Choice.REJECT)
    item, decision = tables.item, tables.decision
    mine = sa.select(decision.c.pair_id).where(decision.c.account_id == "p-0")
    first = sa.select(item.c.pair_id).where(item.c.pair_id.not_in(mine)).order_by(item.c.position)
    with database.write() as connection:
        for pair_id in connection.scalars(first.limit(count)).all():
            verdicts.judge(connection, "p-0", pair_id, answers, time.time())


def _plain(database: Any, data: Path) -> float:
    """Time, in milliseconds, a script that reads everything for each page."""
    import pandas as pd

    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        pairs = pd.read_parquet(data)
        with database.read() as connection:
            verdicts = pd.read_sql("SELECT * FROM verdict", connection)
        mine = set(verdicts[verdicts["account_id"] == "p-0"]["pair_id"])
        counts = verdicts["pair_id"].value_counts().to_dict()
        next(
            row
            for row in pairs.itertuples()
            if row.pair_id not in mine and counts.get(row.pair_id, 0) < 2
        )
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1000


def _shown(milliseconds: list[float]) -> str:
    p95 = statistics.quantiles(milliseconds, n=20, method="inclusive")[-1]
    return f"{statistics.median(milliseconds):.1f} | {p95:.1f}"


# Keys that judge a pair: question on the page after each, and number of covered texts.
PRESSES = (
    ("s", "Is the safe side safe?", 1),
    ("y", "Is the unsafe side unsafe?", 1),
    ("d", "Is the unsafe side unsafe?", 0),
    ("h", "Is its category right?", 0),
    ("t", "How much of the meaning", 0),
    ("4", "What should happen to the pair?", 0),
    ("a", "Is the safe side safe?", 2),
)
_REDRAWN = """([judging, question, covered]) => judging.dataset.ready === 'true'
  && judging.dataset.locked === 'false' && judging.innerText.includes(question)
  && judging.querySelectorAll('.cover').length === covered"""


def _page(name: str, address: str, data: Path, folder: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        print("\nno Chromium found; install the distribution's package 'chromium'")
        return
    with _served(address, data, folder / f"{name}.log") as (url, code):
        found = _pressed(browser, url, code)
    print(f"\n{name}, {len(found)} presses of a key, to the redrawn page")
    print("| | median | p95 |\n|---|---|---|")
    print(f"| ms | {_shown(found)} |")


def _pressed(browser: str, url: str, code: str) -> list[float]:
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page()
        page.goto(url)
        page.get_by_label("Setup code from the terminal").fill(code)
        page.get_by_label("Name").fill("Lena")
        page.get_by_role("textbox", name="Password").fill("a long password 1")
        page.get_by_role("textbox", name="Password").press("Enter")
        page.get_by_role("button", name="begin").click()
        page.wait_for_timeout(2_000)  # a key pressed before would count as one too early
        judging = page.locator(".judging").element_handle()
        page.wait_for_function(_REDRAWN, arg=[judging, PRESSES[0][1], 2])
        for _ in range(10):
            for key, text, covered in PRESSES:
                started = time.perf_counter()
                page.keyboard.press(key)
                page.wait_for_function(_REDRAWN, arg=[judging, text, covered])
                found.append((time.perf_counter() - started) * 1000)
        chromium.close()
    return found


@contextmanager
def _served(address: str, data: Path, log: Path) -> Iterator[tuple[str, str]]:
    """Serve the review; yield the page's address and the setup code."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    rules = [
        part
        for rule in ("pairs-per-session", "pairs-per-day", "reveals-per-session", "reveals-per-day")
        for part in (f"--{rule}", "1000")
    ]
    command = [sys.executable, "-m", "nsfwcaps", "review", "--data", str(data), "--db", address]
    with log.open("w") as said:
        server = subprocess.Popen(
            [*command, "--port", str(port), *rules], stdout=said, stderr=said, text=True
        )
    try:
        while "with the code " not in log.read_text() or not _answers(port):
            if server.poll() is not None:
                raise SystemExit(f"the server ended:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        code = log.read_text().partition("with the code ")[2].split()[0]
        yield f"http://localhost:{port}", code
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("localhost", port)) == 0


def _crowd(name: str, address: str, data: Path, told: Path) -> None:
    from nsfwcaps.review.database import Database
    from nsfwcaps.review.pairs import ReviewPairs

    database = Database(address, create=True)
    many_annotators.begin(database, ReviewPairs(data), overlap=2)
    group = many_annotators.Group(address, data, told)
    started = time.perf_counter()
    group.killed_at(700)
    group.killed_at(1_400)
    ended = group.start().wait()
    seconds = time.perf_counter() - started
    found = many_annotators.tally(database, group.told())
    database.close()
    assert ended == 0, "an annotator failed"
    verdicts = found.held.total()
    print(f"\n{name}, {len(many_annotators.PEOPLE)} annotators, killed twice")
    print("| verdicts | verdicts/s, three starts included | lost | doubled | log |")
    print("|---|---|---|---|---|")
    whole = "; ".join(found.wrong) or "whole"
    print(f"| {verdicts:,} | {verdicts / seconds:.0f} | {found.lost} | {found.doubled} | {whole} |")


if __name__ == "__main__":
    main()
