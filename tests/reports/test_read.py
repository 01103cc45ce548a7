from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.small_evaluation import DATASET, MODELS, small

from nsfwcaps.errors import ArtifactError
from nsfwcaps.reports.read import read

OURS = f"results/{DATASET}/retrieval/ours.json"


def test_models_are_in_the_order_of_the_run(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.run["models"] = {"ours": {}, "failed": {}, "base": {}}
    assert read(writer.write()).models == ("ours", "base")


def test_everything_is_read(tmp_path: Path) -> None:
    found = read(small(tmp_path).write())
    assert (found.models, found.problems) == (MODELS, ())
    assert len(found.parts) == 6
    assert set(found.cosines[DATASET]) == set(MODELS)
    assert list(found.examples) == [DATASET]


@pytest.mark.parametrize("made", [True, False])
def test_folder_without_results_is_refused(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "out"
    if made:
        (folder / "results").mkdir(parents=True)
    with pytest.raises(ArtifactError, match="no results; run 'nsfwcaps eval --out"):
        read(folder)


@pytest.mark.parametrize(
    "content", ["", "{", "null", "[]", '"x"', '{"dataset": "a"}', "\x00", '{"nsfwcaps": 3}']
)
def test_damaged_part_is_named_and_the_others_are_there(tmp_path: Path, content: str) -> None:
    folder = small(tmp_path).write()
    (folder / OURS).write_text(content)
    found = read(folder)
    assert len(found.parts) == 5
    assert found.problems == (
        f"{OURS} is damaged; run the same 'nsfwcaps eval' command again to rewrite it",
    )


def test_part_with_a_damaged_figure_is_damaged(tmp_path: Path) -> None:
    folder = small(tmp_path).write()
    content = json.loads((folder / OURS).read_text())
    content["nsfwcaps"]["figures"]["T→V R@1"]["value"] = "high"
    (folder / OURS).write_text(json.dumps(content))
    assert len(read(folder).problems) == 1


def test_only_damaged_parts_are_refused(tmp_path: Path) -> None:
    folder = small(tmp_path).write()
    for path in folder.glob("results/*/*/*.json"):
        path.write_text("{")
    with pytest.raises(ArtifactError, match="is damaged"):
        read(folder)


@pytest.mark.parametrize(
    "name",
    [
        "comparisons.json",
        "run.json",
        f"results/{DATASET}/examples.json",
        f"results/{DATASET}/similarities/base.npz",
    ],
)
def test_other_damaged_files_are_named(tmp_path: Path, name: str) -> None:
    folder = small(tmp_path).write()
    (folder / name).write_bytes(b"\x80nothing")
    found = read(folder)
    assert [item.split(" ")[0] for item in found.problems] == [name]
    assert len(found.parts) == 6


@pytest.mark.parametrize("name", ["comparisons.json", "run.json"])
def test_missing_record_is_named(tmp_path: Path, name: str) -> None:
    folder = small(tmp_path).write()
    (folder / name).unlink()
    assert [item.split(";")[0] for item in read(folder).problems] == [f"{name} is missing"]


def test_arrays_of_objects_are_never_loaded(tmp_path: Path) -> None:
    import numpy as np

    folder = small(tmp_path).write()
    path = folder / "results" / DATASET / "similarities" / "base.npz"
    np.savez(path, kind=np.array([{"a": 1}], dtype=object))
    assert len(read(folder).problems) == 1


def test_comparison_without_a_number_is_none(tmp_path: Path) -> None:
    writer = small(tmp_path)
    count = len(read(writer.write()).comparisons)
    writer.comparisons[0]["difference"] = None
    assert len(read(writer.write()).comparisons) == count - 1
