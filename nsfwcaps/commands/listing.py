"""The table of commands, and a group that imports a command only when it is used.

`nsfwcaps --help` shows one line per command. It parses the docstrings from the source, because
importing every command with all its options takes several times as long.
"""

from __future__ import annotations

import ast
import copy
import functools
import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_PACKAGE = Path(__file__).parents[1]

COMMANDS = {
    "build": "commands.build:build",
    "inspect": "commands.inspect:inspect",
    "construct": "commands.construct:construct",
    "run": "commands.run:run",
    "demo": "commands.demo:demo",
    "eval": "commands.evaluate:evaluate",
    "export": "commands.export:export_run",
    "export-data": "commands.export_data:export_data",
    "card": "commands.card:card",
    "report": "commands.report:report",
    "validate": "commands.validate:validate",
    "status": "commands.status:status",
    "show": "commands.show:show",
    "rejects": "commands.rejects:rejects",
    "doctor": "commands.doctor:doctor",
    "review": "commands.review.start:review",
    "generate": "commands.generate:generate",
}
"""The module that registers each command, and the function whose docstring is its help."""

PANEL = "Stages"


class CommandGroup(TyperGroup):
    """The root group. It imports a command on first use, and none for its own help."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        commands: Any = _Commands()
        self.commands = commands

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line; with `--json`, print one JSON document whatever happens."""
        given = args[0] if args else options.get("args")
        if not _wants_json(sys.argv[1:] if given is None else [*given]):
            return super().main(*args, **options)
        from nsfwcaps.commands import documents

        quiet = {**options, "standalone_mode": False}
        return documents.run(lambda: TyperGroup.main(self, *args, **quiet))

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the help."""
        return list(self.commands)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `help COMMAND` as `COMMAND --help`."""
        if args[:1] == ["help"]:
            args = [*(word for word in args[1:] if word != "help"), "--help"]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the help with the first lines of the commands."""
        shown = copy.copy(self)
        shown.commands = _first_lines()
        TyperGroup.format_help(shown, ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete the name of a command without importing any."""
        lazy = self.commands
        word = TyperCommand("help", help="Show the help of a command.")
        self.commands = {**_first_lines(), "help": word}
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self.commands = lazy


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON: not after `--`, nor for help instead."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in own and "--help" not in own


class _Commands(Mapping[str, Any]):
    """The commands by name, each built when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        app = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False)
        if name in COMMANDS:
            module, _, _ = COMMANDS[name].partition(":")
            importlib.import_module(f"nsfwcaps.{module}").register(app)
        elif name in stages():
            from nsfwcaps.commands import stages as single

            single.register(app, name, PANEL)
        else:
            raise KeyError(name)
        return typer.main.get_group(app).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*COMMANDS, *stages()))

    def __len__(self) -> int:
        return len(COMMANDS) + len(stages())


def _first_lines() -> Any:
    """Commands with the first lines of their help, and nothing else."""
    return {
        **{name: TyperCommand(name, help=docstring(place)) for name, place in COMMANDS.items()},
        **{
            name: TyperCommand(name, help=docstring(place).splitlines()[0], rich_help_panel=PANEL)
            for name, place in stages().items()
        },
    }


@functools.cache
def stages() -> dict[str, str]:
    """Settings class of each stage without an entry in `COMMANDS`, in pipeline order."""
    (table,) = (
        node.value
        for node in _parsed("stages.__init__").body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STAGES"
    )
    names = [ast.unparse(item).lower() for item in table.elts]  # type: ignore[attr-defined]
    return {
        name: f"stages.{name}.settings:{name.title()}Settings"
        for name in names
        if name not in COMMANDS
    }


def docstring(place: str) -> str:
    """Docstring of a function or class such as `commands.run:run`, without importing it."""
    module, _, name = place.partition(":")
    (node,) = (
        node
        for node in _parsed(module).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
    )
    return ast.get_docstring(node) or ""


def _parsed(module: str) -> ast.Module:
    path = _PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))
