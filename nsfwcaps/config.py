"""Settings as frozen dataclasses: one definition gives recipe key, option and digest."""

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

from nsfwcaps.errors import ConfigError

Config = TypeVar("Config")

# Pydantic reads this attribute of a plain dataclass; the dataclass itself never imports pydantic.
STRICT_KEYS = {"extra": "forbid", "allow_inf_nan": False}

Fraction = Annotated[float, Ge(0), Le(1)]


def setting(default: Any, help: str, *, affects_output: bool = True) -> Any:  # noqa: A002
    """Declare a setting. `affects_output=False`: how the work is done, not what comes out."""
    return dataclasses.field(
        default=default, metadata={"help": help, "affects_output": affects_output}
    )


def parse(cls: type[Config], values: Mapping[str, Any], *, where: str) -> Config:
    """Build a config from plain values.

    Raises:
        ConfigError: naming every wrong key and value at once.
    """
    config, problems = check(cls, values, where=where)
    if config is None:
        raise ConfigError("\n".join(problems))
    return config


def check(
    cls: type[Config], values: Mapping[str, Any], *, where: str
) -> tuple[Config | None, list[str]]:
    """Build a config, or return None and one line for each problem."""
    import pydantic

    hints = typing.get_type_hints(cls)
    known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    plain = {key: _as_tuple(hints.get(key), value) for key, value in values.items()}
    # Python's True is an int; in a recipe it is a slip.
    flags = [key for key, value in plain.items() if _is_flag_for_number(hints.get(key), value)]
    problems = [f"{where}.{key}: must be a number, got {plain.pop(key)}" for key in flags]
    try:
        config = pydantic.TypeAdapter(cls).validate_python(plain)
    except pydantic.ValidationError as error:
        found = _merged(error.errors(include_url=False), hints)
        problems += [_describe(item, known, where) for item in found]
    return (None, problems) if problems else (config, [])


def _as_tuple(hint: Any, value: Any) -> Any:
    """Let a list setting take a single string, as `safe: coco.jsonl` in a recipe."""
    if typing.get_origin(hint) is tuple and isinstance(value, str):
        return (value,)
    return value


def _is_flag_for_number(hint: Any, value: Any) -> bool:
    return isinstance(value, bool) and bool({int, float} & {*map(base_type, alternatives(hint))})


def _merged(errors: Sequence[Any], hints: Mapping[str, Any]) -> list[Any]:
    """Make one error of those that pydantic has for each kind of value that a setting may take."""
    merged: dict[Any, Any] = {}
    for item in errors:
        place = item["loc"]
        if place and len(alternatives(hints.get(place[0]))) > 1:
            place = place[:1]  # behind it, the kind
        if place in merged:
            also = item["msg"].removeprefix("Input should be ")
            merged[place]["msg"] += f", or {also}"
        else:
            merged[place] = {**item, "loc": place}
    return list(merged.values())


def _describe(item: Any, known: list[str], where: str) -> str:
    place = ".".join([where, *(str(part) for part in item["loc"])])
    if item["type"] == "unexpected_keyword_argument":
        key = str(item["loc"][-1])
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known keys: {', '.join(known)}"
        return f"{place}: unknown key; {hint}"
    message = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    got = "" if item["type"] == "value_error" else f", got {item['input']!r}"
    return f"{place}: {message}{got}"


def digest(value: Any) -> str:
    """Sha256 (hex) of the canonical JSON of a value."""
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def output_settings(config: Any) -> dict[str, Any]:
    """Return the settings that shape the output, as plain JSON values."""
    return {
        field.name: _plain(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if field.metadata.get("affects_output", True)
    }


def as_dict(config: Any) -> dict[str, Any]:
    """Return every setting as plain JSON values."""
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
    """Bytes of a size such as `16G`, `512MiB` or `1000000`."""
    import pydantic

    try:
        return int(pydantic.TypeAdapter(pydantic.ByteSize).validate_python(text))
    except pydantic.ValidationError:
        raise ConfigError(f"'{text}' is not a size; write it as 512MiB, 16G or 2GiB") from None


def base_type(hint: Any) -> Any:
    """`X` of `X`, `X | None` and `Annotated[X, …]`; of several, the first."""
    if typing.get_origin(hint) is typing.Annotated:
        return base_type(typing.get_args(hint)[0])
    inner = alternatives(hint)
    return hint if inner == [hint] else base_type(inner[0])


def alternatives(hint: Any) -> list[Any]:
    """Types that a setting may take, None apart."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [arg for arg in typing.get_args(hint) if arg is not type(None)]
    return [hint]


def check_size(memory: str) -> None:
    """Check a setting that is a size.

    Raises:
        ValueError: it is not, as a settings class says it.
    """
    try:
        parse_bytes(memory)
    except ConfigError as error:
        raise ValueError(f"memory: {error}") from None


def field_names(cls: type) -> list[str]:
    """Names of a settings class, in order."""
    return [field.name for field in dataclasses.fields(cls)]
