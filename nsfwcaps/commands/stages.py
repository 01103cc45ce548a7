"""`nsfwcaps world|ingest|embed|mine|grade|publish`: each stage alone."""

from __future__ import annotations

from collections.abc import Callable

import typer

from nsfwcaps import config
from nsfwcaps.commands import execution
from nsfwcaps.commands.options import DryRun, Json, Quiet, Workdir, with_settings
from nsfwcaps.stage import Stage, Values
from nsfwcaps.stages import STAGES


def register(app: typer.Typer) -> None:
    """Add one command a stage."""
    for stage in STAGES:
        if stage.has_own_command:
            continue
        app.command(stage.name, help=stage.help, rich_help_panel="Stages")(_command(stage))


def _command(stage: Stage) -> Callable[..., None]:
    @with_settings([stage])
    def run(
        workdir: Workdir,
        given: Values,
        as_json: Json = False,
        quiet: Quiet = False,
        dry_run: DryRun = False,
    ) -> None:
        recipe = {stage.name: config.parse(stage.settings, given[stage.name], where=stage.name)}
        execution.execute(recipe, workdir, as_json=as_json, quiet=quiet, dry_run=dry_run)

    return run
