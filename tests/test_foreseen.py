"""Problems of mine that are found before captions are embedded."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.shell import call, write_pools


@pytest.mark.parametrize("similarity", ["image", "both"])
def test_pools_without_pictures_stop_right_after_ingest(tmp_path: Path, similarity: str) -> None:
    pools = write_pools(tmp_path / "pools")
    options = ("--safe", pools.safe, "--unsafe", pools.unsafe, "--similarity", similarity)
    said = call("build", "--out", tmp_path / "run", *options)
    assert said.code == 3
    assert f"similarity={similarity} compares pictures, and none of 24 unsafe captions" in said.err
    assert (tmp_path / "run/ingest").is_dir()
    assert not (tmp_path / "run/embed").exists()
    planned = call("build", "--out", tmp_path / "run", *options, "--dry-run")
    assert (planned.code, planned.err) == (3, said.err)
    assert call("build", "--out", tmp_path / "run", *options[:4], "--dry-run").code == 0


@pytest.mark.parametrize("more", [("--model", "minilm"), ("--source",)])
def test_a_model_that_reads_no_pictures_stops_before_ingest(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    pools = write_pools(tmp_path / "pools")
    options = [*("--safe", pools.safe, "--unsafe", pools.unsafe, "--similarity", "image"), *more]
    options += [pools.vectors] if more == ("--source",) else []
    for dry in ((), ("--dry-run",)):
        said = call("build", "--out", tmp_path / "run", *options, *dry)
        assert said.code == 2
        assert "mine.similarity: image compares pictures, and" in said.err
        assert "--similarity text" in said.err
        assert not (tmp_path / "run").exists()


def test_a_repeated_header_line_names_no_image(tmp_path: Path) -> None:
    """Only the header line has text in the column of images."""
    lines = [
        "caption,image_path",
        "a handgun on a table,",
        "caption,image_path",
        "a broken window,",
    ]
    (tmp_path / "unsafe.csv").write_text("\n".join([*lines, ""]))
    (tmp_path / "safe.txt").write_text("a vase on a table\n")
    options = ("--unsafe", tmp_path / "unsafe.csv", "--safe", tmp_path / "safe.txt")
    said = call("ingest", "-w", tmp_path / "run", *options, "--max-reject-share", 1, "--json")
    assert said.code == 0, said.err
    (stage,) = said.json["stages"]
    assert stage["rejects"] == {"header_line": 1}
