"""Files that travel with the package: recipes, card templates, a small pool of captions."""

from __future__ import annotations

from pathlib import Path

from nsfwcaps.errors import ConfigError, InputError

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """A top-level folder of the project: inside the wheel when installed, beside it in a clone."""
    bundled = _PACKAGE / "_bundled" / name
    return bundled if bundled.is_dir() else _PACKAGE.parent / name


def recipe(name: str) -> Path:
    """Path of a recipe: a file, or the name of a bundled one.

    Raises:
        ConfigError: neither is there.
    """
    if Path(name).is_file():
        return Path(name)
    bundled = folder("pipelines")
    candidate = bundled / f"{name.removesuffix('.yaml').removeprefix('pipelines/')}.yaml"
    if candidate.is_file():
        return candidate
    known = ", ".join(sorted(path.stem for path in bundled.glob("*.yaml")))
    raise ConfigError(f"{name}: no such recipe file, nor a bundled recipe (there are: {known})")


def demo_pool(name: str) -> Path:
    """Path of a bundled pool of mild captions."""
    path = _PACKAGE / "demo_pool" / name
    if not path.is_file():
        pools = (item.name for item in path.parent.glob("*.*") if item.suffix != ".md")
        known = ", ".join(sorted(pools))
        raise InputError(f"bundled:{name}: no such pool; there are: {known}")
    return path
