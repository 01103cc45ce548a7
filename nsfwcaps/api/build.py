"""The whole pipeline from Python: caption pools in, a run with a data set out."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nsfwcaps import pipeline, recipes
from nsfwcaps.api import pools
from nsfwcaps.api.run import Run
from nsfwcaps.errors import ConfigError, storage_error
from nsfwcaps.executors import driver_lock
from nsfwcaps.pipeline import StageOutcome
from nsfwcaps.progress import Progress, for_terminal
from nsfwcaps.stage import Recipe, owners, share
from nsfwcaps.stages import BUILD
from nsfwcaps.stores.session import Use, opened
from nsfwcaps.subjects import OtherRunError

_POOLS = ("safe", "unsafe", "pool")


def build(
    *,
    out: str | Path,
    safe: Any = None,
    unsafe: Any = None,
    pool: Any = None,
    overwrite: bool = False,
    show_progress: bool = False,
    **settings: Any,
) -> Run:
    """Build a data set of graded pairs from pools of safe and unsafe captions.

    Runs the same stages and writes the same files as the command `nsfwcaps build`. Repeat the call
    to resume an interrupted run; finished work is skipped. Captions are never printed. A file of
    the data set that you have edited is kept beside the new one, with a warning.

    A pool is one of these:

    - a `str` or `pathlib.Path`: a file, folder, glob or URL;
    - a list of `pathlib.Path`: several files;
    - a list of `str`, a pandas Series, a pyarrow array or a `datasets` column: captions;
    - a pandas DataFrame, a pyarrow Table or a `datasets.Dataset`: rows. The columns of captions,
      images and categories are detected by name, or named by settings. Named levels of a frame's
      index are columns too; class labels become their names.

    In-memory pools are written once to `inputs/` in the run's folder. Relative image paths in them
    require `image_root`.

    Args:
        out: Folder of the run; it may exist.
        safe: Pool of safe captions.
        unsafe: Pool of unsafe captions.
        pool: Pool of both kinds; requires `label_column`.
        overwrite: Replace a run of other pools in the folder, which is refused otherwise.
        show_progress: Show progress on standard error.
        **settings: Any setting of the stages `ingest`, `embed`, `mine`, `grade` and `publish`,
            named like its command-line option: `model="minilm"`, `k=3`, `hub_cap=2`. A setting
            that several stages share, such as `device`, applies to all of them.

    Returns:
        The run, which reads pairs, rejects and facts from the folder.

    Raises:
        ArtifactError: the folder holds a run of other pools, and `overwrite` is not given.
        ConfigError: a setting is unknown or invalid; the message lists all of them.
        InputError: a pool cannot be read, or too many of its rows are unusable.
        StorageError: the folder is not writable, or another run is using it.

    >>> import nsfwcaps, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = nsfwcaps.build(
    ...         safe=["A vase on a table.", "A man at a bus stop."],
    ...         unsafe=["A handgun beside a vase.", "A man smokes at a bus stop."],
    ...         model="minilm",
    ...         out=folder,
    ...     )
    ...     sorted(run.pairs.column("safe_caption").to_pylist())
    ['A man at a bus stop.', 'A vase on a table.']
    """
    given = {
        label: pools.given_pool(label, value)
        for label, value in zip(_POOLS, (safe, unsafe, pool), strict=True)
    }
    named = {label: item.paths for label, item in given.items() if item.paths}
    asked = _recipe({**settings, **named})
    shown = for_terminal(quiet=not show_progress)
    with (
        opened(out, Use.WRITE, progress=shown) as workdir,
        recipes.fetched(asked, shown) as ready,
    ):
        _run(ready, workdir, given, shown, overwrite=overwrite)
    return Run(out)


def _run(
    asked: Recipe,
    workdir: Path,
    given: Mapping[str, pools.GivenPool],
    progress: Progress,
    *,
    overwrite: bool,
) -> None:
    try:
        recipe = recipes.prepare(asked, workdir)
        with driver_lock.locked(workdir):
            written = pools.write([*given.values()], workdir)
            try:
                pipeline.run(recipe, workdir, progress, _warn, overwrite=overwrite)
            except OtherRunError:
                pools.remove(written, workdir)
                raise
            pools.remove_others([*given.values()], workdir)
    except OSError as error:
        known = storage_error(error)
        if known is None:
            raise
        raise known from error


def _warn(outcome: StageOutcome) -> None:
    """Warn of each file of the user that delivery has kept or found."""
    for line in outcome.kept:
        warnings.warn(line, stacklevel=2)


def _recipe(settings: Mapping[str, Any]) -> Recipe:
    """Parse the settings of the five stages and report all problems in one error."""
    known = owners(BUILD)
    found = [_unknown(name, known) for name in settings if name not in known]
    try:
        recipe = recipes.parse(share(BUILD, settings), where="build")
    except ConfigError as error:
        found += str(error).splitlines()
    if found:
        raise ConfigError("\n".join(found))
    return recipe


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"settings are: {', '.join(known)}"
    return f"build: unknown setting '{name}'; {hint}"


def _signature() -> inspect.Signature:
    """Signature for `help` and notebooks: every setting with its default."""
    own = inspect.signature(build)
    first = [item for item in own.parameters.values() if item.kind is item.KEYWORD_ONLY]
    fields = {
        field.name: field
        for stage in BUILD
        for field in dataclasses.fields(stage.settings)
        if field.name not in _POOLS
    }
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
        for name, field in fields.items()
    ]
    return own.replace(parameters=[*first, *added])


build.__signature__ = _signature()  # type: ignore[attr-defined]
