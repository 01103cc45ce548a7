"""Whatever a command writes for the user has the modes of the umask; secrets do not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.shell import call
from support.small_evaluation import small
from support.small_release import build, prepare, tiny_world
from support.small_review import accept, begin, judge, pair_set

from nsfwcaps.review.database import Database
from nsfwcaps.review.export.export import export

UMASKS = {0o022: (0o644, 0o755), 0o002: (0o664, 0o775), 0o077: (0o600, 0o700)}

SECRET = {"review.sqlite", "review.sqlite-wal", "review.sqlite-shm"}
"""Names of people, passwords' hashes and exposure: for the owner alone, whatever the umask."""


@pytest.fixture(params=UMASKS, ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def others(folder: Path, umask: int) -> dict[str, str]:
    """Files and folders with other modes than those of the umask."""
    of_file, of_folder = UMASKS[umask]
    found = {path: path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}
    assert len(found) > 3
    return {
        path.relative_to(folder).as_posix(): oct(mode)
        for path, mode in found.items()
        if mode != (of_folder if path.is_dir() else of_file)
    }


def test_a_run_and_the_export_of_its_vectors(tmp_path: Path, umask: int) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    recipe = prepare(tiny_world(unsafe=12, safe=20), tmp_path)
    build(recipe, run)
    (run / "dataset" / "README.md").write_text("mine")  # and what is kept
    build(recipe, run)
    assert (run / "dataset" / "README.edited.md").is_file()
    assert call("export-data", run, "--to", "clip-retrieval", "--out", out, "--quiet").code == 0
    assert (others(run, umask), others(out, umask)) == ({}, {})


def test_constructed_pools(tmp_path: Path, umask: int) -> None:
    run = tmp_path / "run"
    assert call("world", "--out", run, "--scenes", 8, "--quiet").code == 0
    assert others(run, umask) == {}


def test_a_report(tmp_path: Path, umask: int) -> None:
    folder = small(tmp_path / "results").write()
    call("report", folder)
    assert (folder / "report.html").is_file()
    assert others(folder, umask) == {}


def test_an_exported_review_and_its_secrets(tmp_path: Path, umask: int) -> None:
    (tmp_path / "db").mkdir()
    database = Database(str(tmp_path / "db" / "review.sqlite"), create=True)
    pairs = pair_set(tmp_path / "set")
    begin(database, pairs)
    judge(database, "pair-1", [("p-ann", accept()), ("p-bob", accept())])
    export(database, pairs, tmp_path / "out", resamples=20)
    secret = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "db").iterdir()}
    database.close()
    assert others(tmp_path / "out", umask) == {}
    assert secret.keys() <= SECRET
    assert set(secret.values()) == {0o600}
