"""`nsfwcaps review status, verify, export, gold`: what a review decided, without its page."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsfwcaps import progress as progressing
from nsfwcaps.commands.options import Json, Quiet
from nsfwcaps.commands.review.accounts import Db
from nsfwcaps.errors import ArtifactError, ConfigError, ReviewError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from nsfwcaps.review.database import Database

_SHOWN = 20

Data = Annotated[Path, typer.Option("--data", help="The run's folder, or the data set's.")]


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("status")(status)
    group.command("verify")(verify)
    group.command("export")(export)
    group.command("gold")(gold)


def data_set(data: Path) -> Path:
    """The folder of the data set that a run has, or is.

    Raises:
        ArtifactError: there is none.
    """
    folder = data / "dataset" if (data / "dataset").is_dir() else data
    if not (folder / "data").is_dir():
        raise ArtifactError(
            f"{data}: holds no published data set; 'nsfwcaps build --out {data} …' makes one"
        )
    return folder


def status(db: Db, as_json: Json = False) -> None:
    """Say how far the review is."""
    from nsfwcaps.review.results import progress

    with _opened(db, read_only=True) as database, database.read() as connection:
        found = progress.progress(connection)
    if as_json:
        typer.echo(json.dumps(_plain(dataclasses.asdict(found)), indent=1))
        return
    states = found.whole.states
    typer.echo(f"{found.whole.pairs} pairs: {_counts(states) or 'none judged'}")
    for group in found.by_stage:
        typer.echo(f"  {group.name}: {group.pairs} pairs, {_counts(group.states)}")
    for person in found.people:
        typer.echo(
            f"  {person.account_id}: {person.verdicts} verdicts, {_counts(person.by_choice)}"
        )


def verify(
    db: Db,
    noted: Annotated[
        str | None,
        typer.Option(
            "--noted",
            metavar="NUMBER:HASH",
            help="A row of the log as it was noted (every export has one): finds a log rewritten.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look whether a row of the log was changed, taken out or put in."""
    from nsfwcaps.review.log import verdicts

    row = None if noted is None else _noted(noted)
    with _opened(db, read_only=True) as database, database.read() as connection:
        faults = verdicts.verify(connection, row)
        seq, last = verdicts.head_of(connection)
        name = database.name
    if as_json:
        typer.echo(json.dumps({"rows": seq, "hash": last, "faults": faults}, indent=1))
    elif not faults:
        typer.echo(f"{seq} rows, each as it was written. To note: {seq}:{last}")
    if faults:
        shown = "".join(f"\n  {fault}" for fault in faults[:_SHOWN])
        more = f"\n  and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise ReviewError(f"{name}: the log is not as it was written{shown}{more}")


def export(
    db: Db,
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the log and what became of each pair; also for Label Studio and Argilla."""
    from nsfwcaps.review.export import export as exporting
    from nsfwcaps.review.pairs import ReviewPairs

    pairs = ReviewPairs(data_set(data))
    shown = progressing.for_terminal(quiet=quiet or as_json)
    opened = _opened(db, read_only=True)
    with opened as database, shown.task("export", None, unit="parts") as advance:
        made = exporting.export(database, pairs, out, done=lambda _: advance(1))
    seq, last = made.head
    if as_json:
        values = {"out": str(out), "pairs": dict(made.counts), "rows": seq, "hash": last}
        typer.echo(json.dumps(values, indent=1))
        return
    typer.echo(f"pairs: {_counts(made.counts)}; with captions for other tools: {made.judged}")
    typer.echo(f"{out}: 'nsfwcaps publish --verdicts {out} …' joins it with the data set")
    typer.echo(f"The end of the log, to note: {seq}:{last}")


def gold(
    file: Annotated[str, typer.Argument(help="Table with pair_id, choice, and more answers.")],
    db: Db,
    lead: Annotated[
        str | None,
        typer.Option("--lead", help="Who says so. Default: the only lead there is."),
    ] = None,
) -> None:
    """Put known answers into the queue: everybody gets some of these pairs, at random places."""
    from nsfwcaps.review.queue import gold as known

    rows = known.read_gold(file)
    with _opened(db) as database, database.write() as connection:
        changed = known.set_gold(connection, _lead(connection, lead), rows, time.time())
    typer.echo(f"{len(rows)} known answers, {changed} of them new or changed")


def _lead(connection: sa.Connection, name: str | None) -> str:
    """Account of the lead who is named, or of the only one."""
    from nsfwcaps.review.people import accounts

    if name is not None:
        return accounts.find(connection, name).account_id
    leads = [
        account.account_id
        for account in accounts.everyone(connection)
        if account.role is accounts.Role.LEAD and not account.disabled
    ]
    if len(leads) != 1:
        raise ConfigError(f"the review has {len(leads)} leads; say who with --lead NAME")
    return leads[0]


@contextlib.contextmanager
def _opened(name: str, *, read_only: bool = False) -> Iterator[Database]:
    from nsfwcaps.review.database import Database

    database = Database(name, read_only=read_only)
    try:
        yield database
    finally:
        database.close()


def _plain(value: Any) -> Any:
    """Values that JSON has: a share of none is null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _counts(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _noted(text: str) -> tuple[int, str]:
    number, colon, value = text.partition(":")
    if not colon or not number.isdigit() or len(value) != 64:
        raise ConfigError("--noted: write NUMBER:HASH, as an export or 'verify' gave it")
    return int(number), value.lower()
