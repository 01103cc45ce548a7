"""A finished training remembers its data set: another one is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
from support.shell import tree
from support.training_place import Place, train

WAYS = "replace it with --overwrite"


def test_another_data_set_is_refused(place: Place, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = place.copy(tmp_path / "first")
    assert train(first, out).code == 0
    before = tree(out)
    moved = Place(place.model, tmp_path / "moved")
    shutil.copytree(first.data, moved.data)
    assert train(moved, out, "--dry-run").code == 0  # the same files elsewhere
    other = place.copy(tmp_path / "other")
    for path in sorted((other.data / "data").glob("train-*.parquet")):
        pq.write_table(pq.read_table(path).slice(1), path)
    for options in ((), ("--dry-run",)):
        said = train(other, out, *options)
        assert said.code == 4
        assert WAYS in said.err
        assert f"no longer given: data set {first.data}" in said.err
        assert tree(out) == before
    for path in sorted((first.data / "data").glob("train-*.parquet")):
        pq.write_table(pq.read_table(path).slice(1), path)
    assert train(first, out, "--dry-run").code == 0  # edited where it is
    assert train(other, out, "--dry-run", "--overwrite").code == 0
