"""Optional packages of detectors; nsfwcaps itself installs none of them."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path
from typing import Any

from nsfwcaps.errors import ModelError


def optional(module: str, *, extra: str, note: str = "") -> Any:
    """Import a module of an optional package.

    Raises:
        ModelError: the package is not installed; the message gives the install command and `note`.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{extra} needs the package '{error.name}', which is not installed; run "
            f"'pip install \"nsfwcaps[{extra}]\"'{note and f' ({note})'}"
        ) from None


def version(package: str) -> str:
    """Return the name and version of an installed package."""
    return f"{package} {importlib.metadata.version(package)}"


def package_folder(module: Any) -> Path:
    """Return the folder of an imported package."""
    return Path(module.__file__).parent
