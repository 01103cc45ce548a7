"""Command-line options derived from the settings classes, so each is defined once."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nsfwcaps.config import alternatives, base_type
from nsfwcaps.enums import RENAMED
from nsfwcaps.models.names import DEFAULTS
from nsfwcaps.stage import HasSettings, owners, share

_WIDE = 29
_WIDE_BESIDE_LONG_FLAGS = 12
_LONG_NAME = 20
_LONG_FLAG = len("--no-") + 8

Workdir = Annotated[
    Path,
    typer.Option(
        "--workdir", "-w", "--out", "-o", help="Folder of the run, with one subfolder per stage."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan without running it.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace results of other inputs in the folder.")
]

REQUIRED: Any = dataclasses.MISSING
"""Default of a setting that a command requires."""


@dataclasses.dataclass(frozen=True)
class OwnSettings:
    """Settings of a command that is not a stage."""

    name: str
    settings: type[Any]


def option(
    default: Any,
    help: str,  # noqa: A002
    *,
    metavar: str | None = None,
    panel: str = "Options",
    short: str | None = None,
) -> Any:
    """Declare a setting of a command and its help."""
    shown = {"metavar": metavar, "panel": panel, "short": short}
    return dataclasses.field(default=default, metadata={"help": help, **shown})


def with_settings(
    stages: Sequence[HasSettings],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the settings of some stages as options.

    The options take the place of the command's parameter `given: Values`, required ones first. A
    setting that several stages share, such as `device`, becomes one option that sets all of them.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        owned_by = owners(stages)
        added = [_parameter(name, owned) for name, owned in owned_by.items()]
        fields = {name: _field(name, owned) for name, owned in owned_by.items()}
        signs = {name: field.metadata.get("joined") for name, field in fields.items()}
        joined = {name: sign for name, sign in signs.items() if sign is not None}
        added.sort(key=lambda parameter: parameter.default is None)  # stable: required ones first

        def call(**values: Any) -> None:
            found = {name: values.pop(name) for name in owned_by}
            for name, sign in joined.items():
                found[name] = sign.join(found[name]) if found[name] else None
            given = share(stages, {k: value for k, value in found.items() if value is not None})
            command(given=given, **values)

        call.__doc__ = command.__doc__
        call.__name__ = command.__name__
        hints = typing.get_type_hints(command, include_extras=True)
        parameters: list[inspect.Parameter] = []
        for name, own in inspect.signature(command).parameters.items():
            taken = own.replace(annotation=hints[name], kind=own.KEYWORD_ONLY)
            parameters += added if name == "given" else [taken]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {p.name: p.annotation for p in parameters}
        return call

    return decorate


def _field(name: str, owned: Sequence[HasSettings]) -> dataclasses.Field[Any]:
    return next(f for f in dataclasses.fields(owned[0].settings) if f.name == name)


def _parameter(name: str, owned: Sequence[HasSettings]) -> inspect.Parameter:
    field = _field(name, owned)
    hint = typing.get_type_hints(owned[0].settings)[name]
    flag = f"--{name.replace('_', '-')}"
    kind, flags = _cli_type(hint), [flag]
    if field.metadata.get("joined"):
        kind = list[str]
    if kind is bool:
        flags = [f"{flag}/--no-{name.replace('_', '-')}"]
    wide = "<str>" if _is_wide(kind, owned) else None  # leaves room for the flags
    if kind is str and base_type(hint) in RENAMED:
        wide = _values_of(base_type(hint), owned)
    shown = typer.Option(
        *flags,
        *filter(None, [field.metadata.get("short")]),
        help=_help(field, owned),
        show_default=False,
        metavar=field.metadata.get("metavar") or wide,
        autocompletion=_completed(name, kind, hint),
        rich_help_panel=_panel(field, owned),
    )
    required = field.default is REQUIRED
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else None,
        annotation=Annotated[kind if required else kind | None, shown],
    )


def _completed(name: str, kind: Any, hint: Any) -> Callable[[str], list[str]] | None:
    """Return what completes a value in the shell, where the type of the option does not."""
    if kind is str and base_type(hint) in RENAMED:
        known = [str(each.value) for each in base_type(hint)]
    elif kind is str and name == "model":
        known = [*DEFAULTS]
    else:
        return None
    return lambda incomplete: [word for word in known if word.startswith(incomplete)]


def _is_wide(kind: Any, owned: Sequence[HasSettings]) -> bool:
    """Whether the type column would be too wide; the help text then names the values."""
    is_enum = isinstance(kind, type) and issubclass(kind, enum.Enum)
    return kind == list[str] or (is_enum and len("|".join(kind)) > _room(owned))


def _values_of(kind: Any, owned: Sequence[HasSettings]) -> str:
    return "<str>" if _is_wide(kind, owned) else f"<{'|'.join(kind)}>"


def _room(owned: Sequence[HasSettings]) -> int:
    """Width left for the type: names and the negated form of flags have their own columns."""
    hints = typing.get_type_hints(owned[0].settings)
    flags = [f"--no-{name}" for name, hint in hints.items() if base_type(hint) is bool]
    long = max(map(len, flags), default=0) > _LONG_FLAG or max(map(len, hints)) > _LONG_NAME
    return _WIDE_BESIDE_LONG_FLAGS if long else _WIDE


def _cli_type(hint: Any) -> Any:
    """Type that the command line parses; the settings class checks ranges later."""
    plain = base_type(hint)
    # A number or a word, or a word that may be a former one: the settings class decides.
    if len(alternatives(hint)) > 1 or plain in RENAMED:
        return str
    if typing.get_origin(plain) is tuple:
        return list[str]
    if isinstance(plain, type) and issubclass(plain, enum.Enum | bool | int | float | Path):
        return plain
    return str


def _help(field: dataclasses.Field[Any], owned: Sequence[HasSettings]) -> str:
    text = str(field.metadata["help"])
    default = field.default
    if default == ():
        return f"{text} May repeat."
    if len(owned) > 1:
        return f"{text} Applies to {', '.join(stage.name for stage in owned)}."
    if isinstance(default, enum.Enum):
        default = default.value
    if isinstance(default, float):
        default = f"{default:.3g}"
    return text if default in (None, "", REQUIRED) else f"{text} \\[default: {default}]"


def _panel(field: dataclasses.Field[Any], owned: Sequence[HasSettings]) -> str:
    if len(owned) > 1 or field.metadata.get("affects_output") is False:
        return "execution"
    return field.metadata.get("panel") or owned[0].name
