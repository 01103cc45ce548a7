"""`nsfwcaps publish`: run the stage, and with `--push` send its data set to the Hub."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsfwcaps import config
from nsfwcaps.artifacts import StageFolder
from nsfwcaps.commands import execution
from nsfwcaps.commands.options import DryRun, Json, Overwrite, Quiet, Workdir, with_settings
from nsfwcaps.commands.places import on_store
from nsfwcaps.errors import ConfigError
from nsfwcaps.executors import driver_lock
from nsfwcaps.runtime import processes
from nsfwcaps.stage import Values
from nsfwcaps.stages import STAGE
from nsfwcaps.stores.session import Use

if TYPE_CHECKING:
    from nsfwcaps.hub.contents import Contents
    from nsfwcaps.hub.push import Pushed

_PUBLISH = STAGE["publish"]

Push = Annotated[
    str | None,
    typer.Option(
        "--push",
        metavar="ORG/NAME",
        help="Then send the data set to the Hub, private and gated. Without other options, as "
        "it is. --dry-run lists its files.",
        rich_help_panel="push",
    ),
]
Public = Annotated[
    bool,
    typer.Option(
        "--public",
        help="Let everybody find it there; a new one is not gated either.",
        rich_help_panel="push",
    ),
]


def register(app: typer.Typer, name: str, panel: str) -> None:
    """Add the command; `panel` is where the root help lists it."""
    app.command(name, help=_PUBLISH.help, rich_help_panel=panel)(publish)


@with_settings([_PUBLISH])
@on_store(workdir=Use.WRITE)
def publish(
    workdir: Workdir,
    given: Values,
    push: Push = None,
    public: Public = False,
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
) -> None:
    """Run the stage publish, and push its data set."""
    values: Mapping[str, Any] = given["publish"]
    if push is not None and not values:
        values = _recorded(workdir)
    recipe = {"publish": config.parse(_PUBLISH.settings, values, where="publish")}
    _check(push, public=public, dry_run=dry_run)

    def pushed() -> tuple[Mapping[str, Any], str]:
        return ({}, "") if push is None else _push(workdir, push, public, quiet or as_json)

    def planned() -> tuple[Mapping[str, Any], str]:
        return ({}, "") if push is None else _planned(workdir, push, public)

    execution.execute(
        recipe,
        workdir,
        as_json=as_json,
        quiet=quiet,
        dry_run=dry_run,
        overwrite=overwrite,
        summary=pushed,
        planned=planned,
    )


def _recorded(workdir: Path) -> Mapping[str, Any]:
    """Return the settings of the data set that is there: `--push` alone sends it as it is."""
    record = StageFolder(workdir / "publish").record()
    names = config.field_names(_PUBLISH.settings)
    return {} if record is None else {k: v for k, v in record.settings.items() if k in names}


def _check(push: str | None, *, public: bool, dry_run: bool) -> None:
    """Fail before the stage runs where the push would fail."""
    if push is None:
        if public:
            raise ConfigError("--public says who may see what --push sends; add --push ORG/NAME")
        return
    from nsfwcaps.hub import names
    from nsfwcaps.hub import push as hub

    if dry_run:
        names.check_name(push)
    elif processes.launched().first:
        hub.check(push)


def _push(workdir: Path, name: str, public: bool, quiet: bool) -> tuple[Mapping[str, Any], str]:
    from nsfwcaps import progress
    from nsfwcaps.hub import push as hub
    from nsfwcaps.hub.contents import contents

    with driver_lock.locked(workdir):  # no other command may replace a file while it is sent
        found = contents(workdir / "dataset")
        done = hub.push(found, name, public=public, progress=progress.for_terminal(quiet=quiet))
    return {"push": dataclasses.asdict(done)}, "\n".join(_lines(done))


def _lines(done: Pushed) -> list[str]:
    seen = "private" if done.private else "public"
    gate = "you decide on each request for access" if done.gated else "not gated"
    sent = "all there already"
    if done.sent_files:
        sent = f"{done.sent_files:,} new or changed, {done.sent_bytes:,} bytes"
    lines = [
        f"Pushed to {done.url}",
        f"  {done.files:,} files, {done.bytes:,} bytes: {sent}; {seen}, {gate}",
    ]
    if done.removed:
        lines.append(f"  removed there: {_some(done.removed)}")
    if done.left_out:
        lines.append(f"  not part of the data set, not sent: {_some(done.left_out)}")
    return lines


def _some(names: Any) -> str:
    names = [*names]
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _planned(workdir: Path, name: str, public: bool) -> tuple[Mapping[str, Any], str]:
    """List what a push would send of the data set that is there now."""
    from nsfwcaps.hub.contents import contents

    folder = workdir / "dataset"
    if not folder.is_dir():
        return {"push": None}, f"push     to {name}: no data set is there yet, so no file is known"
    found = contents(folder)
    facts = {
        "name": name,
        "public": public,
        "files": dict(found.bytes_of),
        "bytes": found.bytes,
        "left_out": dict(found.left_out),
    }
    return {"push": facts}, "\n".join(_listing(found, name, public))


def _listing(found: Contents, name: str, public: bool) -> list[str]:
    seen = "public" if public else "private and gated"
    wide = max(map(len, found.bytes_of))
    return [
        f"push     to {name}, {seen}: {len(found.bytes_of):,} files, {found.bytes:,} bytes, as "
        "they are there now",
        *(f"         {each:<{wide}} {size:>15,}" for each, size in found.bytes_of.items()),
        *(f"         not sent: {each} ({why})" for each, why in found.left_out.items()),
    ]
