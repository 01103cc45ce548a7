"""Inspection from Python: what a pool is, before it is used."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from nsfwcaps import config
from nsfwcaps.api.pools import given_pool
from nsfwcaps.inspection.report import Inspection
from nsfwcaps.inspection.run import inspect as inspect_files
from nsfwcaps.inspection.settings import InspectSettings

_IN_MEMORY = "in memory"


def inspect(pool: Any, *, everything: bool = False, **settings: Any) -> Inspection:
    """Inspect a pool as ingest would read it: its format, columns, and facts of its captions.

    A sample is read, which `sample` describes: of one file, its first 2,000 rows and, where the
    format allows it, 1,000 from its middle and 1,000 from its end. No model is loaded, only its
    tokenizer. Displays of the result cover captions.

    Args:
        pool: A path or URL, paths, captions or a table, as for `build`.
        everything: Read all rows and all pictures instead of a sample.
        **settings: Any option of the command `nsfwcaps inspect`, named alike: `side="unsafe"`,
            `model="mini"`, `caption_column="prompt"`.

    Returns:
        What was found, once for each side (safe, unsafe) that differs.

    Raises:
        ConfigError: a setting is unknown or invalid.
        InputError: the pool cannot be read, needs a choice, or has no usable caption.
        ModelError: the tokenizer of the model is not installed.

    >>> import nsfwcaps
    >>> found = nsfwcaps.inspect(["A vase on a table.", "A vase, on a table!", "A cup."])
    >>> found.rows, found.sides[0].near_copies, found.sides[0].tokens.truncated
    (3, 1, 0)
    """
    asked = config.parse(InspectSettings, settings, where="inspect")
    given = given_pool("pool", pool)
    if given.name is None:
        return inspect_files(given.paths, asked, everything=everything)
    with tempfile.TemporaryDirectory(prefix="nsfwcaps-") as folder:
        path = Path(folder) / given.name
        path.write_bytes(given.data)
        found = inspect_files([str(path)], asked, everything=everything)
    return dataclasses.replace(found, pool=_IN_MEMORY, format=type(pool).__name__, bytes=0)
