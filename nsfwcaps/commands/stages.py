"""`nsfwcaps world|ingest|embed|mine|grade|publish`: run a single stage."""

from __future__ import annotations

from collections.abc import Callable

import typer

from nsfwcaps import config
from nsfwcaps.commands import execution
from nsfwcaps.commands.options import DryRun, Json, Overwrite, Quiet, Workdir, with_settings
from nsfwcaps.commands.places import on_store
from nsfwcaps.stage import Stage, Values
from nsfwcaps.stages import STAGE
from nsfwcaps.stores.session import Use


def register(app: typer.Typer, name: str, panel: str) -> None:
    """Add the command of a stage; `panel` is where the root help lists it."""
    if name == "publish":
        from nsfwcaps.commands import publish  # it pushes too

        publish.register(app, name, panel)
        return
    stage = STAGE[name]
    app.command(name, help=stage.help, rich_help_panel=panel)(_command(stage))


def _command(stage: Stage) -> Callable[..., None]:
    @with_settings([stage, execution.EXECUTION] if stage.shares else [stage])
    @on_store(workdir=Use.WRITE)
    def run(
        workdir: Workdir,
        given: Values,
        as_json: Json = False,
        quiet: Quiet = False,
        dry_run: DryRun = False,
        overwrite: Overwrite = False,
    ) -> None:
        recipe = {stage.name: config.parse(stage.settings, given[stage.name], where=stage.name)}
        execution.execute(
            recipe,
            workdir,
            as_json=as_json,
            quiet=quiet,
            dry_run=dry_run,
            overwrite=overwrite,
            sharing=given.get("execution"),
        )

    return run
