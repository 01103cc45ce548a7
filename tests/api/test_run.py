"""`nsfwcaps.Run`: what is read from a run's folder, and what a notebook shows of it."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.pictured_world import pictured
from support.shell import MARKER, STAGE_NAMES, call, write_pools
from support.small_release import release

import nsfwcaps
from nsfwcaps.errors import ArtifactError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> nsfwcaps.Run:
    """A run of the command, with rejects of three stages."""
    folder = tmp_path_factory.mktemp("run")
    pools = write_pools(folder / "pools")
    with pools.safe.open("a") as file:
        file.write('{"caption": ""}\n{"caption": "a <b>bold</b> lamp without a vector"}\n')
    said = call("build", "--out", folder / "run", *pools.options, "--min-similarity", "0.5")
    assert said.code == 0
    return nsfwcaps.Run(folder / "run")


def test_pairs_are_those_of_the_data_set(run: nsfwcaps.Run) -> None:
    parts = datasets.load_dataset(str(run.dataset), cache_dir=str(run.path / "cache"))
    rows = [row for part in ("train", "validation", "test") for row in parts.get(part, [])]
    assert run.pairs.num_rows == len(rows) > 10
    assert run.pairs["pair_id"].to_pylist() == [row["pair_id"] for row in rows]
    assert run.pairs["unsafe_caption"].to_pylist() == [row["unsafe_caption"] for row in rows]
    assert isinstance(run.pairs, pa.Table)


def test_rejects_have_an_id_a_reason_and_a_stage(run: nsfwcaps.Run) -> None:
    rejects = run.rejects.to_pylist()
    assert rejects[0] == {"id": "safe.jsonl:60", "reason": "empty", "stage": "ingest"}
    counted: dict[tuple[str, str], int] = {}
    for row in rejects:
        key = row["stage"], row["reason"]
        counted[key] = counted.get(key, 0) + 1
    assert counted == {
        ("ingest", "empty"): 1,
        ("embed", "not_in_source"): 1,
        ("mine", "below_min_similarity"): 24 - run.pairs.num_rows,
    }
    assert run.rejects.column_names == ["id", "reason", "stage"]


def test_a_run_without_rejects_has_an_empty_table(tmp_path: Path) -> None:
    pools = write_pools(tmp_path / "pools")
    call("build", "--out", tmp_path / "run", *pools.options)
    rejects = nsfwcaps.Run(tmp_path / "run").rejects
    assert (rejects.num_rows, rejects.column_names) == (0, ["id", "reason", "stage"])


def test_facts_and_digests_are_those_of_the_records(run: nsfwcaps.Run) -> None:
    assert list(run.facts) == list(run.digests) == list(STAGE_NAMES)
    assert run.facts["ingest"]["captions"] == {"safe": 61, "unsafe": 24}
    assert run.facts["mine"]["pairs"] == run.pairs.num_rows
    assert all(re.fullmatch("[0-9a-f]{64}", item) for item in run.digests.values())


def test_summary_has_one_line_a_stage_then_the_quality(run: nsfwcaps.Run) -> None:
    stages, _, quality = run.summary().partition("\n\n")
    assert quality.splitlines()[-1] == f"Look at pairs: nsfwcaps show {run.path}"
    lines = stages.splitlines()
    assert [line.split()[0] for line in lines] == list(STAGE_NAMES)
    assert lines[0] == "ingest   61 safe and 24 unsafe captions; set aside: 1 empty"


def test_pairs_without_a_data_set_are_read_from_the_stage(
    run: nsfwcaps.Run, tmp_path: Path
) -> None:
    shutil.copytree(run.path, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "dataset")
    assert nsfwcaps.Run(tmp_path / "copy").pairs.equals(run.pairs)


def test_image_bytes_are_left_out(tmp_path: Path) -> None:
    run = nsfwcaps.Run(release(pictured(), tmp_path).parent)
    (path, *_) = sorted((run.dataset / "data").glob("*.parquet"))
    assert set(pq.read_schema(path).names) - set(run.pairs.column_names) == {
        "unsafe_image",
        "safe_image",
        "partner_image",
    }


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_a_folder_without_a_run_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match="contains no finished stage"):
        nsfwcaps.Run(tmp_path / folder)


def test_a_damaged_file_is_named(run: nsfwcaps.Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "copy")
    for path in (tmp_path / "copy" / "publish").rglob("*.parquet"):
        path.write_bytes(b"cut short")
    with pytest.raises(ArtifactError, match="missing or damaged"):
        _ = nsfwcaps.Run(tmp_path / "copy").pairs


# What is shown


def test_text_shows_ids_and_numbers_only(run: nsfwcaps.Run) -> None:
    said = repr(run)
    assert said.startswith(f"Run('{run.path}')\ningest ")
    assert said.endswith(", ".join(run.pairs["pair_id"].to_pylist()[:3]))
    assert MARKER not in said


def test_html_covers_captions_until_they_are_opened(run: nsfwcaps.Run) -> None:
    shown = run._repr_html_()
    outside, opening, inside = shown.partition("<details>")
    assert opening
    assert MARKER not in outside
    assert "61 safe and 24 unsafe captions" in outside
    first = run.pairs["unsafe_caption"][0].as_py()
    assert html.escape(first) in inside.partition("</details>")[0]
    assert " open" not in re.findall("<details[^>]*>", shown)[0]


def test_html_escapes_captions(tmp_path: Path) -> None:
    run = nsfwcaps.build(
        safe=["A <script>lamp</script>", "a kite"],
        unsafe=["A knife & a <b>lamp</b>", "a cigarette"],
        model="minilm",
        out=tmp_path / "run",
    )
    shown = run._repr_html_()
    assert "&lt;b&gt;lamp&lt;/b&gt;" in shown
    assert "<script" not in shown
    assert "<b>lamp" not in shown


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):  # type: ignore[no-untyped-def]
    """An IPython shell, as a notebook's kernel has one."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    module = pytest.importorskip("IPython")
    shell = module.core.interactiveshell.InteractiveShell.instance()
    yield shell
    type(shell).clear_instance()


def test_ipython_covers_the_tables_of_a_run_and_no_others(run: nsfwcaps.Run, shell) -> None:  # type: ignore[no-untyped-def]
    pairs = run.pairs
    for shown in (pairs, pairs.slice(0, 2), pairs.select(["unsafe_caption"]), (pairs, run.rejects)):
        data, _ = shell.display_formatter.format(shown)
        assert "cells hidden" in data["text/plain"]
        assert MARKER not in str(data)
    data, _ = shell.display_formatter.format(pa.table({"caption": [f"A {MARKER} of another"]}))
    assert MARKER in data["text/plain"]
    data, _ = shell.display_formatter.format(run)
    assert MARKER not in data["text/plain"]
    assert "<details>" in data["text/html"]
