"""Recipes: a YAML mapping of stages to settings, validated as a whole."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from nsfwcaps import config, pipeline, resources
from nsfwcaps.errors import ConfigError, NsfwcapsError
from nsfwcaps.progress import Progress
from nsfwcaps.stage import IN_RUN, Recipe
from nsfwcaps.stages import STAGE
from nsfwcaps.stores.address import is_on_store
from nsfwcaps.stores.session import Use, opened


def load(name: str, changes: Sequence[str]) -> Recipe:
    """Read a recipe file or a bundled recipe, and apply `stage.key=value` changes.

    Raises:
        ConfigError: names all errors in the recipe.
    """
    path = resources.recipe(name)
    values = _read(path)
    found = _change(values, changes)
    try:
        recipe = parse(values, where=path.name)
    except ConfigError as error:
        found += str(error).splitlines()
    if found:
        raise ConfigError("\n".join(found))
    return recipe


def placed(recipe: Recipe, workdir: Path) -> Recipe:
    """Replace `run:` by the run's folder in the paths of all stages.

    For example, a recipe that draws a world ingests its pools from the same run.
    """

    def place(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(place, value))
        return str(workdir / value.removeprefix(IN_RUN)) if value.startswith(IN_RUN) else value

    out = {}
    for name, settings in recipe.items():
        paths = {key: place(getattr(settings, key)) for key in STAGE[name].paths}
        out[name] = dataclasses.replace(settings, **paths)
    return out


@contextmanager
def fetched(recipe: Recipe, shown: Progress) -> Iterator[Recipe]:
    """Yield a recipe whose folders on object stores are replaced by their mirrors here.

    Raises:
        StorageError: a store cannot be reached or refuses.
    """
    with ExitStack() as stack:
        out = {}
        for name, settings in recipe.items():
            places = {key: getattr(settings, key) for key in STAGE[name].folders}
            mirrors = {
                key: str(stack.enter_context(opened(place, Use.READ, progress=shown)))
                for key, place in places.items()
                if place is not None and is_on_store(place)
            }
            out[name] = dataclasses.replace(settings, **mirrors)
        yield out


def prepare(recipe: Recipe, workdir: Path) -> Recipe:
    """Resolve a recipe's paths, and find problems before any stage runs.

    Raises:
        NsfwcapsError: as the stage itself would.
    """
    recipe = placed(recipe, workdir)
    pipeline.check(recipe, workdir=workdir)
    return recipe


def problems(name: str, changes: Sequence[str]) -> list[str]:
    """Return all errors of a recipe, one line each."""
    try:
        pipeline.check(load(name, changes), reading=False)
    except NsfwcapsError as error:
        return str(error).splitlines()
    return []


def parse(values: Mapping[str, Any], *, where: str) -> Recipe:
    """Turn plain values into settings.

    Raises:
        ConfigError: names all unknown stages, unknown keys and wrong values.
    """
    recipe, found = {}, []
    for name, section in values.items():
        if name not in STAGE:
            close = difflib.get_close_matches(str(name), STAGE, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known stages: {', '.join(STAGE)}"
            found.append(f"{where}: unknown stage '{name}'; {hint}")
            continue
        if section is not None and not isinstance(section, Mapping):
            found.append(f"{where}: {name} must be a mapping of settings")
            continue
        settings, errors = config.check(STAGE[name].settings, section or {}, where=name)
        recipe[name] = settings
        found += [f"{where}: {error}" for error in errors]
    if not found and not recipe:
        found.append(f"{where}: the recipe contains no stage; known stages: {', '.join(STAGE)}")
    for name in recipe:
        found += [f"{where}: {problem}" for problem in STAGE[name].problems(recipe)]
    if found:
        raise ConfigError("\n".join(found))
    return {
        name: settings if (completed := STAGE[name].completed) is None else completed(recipe)
        for name, settings in recipe.items()
    }


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{path}: line {line}: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigError(f"{path}: not a YAML text file") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping of stages to settings")
    return values


def _change(values: dict[str, Any], changes: Sequence[str]) -> list[str]:
    """Apply the changes in place; return unreadable ones, one line each."""
    import yaml

    found = []
    for change in changes:
        target, sign, text = change.partition("=")
        stage, dot, key = target.partition(".")
        if not (sign and dot and stage and key):
            found.append(f"--set {change}: expected STAGE.KEY=VALUE, for example mine.k=3")
            continue
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = text
        section = values.get(stage) or {}
        if isinstance(section, dict):  # parsing reports anything else
            values[stage] = {**section, key: value}
    return found
