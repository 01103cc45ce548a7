"""The packages that detectors come from: their versions and their folders."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any


def version(package: str) -> str:
    """Name and version of an installed package."""
    return f"{package} {importlib.metadata.version(package)}"


def package_folder(module: Any) -> Path:
    """Folder in which an imported package keeps its files."""
    return Path(module.__file__).parent
