"""`nsfwcaps review verify|restored`: whether a review is whole, and as it was noted elsewhere."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsfwcaps.commands.options import Json
from nsfwcaps.commands.review.accounts import Db
from nsfwcaps.commands.review.log import lead_of, opened
from nsfwcaps.errors import ConfigError, ReviewError

if TYPE_CHECKING:
    from nsfwcaps.review.chain.noted import NotedHead

_SHOWN = 20


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("verify")(verify)
    group.command("restored")(restored)


def verify(
    db: Db,
    noted: Annotated[
        str | None,
        typer.Option(
            "--noted",
            metavar="NUMBER:HASH|FOLDER",
            help="Row that an earlier export or verify printed, or the folder of an export, a run "
            "or a data set that notes one; detects an older copy and a rewritten log.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that log, verdicts, roles, policy and queue were not changed from outside."""
    from nsfwcaps.review.log import verdicts, verifying

    row = None if noted is None else _noted(noted)
    with opened(db, read_only=True) as database, database.read() as connection:
        faults = verdicts.verify(connection)
        lacking = None if row is None else verifying.lacks(connection, row)
        seq, last = verdicts.head_of(connection)
        covered = verifying.covered_from(connection)
        lost = verifying.restored(connection)
        name = database.name
    faults += [lacking] if lacking else []
    if as_json:
        values: dict[str, Any] = {"rows": seq, "hash": last, "faults": faults}
        values["covered_from"] = covered
        values["restored"] = [
            {"row": at, "lost": {"rows": head.rows, "hash": head.hash}} for at, head in lost
        ]
        typer.echo(json.dumps(values, indent=1))
    elif not faults:
        for at, head in lost:
            typer.echo(
                f"Row {at}: a backup was restored; row {head.rows} as noted before is lost "
                f"({head.rows}:{head.hash})"
            )
        # Reviews begun by version 1 did not log them.
        since = "" if covered == 1 else f"; roles, policy and queue from row {covered} on"
        typer.echo(f"{seq} rows verified{since}. Keep for --noted: {seq}:{last}")
    if faults:
        what = "the log was tampered with or damaged"
        if faults == [lacking]:
            what = "not as noted"
        shown = "".join(f"\n  {fault}" for fault in faults[:_SHOWN])
        more = f"\n  and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise ReviewError(f"{name}: {what}{shown}{more}")


def restored(
    db: Db,
    noted: Annotated[
        str,
        typer.Option(
            "--noted",
            metavar="NUMBER:HASH|FOLDER",
            help="The noted row that the restored backup lacks, or a folder that notes it.",
        ),
    ],
    lead: Annotated[
        str | None,
        typer.Option("--lead", help="Lead who restored the backup. Default: the only lead."),
    ] = None,
) -> None:
    """Go on with a restored backup: log that a noted row is lost for good."""
    from nsfwcaps.review.log import verdicts, verifying

    row = _noted(noted)
    with opened(db) as database, database.write() as connection:
        who = lead_of(connection, lead)
        faults = verdicts.verify(connection)
        if faults:
            raise ReviewError(f"{database.name}: {faults[0]}; restore another backup")
        other = verdicts.head_of(connection)[0] >= row.rows
        seq = verifying.excuse(connection, who, row, time.time())
        head = verdicts.head_of(connection)
    if other:
        typer.echo(
            f"row {row.rows} is in this log with another hash: verdicts were given after the "
            "backup was restored, or the noted hash or the log is not the one meant",
            err=True,
        )
    typer.echo(
        f"Row {seq} says that row {row.rows} as noted was lost. Verdicts after the backup have to "
        f"be given again. Keep for --noted: {head[0]}:{head[1]}"
    )


def _noted(text: str) -> NotedHead:
    from nsfwcaps.review.chain import noted

    folder = Path(text)
    if folder.is_dir():
        found = (
            noted.of_export(folder)
            or noted.of_data_set(folder)
            or noted.of_data_set(folder / "dataset")
        )
        if found is None:
            raise ConfigError(
                f"--noted: {text} notes no row of a review; expected an export, or a data set "
                "published with --verdicts"
            )
        return found
    number, _, value = text.partition(":")
    # A row's number fits 64 bits; `isdigit` would accept superscripts.
    if not re.fullmatch(r"[0-9]{1,18}", number) or not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise ConfigError(
            "--noted: expected NUMBER:HASH, as printed by 'nsfwcaps review export' or 'verify', or "
            "the folder of an export or of a data set"
        )
    return noted.NotedHead(rows=int(number), hash=value.lower())
