"""Typing on the judging page: does every verdict hold what was typed for its pair, and no more?

    python benchmarks/review_keys.py [--pairs 100] [--delay-ms 200] [--at-once 5] [--busy 2]

Starts a review of harmless pairs, and people who type in Chromium at one key each 100, 150, 200,
300 and 400 ms, with busy processes beside them (`--busy 0` on a machine that is busy already). The
delay is added to each direction of the connection; without one, browser and server talk directly.

- A *looking* typist plans seven keys for the pair that is on the screen, with answers that differ
  from pair to pair, and types them at that pace whatever the page does. Where the pair is still
  there afterwards, they wait until the page has come to rest and answer what it asks. Every
  verdict is compared with the plan.
- A *blind* typist never looks, and types plan after plan. Every answer in a verdict must have been
  typed while its question of its pair was on the screen. What was there is noted frame by frame, by
  a script that shares nothing with the page.

The exit status is 1 where a verdict holds an answer that was not given.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from playwright.async_api import Page, async_playwright

from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log.verdicts import read_answers
from nsfwcaps.review.people import accounts
from nsfwcaps.review.people.accounts import Role
from nsfwcaps.review.people.keys import CATEGORY_KEYS

PACES_MS = (100, 150, 200, 300, 400)
PASSWORD = "a long password"
CATEGORIES = ("alcohol", "fire", "graffiti", "smoking", "vandalism", "weapons")
MANY = "100000"
UNLIMITED = [
    *(
        f"--{what}-per-{of}"
        for what in ("pairs", "reveals", "minutes")
        for of in ("session", "day")
    ),
]
# What is on the screen and since when (a frame's own time may be before the key that changed it),
# and every key with the time at which it was pressed.
NOTING = """
  window.frames_seen = []; window.keys_seen = [];
  const look = () => {
    const host = document.querySelector(".st-key-judging [data-testid=stBidiComponentIsolated]");
    const root = host?.shadowRoot?.querySelector("[data-token]");
    const question = root?.querySelector("[data-question]")?.dataset.question;
    const now = root && question ? `${root.dataset.token} ${question}` : "";
    if (now !== window.frames_seen.at(-1)?.[1]) window.frames_seen.push([performance.now(), now]);
  };
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (...given) {
    const root = attach.apply(this, given);
    const changes = new MutationObserver(() => requestAnimationFrame(look));
    changes.observe(root, { subtree: true, childList: true, attributes: true });
    return root;
  };
  window.addEventListener("keydown", (e) => window.keys_seen.push([e.timeStamp, e.key]), true);
"""
LOOK = """() => {
  const host = document.querySelector(".st-key-judging [data-testid=stBidiComponentIsolated]");
  const root = host?.shadowRoot?.querySelector("[data-token]");
  if (!root) return null;
  const of = (name) => root.querySelector(name)?.dataset;
  const seen = ["safe", "unsafe"].filter((side) => of(`[data-side=${side}] .caption`));
  const texts = seen.map((side) => `${side} text`);
  return {...root.dataset, seen: texts, question: of("[data-question]")?.question ?? null};
}"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What somebody means to say of a pair, and the keys that say it."""

    answers: Mapping[str, Any]
    keys: Mapping[str, str]
    """By what they do, in order."""


@dataclass
class Typist:
    """Somebody at the keyboard, and what came of it."""

    name: str
    pace_ms: int
    pairs: int
    looks: bool
    plans: dict[str, Plan] = field(default_factory=dict)
    pair_of: dict[str, str] = field(default_factory=dict)
    """Pairs by token."""
    retyped: int = 0
    wrong: int = 0
    frames: list[Any] = field(default_factory=list)
    pressed: list[Any] = field(default_factory=list)


def plan_of(number: int, category: str) -> Plan:
    """Return an answer to each question, different from pair to pair."""
    keys = {"safe text": "s"}
    if number % 11 == 5:
        keys |= {"safe_is_safe": "n", "choice": "x"}
        return Plan(answers={"safe_is_safe": "no", "choice": "reject"}, keys=keys)
    safe, unsafe = number % 3 == 1, number % 5 == 2
    others = [name for name in CATEGORIES if name != category]
    other = others[number % len(others)] if number % 2 else None
    meaning, accepts = 1 + number * 7 % 5, number % 4 != 3
    keys |= {"safe_is_safe": "u" if safe else "y", "unsafe text": "d"}
    keys |= {"unsafe_is_unsafe": "w" if unsafe else "h"}
    keys |= {"category": CATEGORY_KEYS[CATEGORIES.index(other)].lower() if other else "t"}
    keys |= {"meaning": str(meaning), "choice": "a" if accepts else "x"}
    answers = {
        "safe_is_safe": "unsure" if safe else "yes",
        "unsafe_is_unsafe": "unsure" if unsafe else "yes",
        "category": other or "right",
        "meaning": meaning,
        "choice": "accept" if accepts else "reject",
    }
    return Plan(answers=answers, keys=keys)


def main() -> None:
    """Type, compare, and print a row for each typist."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--paces", type=int, nargs="*", default=PACES_MS)
    parser.add_argument("--who", choices=("both", "looking", "blind"), default="both")
    parser.add_argument("--delay-ms", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=1, help="People who type at the same time.")
    parser.add_argument("--busy", type=int, default=2, help="Busy processes beside.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, busy(options.busy):
        run = Path(scratch)
        write_pairs(run, max(200, 2 * options.pairs))
        typists = [
            Typist(f"{'looks' if looks else 'blind'} {pace}", pace, options.pairs, looks)
            for looks in {"both": (True, False), "looking": (True,), "blind": (False,)}[options.who]
            for pace in options.paces
        ]
        with served(run) as port, contextlib.closing(Database(str(run / "review.sqlite"))) as found:
            for typist in typists:
                hashed = accounts.hash_password(typist.name, PASSWORD)
                with found.write() as connection:
                    accounts.create(connection, typist.name, hashed, Role.ANNOTATOR, time.time())
            load = os.getloadavg()[0]
            print(f"delay of each direction: {options.delay_ms} ms; load average: {load:.1f}")
            print("| typist | ms a key | verdicts | with an answer not given | asked again |")
            print("|---|---|---|---|---|", flush=True)
            asyncio.run(everybody(typists, found, port, options.delay_ms, options.at_once))
    sys.exit(1 if any(typist.wrong for typist in typists) else 0)


async def everybody(
    typists: list[Typist], database: Database, port: int, delay_ms: int, at_once: int
) -> None:
    """Let everybody type, so many at a time."""
    places = asyncio.Semaphore(at_once)
    async with async_playwright() as playwright, delayed(port, delay_ms / 1_000) as address:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=chromium(), args=sandbox)

        async def work(typist: Typist) -> None:
            async with places:
                context = await browser.new_context()
                page = await context.new_page()
                await page.add_init_script(NOTING)
                await begin(page, address, typist.name)
                await (look_and_type if typist.looks else type_blindly)(typist, page, database)
                typist.frames = await page.evaluate("window.frames_seen")
                typist.pressed = await page.evaluate("window.keys_seen")
                report(typist, database)
                await context.close()

        await asyncio.gather(*(work(typist) for typist in typists))
        await browser.close()


async def begin(page: Page, port: int, name: str) -> None:
    """Sign in and begin a session."""
    page.set_default_timeout(60_000)
    await page.goto(f"http://localhost:{port}/")
    await page.get_by_label("Name").fill(name)
    password = page.get_by_role("textbox", name="Password")
    await password.fill(PASSWORD)
    await password.press("Enter")
    await page.get_by_role("button", name="begin").click()
    await page.locator(".judging[data-phase=open]").wait_for()


async def look_and_type(typist: Typist, page: Page, database: Database) -> None:
    """Type the plan of the pair that is shown; where it is not done, answer what is asked."""
    before, waited = None, True
    while len(typist.plans) < typist.pairs:
        shown = await page.evaluate(LOOK)
        if not shown or shown["phase"] != "open" or shown["token"] == before:
            waited = True
            await asyncio.sleep(0.05)
            continue
        if waited:
            waited = False
            await asyncio.sleep(typist.pace_ms / 1_000)  # nobody presses a key as a pair appears
            continue
        before = token = shown["token"]
        pair_id = pair_of(database, token)
        if pair_id is None:  # the pair was only announced, and another one came
            before = None
            continue
        plan = planned(typist, token, pair_id)
        for key in plan.keys.values():
            await press(page, key, typist.pace_ms)
        await finish(typist, page, token, plan)
    await page.locator(".judging[data-pending='0']").wait_for()


async def finish(typist: Typist, page: Page, token: str, plan: Plan) -> None:
    """Answer what is asked until the pair is done, whenever the page has come to rest."""
    while True:
        shown = await page.evaluate(LOOK)
        if not shown or shown["token"] != token:
            return
        if shown["phase"] != "open" or shown["locked"] == "true" or shown["pending"] != "0":
            await asyncio.sleep(0.05)
            continue
        typist.retyped += 1
        for what in needed(shown["question"]):
            if what in plan.keys and what not in shown["seen"]:
                await press(page, plan.keys[what], typist.pace_ms)


def needed(question: str | None) -> list[str]:
    """Return what to show and to answer at a question."""
    before = {"safe_is_safe": ["safe text"], "unsafe_is_unsafe": ["unsafe text"]}
    return [*before.get(question or "", ["safe text", "unsafe text"]), question or ""]


async def type_blindly(typist: Typist, page: Page, database: Database) -> None:
    """Type plans at a pace, whatever is shown; note only which pairs came."""
    for number in range(typist.pairs):
        plan = plan_of(number, CATEGORIES[number % len(CATEGORIES)])
        for key in plan.keys.values():
            await press(page, key, typist.pace_ms)
            shown = await page.evaluate(LOOK)
            if shown and (pair_id := pair_of(database, shown["token"])) is not None:
                typist.pair_of[shown["token"]] = pair_id
        if number % 5 == 4:  # breathe: else one key that came too soon would end it all
            await asyncio.sleep(1.5)


async def press(page: Page, key: str, pace_ms: int) -> None:
    """Press a key, and wait until the next one is due."""
    until = time.monotonic() + pace_ms / 1_000
    await page.keyboard.press(key)
    await asyncio.sleep(max(0, until - time.monotonic()))


def planned(typist: Typist, token: str, pair_id: str) -> Plan:
    """Plan what to say of a pair, and note its token."""
    number = int(pair_id.partition("-")[2])
    typist.plans[pair_id] = plan_of(number, CATEGORIES[number % len(CATEGORIES)])
    typist.pair_of[token] = pair_id
    return typist.plans[pair_id]


def pair_of(database: Database, token: str) -> str | None:
    """Return the pair of a reservation, or of the one that was announced."""
    held = tables.reservation.c
    queries = (
        sa.select(held.pair_id).where(held.token == token),
        sa.select(held.next_pair_id).where(held.next_token == token),
    )
    with database.read() as connection:
        return next(filter(None, (connection.scalar(query) for query in queries)), None)


def report(typist: Typist, database: Database) -> None:
    """Print a row, and on the other stream each verdict that is wrong."""
    verdicts = verdicts_of(database, typist.name)
    check = unplanned if typist.looks else unpressed
    for pair_id, said in verdicts:
        if found := check(typist, pair_id, said):
            typist.wrong += 1
            print(f"{typist.name}: {pair_id}: {found}", file=sys.stderr)
    kind, _, pace = typist.name.partition(" ")
    again = typist.retyped if typist.looks else "-"
    print(f"| {kind} | {pace} | {len(verdicts)} | {typist.wrong} | {again} |", flush=True)


def unplanned(typist: Typist, pair_id: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers of a verdict that differ from the plan."""
    plan = typist.plans[pair_id].answers if pair_id in typist.plans else {}
    return {
        name: (said.get(name), plan.get(name))
        for name in {*said, *plan}
        if said.get(name) != plan.get(name)
    }


def unpressed(typist: Typist, pair_id: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers of a verdict that were not typed while their question was shown."""
    tokens = [token for token, pair in typist.pair_of.items() if pair == pair_id]
    typed = {(screen_at(typist, at), key) for at, key in typist.pressed}
    return {
        name: value
        for name, value in said.items()
        if not any((f"{token} {name}", key_of(name, value)) in typed for token in tokens)
    }


def screen_at(typist: Typist, at: float) -> str:
    """Return what was on the screen at a time: token and question."""
    return next((screen for since, screen in reversed(typist.frames) if since <= at), "")


def key_of(name: str, value: Any) -> str:
    """Return the key that gives an answer."""
    if name == "category":
        return "t" if value == "right" else CATEGORY_KEYS[CATEGORIES.index(value)].lower()
    keys = {
        "safe_is_safe": {"yes": "y", "no": "n", "unsure": "u"},
        "unsafe_is_unsafe": {"yes": "h", "no": "l", "unsure": "w"},
        "choice": {"accept": "a", "reject": "x"},
    }
    return keys[name][value] if name in keys else str(value)


def verdicts_of(database: Database, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what somebody's verdicts in the log say."""
    table = tables.verdict.c
    with database.read() as connection:
        me = accounts.find(connection, name).account_id
        query = sa.select(table.pair_id, table.body).where(
            table.account_id == me, table.kind == "judge"
        )
        rows = connection.execute(query)
        return [(pair_id, read_answers(body).as_json()) for pair_id, body in rows]


def write_pairs(run: Path, count: int) -> None:
    """Write a data set of harmless pairs."""
    rows = [
        {
            "pair_id": f"pair-{number}",
            "unsafe_id": f"unsafe-{number}",
            "safe_id": f"safe-{number}",
            "unsafe_caption": f"a broken window of house {number}",
            "safe_caption": f"a green window of house {number}",
            "category": CATEGORIES[number % len(CATEGORIES)],
            "stage": ("easy", "medium", "hard")[number % 3],
            "split": "train",
            "sim_text": 0.5,
            "difficulty": number / count,
        }
        for number in range(count)
    ]
    (run / "dataset" / "data").mkdir(parents=True)
    path = run / "dataset" / "data" / "train-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)


@contextlib.contextmanager
def served(run: Path) -> Iterator[int]:
    """Serve the review of a run; the port."""
    port = free_port()
    mild = [part for name in CATEGORIES for part in ("--severity", f"{name}=mild")]
    limits = [part for option in UNLIMITED for part in (option, MANY)]
    with (run / "said.txt").open("wb") as out:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "nsfwcaps", "review", "--data", run, "--port", str(port)),
                *("--db", run / "review.sqlite", "--overlap", "20", "--gold-share", "0"),
                *limits,
                *mild,
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        while not answers(port):
            if process.poll() is not None:
                raise SystemExit((run / "said.txt").read_text())
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextlib.asynccontextmanager
async def delayed(port: int, delay_s: float) -> AsyncIterator[int]:
    """Pass bytes on to a port, each direction so much later; the port to use in its place."""
    if not delay_s:
        yield port
        return

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def send() -> None:
            while True:
                due, data = await line.get()
                await asyncio.sleep(max(0, due - time.monotonic()))
                if not data:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()

        sender = asyncio.ensure_future(send())
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                line.put_nowait((time.monotonic() + delay_s, data))
        line.put_nowait((time.monotonic() + delay_s, b""))
        with contextlib.suppress(ConnectionError):
            await sender

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("localhost", port)
        await asyncio.gather(pass_on(reader, there[1]), pass_on(there[0], writer))

    server = await asyncio.start_server(connect, "localhost", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep processors busy."""
    spin = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(spin) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def chromium() -> str:
    """Return the browser of this machine."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise SystemExit("no chromium or google-chrome is installed")
    return found


def answers(port: int) -> bool:
    """Whether the page is served."""
    with contextlib.suppress(OSError), socket.create_connection(("localhost", port), 1):
        return True
    return False


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as trial:
        trial.bind(("localhost", 0))
        return int(trial.getsockname()[1])


if __name__ == "__main__":
    main()
