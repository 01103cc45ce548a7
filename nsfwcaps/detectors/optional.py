"""Packages that detectors come from; none is installed with nsfwcaps itself."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path
from typing import Any

from nsfwcaps.errors import ModelError


def optional(module: str, *, extra: str, note: str = "") -> Any:
    """Import a module of an optional package.

    Raises:
        ModelError: it is not installed; says how it is, and what the note says.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{extra} needs the package '{error.name}', which is not installed; run "
            f"'pip install \"nsfwcaps[{extra}]\"'{note and f' ({note})'}"
        ) from None


def version(package: str) -> str:
    """Name and version of an installed package."""
    return f"{package} {importlib.metadata.version(package)}"


def package_folder(module: Any) -> Path:
    """Folder in which an imported package keeps its files."""
    return Path(module.__file__).parent
