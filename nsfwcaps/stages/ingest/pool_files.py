"""ingest, pool files: those of an earlier run and those wanted, each with its content's digest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.captions import sources as pool_sources
from nsfwcaps.captions.opening import local_path, shown
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.errors import InputError
from nsfwcaps.stages.ingest.pool import Pool, read_options
from nsfwcaps.stages.ingest.settings import IngestSettings

OPTIONS = ("safe", "unsafe", "pool")
_IN_MEMORY = re.compile(r"/inputs/(safe|unsafe|pool)-[0-9a-f]{16}\.parquet$")
"""Captions that were given to the Python function."""
_SAID_OF_MEMORY = "captions in memory"


@dataclass(frozen=True, kw_only=True)
class PoolFile:
    """A pool file of the earlier run or of the wanted one."""

    option: str
    given: str
    """Pool that it belongs to, as one text for all spellings of a path."""
    said: str
    """The same as given."""
    name: str
    digest: str
    pool: Pool | None = None
    """How to read it; None for a file of the earlier run."""

    @property
    def content(self) -> tuple[str, str]:
        """Side and digest, by which files are compared."""
        return self.option, self.digest


def files_before(record: StageRecord) -> Iterator[PoolFile]:
    """Yield the pool files of a finished run."""
    for key, digest in record.inputs.items():
        option, _, url = key.partition(":")
        if option in OPTIONS:
            pools = {identity(name): name for name in record.settings.get(option, ())}
            given = _pool_of(identity(url), pools)
            yield PoolFile(
                option=option,
                given=given,
                said=said_of(pools.get(given, url)),
                name=shown(url).rstrip("/").rpartition("/")[2],
                digest=digest,
            )


def files_wanted(settings: IngestSettings, workdir: Path) -> Iterator[PoolFile]:
    """Yield the files of the wanted pools; pools that an earlier stage delivers may not exist."""
    options = read_options(settings)
    for option, given in given_pools(settings):
        try:
            files = pool_sources.resolve(given, options).files
        except InputError:
            if _is_delivered(given, workdir):
                continue
            raise
        for url in files:
            label = None if option == "pool" else Label(option)
            digest = pool_sources.content_digest(url)
            pool = Pool(url=url, label=label, digest=digest)
            yield PoolFile(
                option=option,
                given=identity(given),
                said=said_of(given),
                name=pool.name,
                digest=digest,
                pool=pool,
            )


def given_pools(settings: IngestSettings) -> Iterator[tuple[str, str]]:
    """Yield the option and the address of each wanted pool."""
    for option in OPTIONS:
        yield from ((option, url) for url in getattr(settings, option))


def _pool_of(file: str, pools: Iterable[str]) -> str:
    """Return the pool that a file belongs to: the longest that holds it, else the file itself."""
    holding = [
        pool
        for pool in pools
        if file == pool or file.startswith((pool.rstrip("/") + "/", _before_pattern(pool)))
    ]
    return max(holding, key=len, default=file)


def _before_pattern(url: str) -> str:
    """Return an address up to its first sign of a pattern; of one without, a text no file has."""
    at = min((url.find(sign) for sign in "*?[{" if sign in url), default=-1)
    return url[:at] if at > 0 else f"{url}\0"


def identity(url: str) -> str:
    """Return one text for all spellings of a path; other addresses as they are, without a query."""
    if url.startswith("bundled:"):
        return url
    if _IN_MEMORY.search(url):  # its name depends on the content
        return _SAID_OF_MEMORY
    try:
        path = local_path(url)
    except InputError:
        return shown(url)
    return shown(url) if path is None else str(path.resolve())


def said_of(url: str) -> str:
    """Return what a pool is called in messages."""
    return _SAID_OF_MEMORY if _IN_MEMORY.search(url) else shown(url)


def _is_delivered(url: str, workdir: Path) -> bool:
    """Whether a pool is made by an earlier stage of the run itself."""
    return Path(identity(url)).is_relative_to((workdir / "pools").resolve())


def delivered_pools(settings: Mapping[str, Any], workdir: Path) -> set[tuple[str, str]]:
    """Return the pools that earlier stages of the run itself make: those stages are compared."""
    return {
        (option, identity(url))
        for option in OPTIONS
        for url in settings.get(option, ())
        if _is_delivered(url, workdir)
    }
