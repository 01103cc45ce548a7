"""Options made from a settings class of a command that is no stage."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from annotated_types import Ge
from typer.testing import CliRunner

from nsfwcaps import config
from nsfwcaps.commands.options import REQUIRED, OwnSettings, option, with_settings
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.errors import ConfigError
from nsfwcaps.stage import Values
from nsfwcaps.stages.embed.settings import EmbedSettings


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A visit to a museum."""

    rooms: Annotated[int, Ge(1)] = option(3, "Rooms to see.", panel="Time")
    guests: tuple[str, ...] = option(REQUIRED, "Who comes along.", metavar="NAME", short="-g")
    ticket: Path = option(REQUIRED, "File of the ticket.")
    quiet: bool = option(False, "Whisper.")
    days: str | None = config.setting(None, "Days to come.", joined="+")


OWN = OwnSettings("visit", Visit)
app = typer.Typer(add_completion=False)


@app.command("visit")
@with_settings([OWN])
def visit(first: Annotated[str, typer.Option()], given: Values, last: int = 1) -> None:
    """Visit a museum."""
    settings = config.parse(Visit, given[OWN.name], where="visit")
    typer.echo(json.dumps({**config.as_dict(settings), "ticket": settings.ticket.name}))


def run(*arguments: str) -> str:
    return CliRunner().invoke(app, [*arguments], catch_exceptions=False).output


def test_options_come_where_the_command_takes_them_and_required_ones_first() -> None:
    names = [item.name for item in typer.main.get_command(app).params]
    assert names == ["first", "guests", "ticket", "rooms", "quiet", "days", "last"]


def test_what_was_given_becomes_settings() -> None:
    said = run("--first", "a", "--guests", "Ada", "-g", "Bo", "--ticket", "b/t.pdf", "--quiet")
    assert json.loads(said) == {
        "rooms": 3, "guests": ["Ada", "Bo"], "ticket": "t.pdf", "quiet": True, "days": None,
    }  # fmt: skip


def test_a_list_in_one_text_adds_up_where_it_is_repeated() -> None:
    needed = ("--first", "a", "--guests", "Ada", "--ticket", "t.pdf")
    for given in (("--days", "mon+tue", "--days", "fri"), ("--days", "mon+tue+fri")):
        assert json.loads(run(*needed, *given))["days"] == "mon+tue+fri"


def test_a_required_option_is_asked_for() -> None:
    said = CliRunner().invoke(app, ["--first", "a", "-g", "Ada"])
    assert said.exit_code == 2
    assert "--ticket" in said.output


def test_a_value_out_of_its_range_is_named() -> None:
    with pytest.raises(ConfigError, match=r"visit\.rooms: must be greater than or equal to 1"):
        run("--first", "a", "-g", "Ada", "--ticket", "t", "--rooms", "0")


def test_help_has_names_metavars_panels_and_defaults() -> None:
    said = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100", "NO_COLOR": "1"}).output
    lines = [" ".join(line.strip("│*╭╮ ─").split()) for line in said.splitlines()]
    assert "--guests -g NAME Who comes along. [required]" in lines
    assert "--rooms <int> Rooms to see. [default: 3]" in lines
    assert lines.index("Time") < lines.index("--rooms <int> Rooms to see. [default: 3]")


def test_encoders_work_the_same_for_every_command() -> None:
    assert EncoderOptions.of(EmbedSettings()) == EncoderOptions()
