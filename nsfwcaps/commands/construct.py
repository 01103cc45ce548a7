"""`nsfwcaps construct`: from safe captions to a data set of constructed pairs in one command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nsfwcaps import recipes
from nsfwcaps.commands import execution
from nsfwcaps.commands.options import DryRun, Json, Overwrite, Quiet, with_settings
from nsfwcaps.commands.places import on_store
from nsfwcaps.config import field_names
from nsfwcaps.errors import ConfigError
from nsfwcaps.stage import Values
from nsfwcaps.stages import BUILD, STAGE
from nsfwcaps.stages.illustrate import ILLUSTRATED
from nsfwcaps.stages.illustrate.settings import IllustrateSettings
from nsfwcaps.stores.session import Use

# Ingest and mine take their input from construct, so their options are not offered.
_STAGES = (
    *(STAGE["construct"], STAGE["illustrate"]),
    *(stage for stage in BUILD if stage.name not in ("ingest", "mine")),
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("construct")(construct)


@with_settings([*_STAGES, execution.EXECUTION])
@on_store(out=Use.WRITE)
def construct(
    out: Annotated[
        Path, typer.Option("--out", "-o", "--workdir", "-w", help="Folder of the run; may exist.")
    ],
    given: Values,
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
) -> None:
    """Edit safe captions into unsafe ones and publish the pairs as a data set.

    Give --pool once or more, and --painter for images. Rerun the same command to resume.
    """
    given = dict(given)
    sharing = given.pop("execution")
    unsafe = ILLUSTRATED
    if "painter" not in given["illustrate"]:
        _check_unpainted(given.pop("illustrate"), given)
        unsafe = "run:pools/unsafe"
    pools = {"safe": "run:pools/safe", "unsafe": unsafe}
    values = {**given, "ingest": pools, "mine": {"pairing": "partner"}}
    execution.execute(
        recipes.parse(values, where="construct"),
        out,
        as_json=as_json,
        quiet=quiet,
        dry_run=dry_run,
        overwrite=overwrite,
        sharing=sharing,
    )


def _check_unpainted(illustrate: Mapping[str, Any], given: Values) -> None:
    """Reject image options if no images are drawn.

    Raises:
        ConfigError: an image option is given without `--painter`.
    """
    others = {name for values in given.values() for name in values} | {"painter"}
    lost = [name for name in field_names(IllustrateSettings) if name in {*illustrate} - others]
    if lost:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in lost)
        raise ConfigError(f"construct: {flags} requires --painter; add it to draw images")
