"""Settings as frozen dataclasses: one definition gives recipe key, CLI option and digest."""

from __future__ import annotations

import dataclasses
import difflib
import enum
import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from annotated_types import Ge, Le

from nsfwcaps.enums import RENAMED
from nsfwcaps.errors import ConfigError

Config = TypeVar("Config")

# Pydantic reads this attribute of plain dataclasses, so settings need not import pydantic.
STRICT_KEYS = {"extra": "forbid", "allow_inf_nan": False}

Fraction = Annotated[float, Ge(0), Le(1)]


def setting(
    default: Any,
    help: str,  # noqa: A002
    *,
    affects_output: bool = True,
    joined: str | None = None,
    panel: str | None = None,
) -> Any:
    """Declare a setting; `affects_output=False` if it changes only how the work is done.

    `joined` is the sign between the parts of a list in one text: a repeated option adds to it.
    `panel` is a heading of its own in the help; default: the stage's name.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "help": help,
            "affects_output": affects_output,
            "joined": joined,
            "panel": panel,
        },
    )


def parse(cls: type[Config], values: Mapping[str, Any], *, where: str) -> Config:
    """Build a config from plain values.

    Raises:
        ConfigError: names all wrong keys and values.
    """
    config, problems = check(cls, values, where=where)
    if config is None:
        raise ConfigError("\n".join(problems))
    return config


def check(
    cls: type[Config], values: Mapping[str, Any], *, where: str
) -> tuple[Config | None, list[str]]:
    """Build a config, or return None and one line per problem."""
    import pydantic

    hints = typing.get_type_hints(cls)
    known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    plain = {key: _as_tuple(hints.get(key), value) for key, value in values.items()}
    # True is an int in Python; in a recipe it is a mistake.
    flags = [key for key, value in plain.items() if _is_flag_for_number(hints.get(key), value)]
    problems = [f"{where}.{key}: must be a number, got {plain.pop(key)}" for key in flags]
    try:
        config = pydantic.TypeAdapter(cls).validate_python(plain)
    except pydantic.ValidationError as error:
        found = _merged(error.errors(include_url=False), hints)
        problems += [_describe(item, hints, known, where) for item in found]
    return (None, problems) if problems else (config, [])


def _as_tuple(hint: Any, value: Any) -> Any:
    """Let a list setting accept a single string, such as `safe: coco.jsonl` in a recipe."""
    if typing.get_origin(hint) is tuple and isinstance(value, str):
        return (value,)
    return value


def _is_flag_for_number(hint: Any, value: Any) -> bool:
    return isinstance(value, bool) and bool({int, float} & {*map(base_type, alternatives(hint))})


def _merged(errors: Sequence[Any], hints: Mapping[str, Any]) -> list[Any]:
    """Merge pydantic's errors for the alternative types of one setting."""
    merged: dict[Any, Any] = {}
    for item in errors:
        place = item["loc"]
        if place and len(alternatives(hints.get(place[0]))) > 1:
            place = place[:1]  # the rest names the alternative
        if place in merged:
            also = item["msg"].removeprefix("Input should be ")
            merged[place]["msg"] += f", or {also}"
        else:
            merged[place] = {**item, "loc": place}
    return list(merged.values())


def _describe(item: Any, hints: Mapping[str, Any], known: list[str], where: str) -> str:
    place = ".".join([where, *(str(part) for part in item["loc"])])
    if item["type"] == "unexpected_keyword_argument":
        key = str(item["loc"][-1])
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known keys: {', '.join(known)}"
        return f"{place}: unknown key; {hint}"
    if item["type"] == "enum" and (now := _renamed(hints[item["loc"][0]], item["input"])):
        return f"{place}: '{item['input']}' is now '{now}'"
    message = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    got = "" if item["type"] == "value_error" else f", got {item['input']!r}"
    return f"{place}: {message}{got}"


def _renamed(hint: Any, value: object) -> str | None:
    """Return what a former value is called now; None for any other."""
    return RENAMED.get(base_type(hint), {}).get(str(value))


def digest(value: Any) -> str:
    """Return the sha256 (hex) of a value's canonical JSON."""
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def output_settings(config: Any) -> dict[str, Any]:
    """Return the settings that affect the output, as plain JSON values."""
    return {
        field.name: _plain(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if field.metadata.get("affects_output", True)
    }


def as_dict(config: Any) -> dict[str, Any]:
    """Return all settings as plain JSON values."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def parse_bytes(text: str) -> int:
    """Parse a size such as `16G`, `512MiB` or `1000000`; return bytes.

    Raises:
        ConfigError: the text is not a size.
    """
    import pydantic

    try:
        return int(pydantic.TypeAdapter(pydantic.ByteSize).validate_python(text))
    except pydantic.ValidationError:
        raise ConfigError(f"invalid size '{text}'; expected for example 512MiB or 16G") from None


def base_type(hint: Any) -> Any:
    """Return `X` for `X`, `X | None` and `Annotated[X, …]`; the first of several."""
    if typing.get_origin(hint) is typing.Annotated:
        return base_type(typing.get_args(hint)[0])
    inner = alternatives(hint)
    return hint if inner == [hint] else base_type(inner[0])


def alternatives(hint: Any) -> list[Any]:
    """Return the alternative types of a setting, without None."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [arg for arg in typing.get_args(hint) if arg is not type(None)]
    return [hint]


def check_size(memory: str) -> None:
    """Check a setting that is a size.

    Raises:
        ValueError: it is not a size.
    """
    try:
        parse_bytes(memory)
    except ConfigError as error:
        raise ValueError(f"memory: {error}") from None


def field_names(cls: type) -> list[str]:
    """Return the names of a settings class, in order."""
    return [field.name for field in dataclasses.fields(cls)]
