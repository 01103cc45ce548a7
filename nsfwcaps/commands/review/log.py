"""`nsfwcaps review status|verify|export|gold|reopen`: work with a review without its page."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsfwcaps import progress as progressing
from nsfwcaps.commands import next_steps
from nsfwcaps.commands.options import Json, Quiet
from nsfwcaps.commands.places import on_store
from nsfwcaps.commands.review.accounts import Db
from nsfwcaps.errors import ArtifactError, ConfigError
from nsfwcaps.stores.session import Use

if TYPE_CHECKING:
    import sqlalchemy as sa

    from nsfwcaps.review.database import Database

MIGRATED = (
    "{}: brought up to date; nothing is lost. Earlier versions of nsfwcaps can no longer open it: "
    "restart a server of theirs that has it open"
)

Data = Annotated[Path, typer.Option("--data", help="Folder of the run or of the data set.")]


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("status")(status)
    group.command("export")(export)
    group.command("gold")(gold)
    group.command("reopen")(reopen)


def data_set(data: Path) -> Path:
    """Folder of the data set, given that folder or the run's.

    Raises:
        ArtifactError: it holds no published data set.
    """
    folder = data / "dataset" if (data / "dataset").is_dir() else data
    if not (folder / "data").is_dir():
        raise ArtifactError(
            f"{data}: no published data set here; make one with "
            f"'nsfwcaps build --out {shlex.quote(str(data))} …'"
        )
    return folder


def status(db: Db, as_json: Json = False) -> None:
    """Show the progress of the review."""
    from nsfwcaps.review.results import agreement, progress

    with opened(db, read_only=True) as database, database.read() as connection:
        found = progress.progress(connection)
        agreed = agreement.as_json(agreement.agree(connection))
    if as_json:
        values = {**_plain(dataclasses.asdict(found)), "agreement": agreed}
        typer.echo(json.dumps(values, indent=1))
        return
    states = found.whole.states
    typer.echo(f"{found.whole.pairs} pairs: {_counts(states) or 'none judged'}")
    for group in found.by_stage:
        typer.echo(f"  {group.name}: {group.pairs} pairs, {_counts(group.states)}")
    for person in found.people:
        typer.echo(
            f"  {person.account_id}: {person.verdicts} verdicts, {_counts(person.by_choice)}"
        )
    typer.echo(_agreement_line(agreed["choice"]["coefficients"]))


@on_store(data=Use.READ, out=Use.WRITE)
def export(
    db: Db,
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Output folder.")],
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Export the log and the outcome of each pair, also for Label Studio and Argilla."""
    from nsfwcaps.review.export import export as exporting
    from nsfwcaps.review.pairs import ReviewPairs

    pairs = ReviewPairs(data_set(data))
    shown = progressing.for_terminal(quiet=quiet or as_json)
    reading = opened(db, read_only=True)
    with reading as database, shown.task("export", None, unit="parts") as advance:
        made = exporting.export(database, pairs, out, done=lambda _: advance(1))
    seq, last = made.head
    if as_json:
        counts = {"pairs": dict(made.counts), "rows": seq, "hash": last}
        values = {"out": str(out), **counts, "notes": made.notes}
        typer.echo(json.dumps(values, indent=1))
        return
    typer.echo(f"pairs: {_counts(made.counts)}; with captions for other tools: {made.judged}")
    for note in made.notes:
        typer.echo(note)
    applied = next_steps.lines([(("publish", "--verdicts", out, "--out", "RUN"), "apply it")])
    typer.echo(f"Exported to {out}\n{applied}")
    typer.echo(f"End of the log, keep for --noted: {seq}:{last}")


def gold(
    file: Annotated[str, typer.Argument(help="Table with pair_id, choice and optional answers.")],
    db: Db,
    lead: Annotated[
        str | None,
        typer.Option("--lead", help="Lead who provides the answers. Default: the only lead."),
    ] = None,
) -> None:
    """Add gold pairs to the queue; every reviewer gets some of them at random positions."""
    from nsfwcaps.review.queue import gold as known

    rows = known.read_gold(file)
    with opened(db) as database, database.write() as connection:
        changed = known.set_gold(connection, lead_of(connection, lead), rows, time.time())
    typer.echo(f"{len(rows)} known answers, {changed} new or changed")


def reopen(
    pairs: Annotated[list[str], typer.Argument(metavar="PAIR...", help="Ids of the pairs.")],
    db: Db,
    lead: Annotated[
        str | None,
        typer.Option("--lead", help="Lead who opens them. Default: the only lead."),
    ] = None,
) -> None:
    """Make pairs a dispute again: settled, set aside or agreed ones."""
    from nsfwcaps.review.log import reopening, verdicts

    told, own = [], []
    with opened(db) as database, database.write() as connection:
        by = lead_of(connection, lead)
        for pair_id in dict.fromkeys(pairs):
            row = reopening.open_again(connection, by, pair_id, time.time())
            before = "no decision of a lead" if row is None else f"row {row.seq} ({row.kind})"
            told.append(f"{pair_id}: a dispute again; before: {before}")
            if verdicts.verdict_of(connection, by, pair_id) is not None:
                own.append(pair_id)
    for line in told:
        typer.echo(line)
    typer.echo("Settle it on the page Disputes, then publish again.")
    if own:
        typer.echo(f"You judged {', '.join(own)} yourself: another lead has to settle it.")


def lead_of(connection: sa.Connection, name: str | None) -> str:
    """Return the account of the named lead, or of the only one."""
    from nsfwcaps.review.people import accounts

    if name is not None:
        return accounts.find(connection, name).account_id
    leads = [
        account.account_id
        for account in accounts.everyone(connection)
        if account.role is accounts.Role.LEAD and not account.disabled
    ]
    if len(leads) != 1:
        raise ConfigError(f"the review has {len(leads)} leads; choose one with --lead NAME")
    return leads[0]


@contextlib.contextmanager
def opened(name: str, *, read_only: bool = False) -> Iterator[Database]:
    """Open a review's database, and close it at the end."""
    from nsfwcaps.review.database import Database

    database = Database(name, read_only=read_only)
    if database.migrated:
        typer.echo(MIGRATED.format(database.name), err=True)
    try:
        yield database
    finally:
        database.close()


def _agreement_line(choice: Mapping[str, Any]) -> str:
    """Say how far annotators agree on the choice."""
    names = {"raw_agreement": "raw", "krippendorff_alpha": "alpha", "gwet_ac1": "AC1"}
    values = [
        f"{short} {choice[name]['value']:.2f}"
        for name, short in names.items()
        if choice[name]["value"] is not None
    ]
    if not values:
        return "agreement: no pair has two verdicts yet"
    return (
        f"agreement on the choice: {', '.join(values)} ({choice['raw_agreement']['items']} pairs)"
    )


def _plain(value: Any) -> Any:
    """Values for JSON; NaN (a share of nothing) becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _counts(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)
