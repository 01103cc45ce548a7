"""Bundled files: recipes, card templates, small demo pools."""

from __future__ import annotations

from pathlib import Path

from nsfwcaps.errors import ConfigError, InputError

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """Return a top-level folder: inside the wheel if installed, beside the package in a clone."""
    bundled = _PACKAGE / "_bundled" / name
    return bundled if bundled.is_dir() else _PACKAGE.parent / name


def recipe(name: str) -> Path:
    """Return the path of a recipe: a file, or a bundled recipe by name.

    Raises:
        ConfigError: no such file or bundled recipe.
    """
    if Path(name).is_file():
        return Path(name)
    bundled = folder("pipelines")
    candidate = bundled / f"{name.removesuffix('.yaml').removeprefix('pipelines/')}.yaml"
    if candidate.is_file():
        return candidate
    known = ", ".join(recipes())
    raise ConfigError(f"{name}: no such file or bundled recipe; bundled recipes: {known}")


def recipes() -> list[str]:
    """Return the names of the bundled recipes."""
    return sorted(path.stem for path in folder("pipelines").glob("*.yaml"))


def demo_pool(name: str) -> Path:
    """Return the path of a bundled pool of mild captions."""
    path = _PACKAGE / "demo_pool" / name
    if not path.is_file():
        pools = (item.name for item in path.parent.glob("*.*") if item.suffix != ".md")
        known = ", ".join(sorted(pools))
        raise InputError(f"bundled:{name}: no such bundled pool; available: {known}")
    return path
