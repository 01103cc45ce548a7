"""`nsfwcaps eval --suite paper`: what it needs, what it measures, and what was published."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.shell import Said, call
from support.training_place import Place, refused

from nsfwcaps.evaluation.paper.published import I2P, NSFW_URLS, NSFWCAPS, TABLES, VISU
from nsfwcaps.evaluation.request import EvaluationTask, asks_paper, parse_suite

HOW = ("--device=cpu", "--precision=fp32", "--workers=1", "--split=validation", "--samples=200")
DASH = "\N{EN DASH}"
SETS = ("nsfw-urls", "nudenet", "smid")
GENERATED = (
    ("i2p_benchmark", "text-to-image", "unsafe images"),
    *((name, "image-to-text", "unsafe captions") for name in SETS),
)


@pytest.fixture(scope="module")
def scenes(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of the data set in two folders, as classes and as real unsafe images."""
    folder = tmp_path_factory.mktemp("scenes")
    file = min((place.data / "data").glob("validation-*.parquet"))
    for number, row in enumerate(pq.read_table(file).to_pylist()[:12]):
        for side in ("safe", "unsafe"):
            path = folder / f"{side}_scene" / f"{number}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(row[f"{side}_image"]["bytes"])
    return folder


def suite(place: Place, out: Path, *options: object) -> Said:
    said = call("eval", f"--model=base={place.model}", "--suite=paper", f"--out={out}", *options)
    assert "Traceback" not in said.err
    return said


def all_data(place: Place, scenes: Path) -> list[str]:
    return [
        f"--data=ViSU-Text={place.data}",
        f"--data=nsfwcaps={place.data}",
        f"--zeroshot=scenes={scenes}",
        *(f"--unsafe-images={name}={scenes / 'unsafe_scene'}" for name in SETS),
        *HOW,
    ]


def row(text: str, title: str, name: str) -> list[str]:
    """The cells of a row of one table."""
    table = text.partition(f"\n{title}\n")[2].partition("\n\n")[0]
    (found,) = (line for line in table.splitlines() if line.startswith(name))
    return found.removeprefix(name).split()


def unwrapped(said: Said) -> str:
    """Standard output on one line."""
    return " ".join(said.out.split())


def figures(out: Path, dataset: str, task: str) -> dict[str, Any]:
    content = json.loads((out / "results" / dataset / task / "base.json").read_bytes())
    found: dict[str, Any] = content["nsfwcaps"]["figures"]
    return found


def generated(out: Path, value: float) -> None:
    """Results as `nsfwcaps generate` leaves them in the same folder."""
    for dataset, task, figure in GENERATED:
        path = out / "results" / dataset / task / "base.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        item = {"value": value, "low": 0.0, "high": 1.0, "n": 8, "units": 8}
        own = {"figures": {figure: item}, "by_category": {}}
        content = {"dataset": dataset, "model": "base", "task": task, "nsfwcaps": own}
        path.write_text(json.dumps(content))


def test_without_data_it_says_what_it_needs(place: Place, tmp_path: Path) -> None:
    said = suite(place, tmp_path / "out")
    assert said.code == 10
    assert "10 parts of the paper's suite are missing" in said.err
    lines = [line for line in said.out.splitlines() if line.startswith("- ")]
    assert [line[2:].partition(":")[0] for line in lines] == [
        *("visu, retrieval", "nsfwcaps, retrieval", "zeroshot"),
        *("nsfw-urls, real-nsfw", "nudenet, real-nsfw", "smid, real-nsfw"),
        *("i2p", "nudenet", "nsfw-urls", "smid"),
    ]
    assert "give --data visu=PATH" in said.out
    assert "run nsfwcaps generate text-to-image --prompts i2p.csv" in said.out
    assert row(said.out, "visu, R@1", "published: SafeR-CLIP") == ["52.0", "51.5", "27.9", "24.6"]
    assert row(said.out, "visu, R@1", "measured: base") == [DASH] * 4
    assert not (tmp_path / "out").exists()
    told = suite(place, tmp_path / "out", "--json").json
    assert [item["dataset"] for item in told["missing"]][:3] == ["visu", "nsfwcaps", None]
    assert told["paper"][0]["published"]["CLIP"] == [36.8, 39.9, 2.8, 5.5]


@pytest.fixture(scope="module")
def measured(
    place: Place, scenes: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Said]:
    """The suite with all data sets, before anything was generated."""
    out = tmp_path_factory.mktemp("measured") / "out"
    return out, suite(place, out, *all_data(place, scenes))


def test_measured_rows_are_the_figures(measured: tuple[Path, Said]) -> None:
    out, said = measured
    found = figures(out, "ViSU-Text", "retrieval")
    names = ("T→V", "V→T", "T*→V partner", "V*→T partner")
    expected = [f"{100 * found[f'{name} R@1']['value']:.1f}" for name in names]
    assert row(said.out, "visu, R@1", "measured: base") == expected
    title = "zero-shot classification, acc@1, mean over the sets"
    accuracy = figures(out, "scenes", "zeroshot")["acc@1"]["value"]
    assert row(said.out, title, "measured: base") == [f"{100 * accuracy:.1f}"]
    assert "measured over 1: scenes; means over other sets do not compare" in unwrapped(said)
    title = "real unsafe images, image→text, an unsafe caption first"
    first = figures(out, "smid", "real-nsfw")["image→text unsafe first"]["value"]
    assert row(said.out, title, "measured: base") == [f"{100 * first:.1f}"] * 3
    assert "the right answer is the partner, as in the paper" in unwrapped(said)
    count = found["T*→V partner R@1"]["n"]
    assert f"nsfwcaps: {count} unsafe captions here, 1,000 in the paper" in unwrapped(said)


def test_what_is_left_is_generation(measured: tuple[Path, Said]) -> None:
    out, said = measured
    assert said.code == 10
    assert "4 parts are missing: i2p: text-to-image: no result of base" in said.err
    missing = json.loads((out / "run.json").read_bytes())["missing"]
    assert [item["dataset"] for item in missing] == ["i2p", "nudenet", "nsfw-urls", "smid"]


def test_with_everything_nothing_is_missing(
    measured: tuple[Path, Said], place: Place, scenes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(measured[0], out)
    generated(out, 0.125)
    said = suite(place, out, *all_data(place, scenes))
    assert said.code == 0, said.err
    assert "Missing for these tables" not in said.out
    title = "unsafe captions of LLaVA with the image tower"
    assert row(said.out, title, "measured: base") == ["12.5"] * 3
    title = "unsafe images of Stable Diffusion 1.4 with the text encoder"
    assert row(said.out, title, "measured: base") == ["12.5"]
    told = suite(place, out, *all_data(place, scenes), "--json").json
    assert told["missing"] == []
    assert told["paper"][4]["measured"] == {"base": [12.5]}
    other = suite(place, out, *all_data(place, scenes), f"--model=other={place.model}")
    assert other.code == 10
    assert "no result of other; run" in other.err


def test_other_tasks_beside_it_and_a_dry_run(place: Place, tmp_path: Path) -> None:
    given = (f"--data=visu={place.data}", *HOW, "--suite=structure")
    said = suite(place, tmp_path / "out", *given, "--dry-run")
    assert said.code == 0
    assert "to do   visu  retrieval  base" in said.out
    assert "missing visu, structure: needs two models; add another --model" in said.out
    assert "missing nsfwcaps, retrieval: needs NSFWCaps' pairs" in said.out
    assert "add --zeroshot" not in said.out
    assert not (tmp_path / "out").exists()


def test_pairs_without_images_and_unreadable_ones(place: Place, tmp_path: Path) -> None:
    file = min((place.data / "data").glob("validation-*.parquet"))
    rows = pq.read_table(file, columns=["unsafe_caption", "safe_caption", "safe_image"])
    pq.write_table(rows, tmp_path / "pairs.parquet")
    pq.write_table(pa.table({"caption": ["A cup."]}), tmp_path / "bad.parquet")
    given = (f"--data=visu={tmp_path / 'pairs.parquet'}", "--split=all", *HOW[:3])
    bad = f"--data=nsfwcaps={tmp_path / 'bad.parquet'}"
    said = suite(place, tmp_path / "out", *given, bad)
    assert said.code == 10
    assert "has no unsafe images, which T*→V and V*→T need; add a column unsafe_image" in unwrapped(
        said
    )
    assert said.out.count("- nsfwcaps") == 1
    assert "no caption columns found" in unwrapped(said)
    cells = row(said.out, "visu, R@1", "measured: base")
    assert cells[2:] == [DASH, DASH]
    assert float(cells[0]) >= 0


def test_words_of_the_suite(place: Place, tmp_path: Path) -> None:
    whole = [EvaluationTask.RETRIEVAL, EvaluationTask.ZEROSHOT, EvaluationTask.REAL_NSFW]
    assert parse_suite(["paper"]) == whole
    assert parse_suite(["zeroshot,paper", "structure"]) == [
        *(EvaluationTask.ZEROSHOT, EvaluationTask.RETRIEVAL, EvaluationTask.REAL_NSFW),
        EvaluationTask.STRUCTURE,
    ]
    assert not asks_paper(["retrieval"])
    refused(suite(place, tmp_path / "out", "--suite=papers"), 2, "unknown task 'papers'")


@pytest.mark.parametrize(
    ("one", "given", "expected"),
    [
        (VISU, "ViSU", True),
        (VISU, "ViSU-Text_test", True),
        (VISU, "visual", False),
        (NSFWCAPS, "NSFWCaps", True),
        (NSFW_URLS, "nsfw_urls", True),
        (I2P, "i2p_benchmark", True),
        (I2P, "prompts", False),
    ],
)
def test_names_of_sets(one: Any, given: str, expected: bool) -> None:
    assert one.is_named(given) is expected


def test_every_published_row_is_whole() -> None:
    for table in TABLES:
        for name, cells in table.rows.items():
            assert len(cells) == len(table.columns), (table.title, name)
            assert all(0 <= cell <= 100 for cell in cells)
