"""`nsfwcaps eval` on a model and on what training made of it."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants
from support.shell import Said, call, tree
from support.training_place import Killed, Place, refused, rewrite, write_model

from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.evaluation import run
from nsfwcaps.evaluation.request import EvaluationTask
from nsfwcaps.evaluation.results import ResultFolder
from nsfwcaps.evaluation.verdicts import LARGER_IS_BETTER
from nsfwcaps.metrics.retrieval import ranks
from nsfwcaps.metrics.structure import spread_ratio, weight_deviation
from nsfwcaps.models import create
from nsfwcaps.stages.embed.settings import EmbedSettings

RUN: dict[str, Any] = {"epochs": 1, "curriculum": "all", "learning_rate": 1e-2}
HOW = ("--device=cpu", "--precision=fp32", "--workers=1", "--split=validation", "--samples=200")
TASKS = ("retrieval", "preferences", "structure")


@pytest.fixture(scope="module")
def safer(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained run, in a place whose name nobody needs to know."""
    out = tmp_path_factory.mktemp("private") / "safer"
    place.train(out, **RUN)
    return out


def rows_of(place: Place) -> list[dict[str, Any]]:
    files = sorted((place.data / "data").glob("validation-*.parquet"))
    found: list[dict[str, Any]] = pa.concat_tables(map(pq.read_table, files)).to_pylist()
    return found


@pytest.fixture(scope="module")
def scenes(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of the data set in two folders, as classes and as real unsafe images."""
    folder = tmp_path_factory.mktemp("scenes")
    for number, row in enumerate(rows_of(place)):
        for side in ("safe", "unsafe"):
            path = folder / f"{side}_scene" / f"{number}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(row[f"{side}_image"]["bytes"])
    (folder / "unsafe_scene" / "broken.jpg").write_bytes(b"no picture")
    return folder


def evaluate(place: Place, out: Path, *options: object, data: object = None) -> Said:
    """Evaluate; no caption may be told."""
    said = call("eval", f"--data={data or place.data}", f"--out={out}", *HOW, *options)
    assert "Traceback" not in said.err
    for row in rows_of(place):
        assert row["unsafe_caption"] not in said.out + said.err
        assert row["safe_caption"] not in said.out + said.err
    return said


def models(place: Place, safer: Path) -> tuple[str, str]:
    return f"--model=base={place.model}", f"--model=ours={safer}"


@pytest.fixture(scope="module")
def evaluated(
    place: Place, safer: Path, scenes: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Said]:
    """An evaluation with everything."""
    out = tmp_path_factory.mktemp("evaluated") / "eval"
    templates = out.parent / "templates.txt"
    templates.write_text("a {c}.\na picture of a {c}.\n")
    said = evaluate(
        place,
        out,
        *models(place, safer),
        f"--zeroshot=scenes={scenes}",
        f"--templates={templates}",
        f"--unsafe-images=real={scenes / 'unsafe_scene'}",
    )
    return out, said


@pytest.fixture
def copied(evaluated: tuple[Path, Said], tmp_path: Path) -> Path:
    """The same to be changed."""
    shutil.copytree(evaluated[0], tmp_path / "eval")
    return tmp_path / "eval"


def result(out: Path, task: str, model: str, dataset: str = "work") -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (out / "results" / dataset / task / f"{model}.json").read_bytes()
    )
    return content


def figure(out: Path, task: str, name: str, model: str = "base", dataset: str = "work") -> float:
    return float(result(out, task, model, dataset)["nsfwcaps"]["figures"][name]["value"])


# What comes out.


def test_every_task_is_measured_and_shown(evaluated: tuple[Path, Said]) -> None:
    out, said = evaluated
    assert said.code == 0, said.err
    for task in TASKS:
        assert f"work, {task}" in said.out
        assert result(out, task, "ours")["task"] == task
    assert "scenes, zeroshot" in said.out
    assert "real, real-nsfw" in said.out
    assert not (out / "results" / "work" / "structure" / "base.json").exists()
    assert "? not shown either way" in said.out
    assert "against base\ndata set  figure" in said.out


def test_records_hold_no_private_folder(evaluated: tuple[Path, Said], place: Place) -> None:
    out, _ = evaluated
    run = json.loads((out / "run.json").read_bytes())
    assert list(run["models"]) == ["base", "ours"]
    assert run["models"]["ours"]["named"] == "safer"
    assert run["models"]["base"]["name"] == "local-dir:tiny"
    assert run["missing"] == []
    assert run["datasets"]["work"]["counts"]["pairs"] == len(rows_of(place))
    written = [*out.glob("*.json"), *out.glob("results/*/*/*.json"), out / "results.csv"]
    for path in written:
        text = path.read_text()
        assert str(place.work.parent) not in text
        assert "private" not in text


def test_comparisons_are_of_all_figures_that_both_models_have(
    evaluated: tuple[Path, Said],
) -> None:
    out, _ = evaluated
    tests = json.loads((out / "comparisons.json").read_bytes())
    assert {test["task"] for test in tests} == {"retrieval", "preferences", "zeroshot", "real-nsfw"}
    for test in tests:
        pair = [
            figure(out, test["task"], test["figure"], model, test["dataset"])
            for model in ("base", "ours")
        ]
        assert test["difference"] == pytest.approx(pair[1] - pair[0])
        assert test["primary"] == (test["figure"] in LARGER_IS_BETTER)
        if not test["primary"]:
            assert test["p_holm"] is test["verdict"] is test["margin"] is None
            continue
        assert test["p"] <= test["p_holm"] <= 1
        assert (test["verdict"] in ("gained", "lost")) == (test["p_holm"] < 0.05)
        assert test["margin"] == 0.02


def test_the_table_has_every_figure(evaluated: tuple[Path, Said]) -> None:
    out, _ = evaluated
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    whole = [row for row in rows if not row["category"]]
    files = [json.loads(path.read_bytes()) for path in out.glob("results/*/*/*.json")]
    assert len(whole) == sum(len(item["nsfwcaps"]["figures"]) for item in files)
    assert {row["model"] for row in rows} == {"base", "ours"}
    assert {row["category"] for row in rows} > {""}


def test_json_values_are_numbers_or_null(evaluated: tuple[Path, Said], copied: Path) -> None:
    said = call("eval", "--model=m=mini", "--out", copied, "--json", "--dry-run")
    assert said.code == said.json["error"]["exit_code"] == 3
    assert "no data set was given; add --data" in said.json["error"]["message"]
    for path in evaluated[0].glob("results/*/*/*.json"):
        json.loads(path.read_bytes(), parse_constant=pytest.fail)


# Figures by hand.


def vectors(place: Place, model: object) -> dict[str, np.ndarray]:
    """Rows of every pair's four items."""
    settings = EmbedSettings(model=str(model), device=Device.CPU, precision=Precision.FP32)
    encoder = create.load(str(settings.model), EncoderOptions.of(settings))
    found = {}
    for side in ("safe", "unsafe"):
        captions = [row[f"{side}_caption"] for row in rows_of(place)]
        pictures = [row[f"{side}_image"]["bytes"] for row in rows_of(place)]
        images = [("", lambda data=data: data) for data in pictures]
        found[f"{side} text"] = encoder.encode_text(captions, lambda n: None).rows
        found[f"{side} image"] = encoder.encode_images(images, lambda n: None).rows
    return found


def distinct(rows: np.ndarray) -> np.ndarray:
    """Where each distinct row comes first: equal items have equal vectors."""
    return np.unique(rows.round(5), axis=0, return_index=True)[1]


def test_retrieval_and_preferences_by_hand(
    evaluated: tuple[Path, Said], place: Place, safer: Path
) -> None:
    for name, model in (("base", place.model), ("ours", safer)):
        found = vectors(place, model)
        bad_text = found["unsafe text"]
        image, bad_image = found["safe image"], found["unsafe image"]
        asks = np.sort(distinct(bad_text))
        candidates = np.concatenate([image[distinct(image)], bad_image[distinct(bad_image)]])
        own = (image @ candidates.T).argmax(axis=1)
        hits = ranks(bad_text[asks], candidates, own[asks]) < 1
        assert figure(evaluated[0], "retrieval", "T*→V R@1", name) == pytest.approx(hits.mean())

        def sims(one: np.ndarray, other: np.ndarray) -> np.ndarray:
            return np.einsum("nd,nd->n", one, other)

        nearer = sims(bad_text, image) > sims(bad_text, bad_image)
        assert figure(evaluated[0], "preferences", "P_tu", name) == pytest.approx(nearer.mean())


def test_partners_are_scored_beside_mined_targets(
    evaluated: tuple[Path, Said], place: Place
) -> None:
    out, said = evaluated
    table, found = rows_of(place), vectors(place, place.model)
    with_partner = [row for row in table if row["partner_caption"] is not None]
    assert 0 < len(with_partner) < len(table), "the split cuts some partners off"
    settings = EmbedSettings(model=place.model, device=Device.CPU, precision=Precision.FP32)
    encoder = create.load(str(settings.model), EncoderOptions.of(settings))
    pictures = {row["partner_image"]["bytes"] for row in with_partner}
    pictures |= {row["safe_image"]["bytes"] for row in table}
    ordered = sorted(pictures)
    images = [("", lambda data=data: data) for data in ordered]
    safe = encoder.encode_images(images, lambda n: None).rows
    unsafe = found["unsafe image"][distinct(found["unsafe image"])]
    candidates = np.concatenate([safe, unsafe])
    asks = {row["unsafe_caption"]: number for number, row in enumerate(table)}
    numbers = [asks[row["unsafe_caption"]] for row in with_partner]
    own = np.array([ordered.index(row["partner_image"]["bytes"]) for row in with_partner])
    hits = ranks(found["unsafe text"][numbers], candidates, own) < 5
    assert figure(out, "retrieval", "T*→V partner R@5") == pytest.approx(hits.mean())
    content = result(out, "retrieval", "ours")["nsfwcaps"]
    assert content["figures"]["T*→V partner R@5"]["n"] == len(with_partner)
    counts = content["facts"]["directions"]["T*→V"]
    assert counts["safe_candidates"] == len(pictures)
    # The tiny model mined the set, and is the base.
    assert "mined with local-dir:tiny (inverted-softmax)" in content["facts"]["right_answer"]
    (note,) = content["facts"]["notes"]
    assert note.startswith("local-dir:tiny is the base and also mined this data set")
    assert f"work, retrieval, note: {note}" in said.out
    assert "by base" in content["facts"]["equivalents"]["by"]
    assert "scenes, zeroshot, note" not in said.out  # its templates were given


def test_repeated_lists_add_up(place: Place, scenes: Path, tmp_path: Path) -> None:
    given = (f"--model=base={place.model}", f"--zeroshot=scenes={scenes}")
    said = evaluate(
        place, tmp_path / "out", *given, "--suite=retrieval", "--suite=zeroshot", "--json"
    )
    assert said.code == 0, said.err
    assert [item["task"] for item in said.json["results"]] == ["retrieval", "zeroshot"]
    told = said.json["basis"]["scenes, zeroshot"]
    assert told["templates"] == "80, OpenAI's for ImageNet"
    assert "CLIP_benchmark has its own for each set" in told["notes"][0]
    assert told["notes"][0] not in said.err


def test_files_of_a_set_that_there_is_not_are_refused(
    place: Place, scenes: Path, tmp_path: Path
) -> None:
    (tmp_path / "ok.txt").write_text("a {c}.\n")
    given = (f"--model=base={place.model}", f"--zeroshot=z={scenes}", "--suite=zeroshot")
    for option, told in (
        (f"--templates=q={tmp_path / 'ok.txt'}", "--templates: no set named q; sets: z"),
        (f"--classes=q={tmp_path / 'ok.txt'}", "--classes: no set named q; sets: z"),
        ("--templates=z=", "--templates: the value is empty; write --templates z=FILE"),
    ):
        refused(evaluate(place, tmp_path / "out", *given, option), 2, told)
    said = evaluate(place, tmp_path / "out", *given, "--templates=z=clip_benchmark:")
    refused(said, 3, "the name of the set is empty; write clip_benchmark:SET")


def test_figures_by_a_column_of_the_pairs(place: Place, tmp_path: Path) -> None:
    given = (f"--model=base={place.model}", "--suite=preferences,retrieval", "--by=stage")
    said = evaluate(place, tmp_path / "out", *given)
    assert said.code == 0, said.err
    levels = {row["stage"] for row in rows_of(place)}
    content = result(tmp_path / "out", "preferences", "base")["nsfwcaps"]
    assert content["by_category"]["P_tu"].keys() == levels
    for level in levels:
        count = sum(row["stage"] == level for row in rows_of(place))
        assert content["by_category"]["P_tu"][level]["n"] == count
        assert f"{level} " in said.out
    assert "work, base, T*→V R@1 by stage: " in said.out
    assert json.loads((tmp_path / "out/run.json").read_bytes())["settings"]["by"] == "stage"
    refused(evaluate(place, tmp_path / "other", *given[:2], "--by=colour"), 3,
            "no column 'colour' (--by)", "--keep-columns")  # fmt: skip


def test_structure_by_hand(evaluated: tuple[Path, Said], place: Place, safer: Path) -> None:
    before, after = vectors(place, place.model), vectors(place, safer)
    rows = np.sort(distinct(before["unsafe text"]))
    expected = spread_ratio(after["unsafe text"][rows], before["unsafe text"][rows])
    name = "spread ratio unsafe text"
    assert figure(evaluated[0], "structure", name, "ours") == pytest.approx(expected, rel=1e-4)
    weights = []
    for model in (place.model, safer):
        settings = EmbedSettings(model=str(model), device=Device.CPU, precision=Precision.FP32)
        state = create.load(str(settings.model), EncoderOptions.of(settings)).model.state_dict()  # type: ignore[attr-defined]
        weights.append({n: t for n, t in state.items() if n.startswith("visual.")})
    expected = weight_deviation(weights[1], weights[0])
    found = figure(evaluated[0], "structure", "weight deviation image", "ours")
    assert found == pytest.approx(expected, rel=1e-5)
    assert found > 0


def test_zero_shot_by_hand(evaluated: tuple[Path, Said], place: Place) -> None:
    found = vectors(place, place.model)
    settings = EmbedSettings(model=place.model, device=Device.CPU, precision=Precision.FP32)
    encoder = create.load(str(settings.model), EncoderOptions.of(settings))
    names = ("safe scene", "unsafe scene")
    texts = [one.format(c=name) for name in names for one in ("a {c}.", "a picture of a {c}.")]
    rows = encoder.encode_text(texts, lambda n: None).rows.reshape(2, 2, -1).mean(axis=1)
    classes = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    hits = np.concatenate(
        [
            (found[f"{side} image"] @ classes.T).argmax(axis=1) == number
            for number, side in enumerate(("safe", "unsafe"))
        ]
    )
    out = evaluated[0]
    assert figure(out, "zeroshot", "acc@1", dataset="scenes") == pytest.approx(hits.mean())
    content = result(out, "zeroshot", "base", "scenes")
    assert content["metrics"]["acc1"] == pytest.approx(hits.mean())
    assert content["nsfwcaps"]["facts"]["left_out"] == {"image_undecodable": 1}


def test_clip_benchmark_merges_the_files(
    evaluated: tuple[Path, Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = pytest.importorskip("clip_benchmark.cli")
    files = [str(path) for path in sorted(evaluated[0].glob("results/*/*/*.json"))]
    merged = tmp_path / "merged.csv"
    command = ["clip_benchmark", "build", *files, "--output", str(merged)]
    monkeypatch.setattr(sys, "argv", command)
    cli.main()
    csv.field_size_limit(10**7)
    with merged.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(files)
    (found,) = [row for row in rows if (row["task"], row["model"]) == ("retrieval", "ours")]
    metrics = result(evaluated[0], "retrieval", "ours")["metrics"]
    assert float(found["image_retrieval_recall@1"]) == metrics["T→V R@1"]
    assert found["model_fullname"] == "ours safer (tiny)"


def test_similarities_and_examples(evaluated: tuple[Path, Said], place: Place) -> None:
    out, _ = evaluated
    found = vectors(place, place.model)
    with np.load(out / "results" / "work" / "similarities" / "base.npz") as archive:
        cosines = archive["unsafe text\N{EN DASH}safe image"]
    expected = np.einsum("nd,nd->n", found["unsafe text"], found["safe image"])
    assert np.allclose(np.sort(cosines), np.sort(expected), atol=1e-5)
    content = json.loads((out / "results" / "work" / "examples.json").read_bytes())
    assert content["direction"] == "T*→V"
    for query in content["queries"]:
        assert query["caption"]
        assert query["thumbnail"]
        assert list(query["nearest"]) == ["base", "ours"]
        for nearest in query["nearest"].values():
            assert len(nearest) == 3
            sims = [item["cosine"] for item in nearest]
            assert sims == sorted(sims, reverse=True)
    best = content["queries"][0]["nearest"]["base"][0]
    row = next(
        n for n, r in enumerate(rows_of(place)) if r["unsafe_id"] == content["queries"][0]["id"]
    )
    sims = (
        found["unsafe text"][row] @ np.concatenate([found["safe image"], found["unsafe image"]]).T
    )
    assert best["cosine"] == pytest.approx(sims.max(), abs=1e-3)
    assert best["unsafe"] == (sims.argmax() >= len(rows_of(place)))


# Again, and after a change.


def no_model(*given: object) -> None:
    raise AssertionError("a model was loaded")


def options_of(place: Place, safer: Path, scenes: Path, evaluated: Path) -> list[str]:
    return [
        *models(place, safer),
        f"--zeroshot=scenes={scenes}",
        f"--templates={evaluated.parent / 'templates.txt'}",
        f"--unsafe-images=real={scenes / 'unsafe_scene'}",
    ]


def test_a_second_run_loads_no_model_and_changes_nothing(
    evaluated: tuple[Path, Said],
    place: Place,
    safer: Path,
    scenes: Path,
    copied: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = tree(copied)
    monkeypatch.setattr(create, "load", no_model)
    options = options_of(place, safer, scenes, evaluated[0])
    said = evaluate(place, copied, *options, "--json")
    assert said.code == 0
    assert {item["skipped"] for item in said.json["results"]} == {True}
    assert tree(copied) == before
    plan = evaluate(place, copied, *options, "--dry-run", "--json").json["plan"]
    assert {item["state"] for item in plan} == {"done"}


def test_a_run_that_was_killed_goes_on(
    place: Place,
    safer: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = tmp_path / "whole"
    given = [*models(place, safer), "--quiet"]
    assert evaluate(place, whole, *given).code == 0
    write, written = ResultFolder.write, []

    def dies(self: ResultFolder, *values: Any) -> None:
        if len(written) == 3:
            raise Killed
        written.append(values[0].place)
        write(self, *values)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(ResultFolder, "write", dies)
        with pytest.raises(Killed):
            evaluate(place, out, *given)
    plan = evaluate(place, out, *given, "--dry-run", "--json").json["plan"]
    assert sum(item["state"] == "done" for item in plan) == 3
    said = evaluate(place, out, *given, "--json")
    assert said.code == 0
    assert sum(item["skipped"] for item in said.json["results"]) == 3
    names = ("results.csv", "comparisons.json", "run.json")
    one, other = tree(whole), tree(out)
    same = [name for name in one if name.endswith(".json") and "/" in name]
    assert len(same) > 5
    for name in (*names[:2], *same):
        if "values_sha256" not in one[name].decode():  # its archive carries the time
            assert one[name] == other[name], name
    for task in TASKS:
        figures = [result(path, task, "ours")["nsfwcaps"]["figures"] for path in (whole, out)]
        assert figures[0] == figures[1]


def test_changed_data_is_noticed_and_its_vectors_are_kept(
    place: Place, safer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, out = place.copy(tmp_path / "work"), tmp_path / "out"
    given = models(place, safer)
    assert evaluate(own, out, *given).code == 0

    def change(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "category": "other"}

    rewrite(own, change)
    monkeypatch.setattr("nsfwcaps.encoders.clip.ClipEncoder.encode_text", no_model)
    said = evaluate(own, out, *given, "--json")
    assert said.code == 0, said.err
    assert {item["skipped"] for item in said.json["results"]} == {False}
    by_category = result(out, "preferences", "base")["nsfwcaps"]["by_category"]
    assert list(by_category["P_tu"]) == ["other"]


def test_damaged_results_are_made_again(place: Place, safer: Path, copied: Path) -> None:
    kept = result(copied, "retrieval", "base")["nsfwcaps"]["figures"]
    (copied / "results/work/retrieval/base.json").write_text("{")
    (copied / "results/work/preferences/ours.npz").write_bytes(b"broken")
    (copied / "comparisons.json").write_text("[")
    (copied / "results/work/examples.json").unlink()
    block = next(iter((copied / "vectors").glob("*.npy")))
    block.write_bytes(block.read_bytes()[:100])
    before = tree(copied)
    for options in ((), ("--dry-run",)):
        said = evaluate(place, copied, *models(place, safer), *options)
        assert said.code == 4
        assert "no longer given: data set scenes (2 results)" in said.err
        assert tree(copied) == before
    said = evaluate(place, copied, *models(place, safer), "--json", "--overwrite")
    assert said.code == 0, said.err
    made = {(i["task"], i["model"]) for i in said.json["results"] if not i["skipped"]}
    assert made == {("retrieval", "base"), ("preferences", "ours")}
    assert result(copied, "retrieval", "base")["nsfwcaps"]["figures"] == kept
    assert json.loads((copied / "comparisons.json").read_bytes())
    assert (copied / "results/work/examples.json").is_file()
    # Data sets that were not named this time are no part of it any more.
    assert not (copied / "results/scenes/zeroshot/base.json").exists()


def test_a_new_version_of_a_task_leaves_the_others_current(
    place: Place, safer: Path, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsfwcaps.evaluation.run._VERSIONS", {EvaluationTask.STRUCTURE: 0})
    said = evaluate(place, copied, *models(place, safer), "--json", "--overwrite")
    assert said.code == 0, said.err
    made = {(i["task"], i["model"]) for i in said.json["results"] if not i["skipped"]}
    assert made == {("structure", "ours")}


def test_what_generation_wrote_stays(place: Place, safer: Path, copied: Path) -> None:
    content = result(copied, "preferences", "base") | {"task": "text-to-image", "dataset": "i2p"}
    path = copied / "results/i2p/text-to-image/base.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    run = json.loads((copied / "run.json").read_bytes())
    run["detectors"] = [{"name": "some"}]
    run["datasets"]["i2p"] = {"digest": "0"}
    gap = {"model": "x", "dataset": "i2p", "task": "text-to-image", "reason": "gone"}
    run["missing"] = [gap, {**gap, "task": "retrieval"}]
    (copied / "run.json").write_text(json.dumps(run))
    judged = [t for t in json.loads((copied / "comparisons.json").read_bytes()) if t["primary"]]
    test = judged[0] | {"task": "text-to-image"}
    (copied / "comparisons.json").write_text(json.dumps([test | {"p": 0.0001}]))
    assert evaluate(place, copied, *models(place, safer), "--overwrite").code == 0
    run = json.loads((copied / "run.json").read_bytes())
    assert run["detectors"] == [{"name": "some"}]
    assert set(run["datasets"]) == {"i2p", "work"}
    assert run["missing"] == [gap]
    assert "i2p,text-to-image,base" in (copied / "results.csv").read_text()
    tests = json.loads((copied / "comparisons.json").read_bytes())
    (kept,) = [item for item in tests if item["task"] == "text-to-image"]
    assert kept["p_holm"] == pytest.approx(0.0001 * sum(test["primary"] for test in tests))


# What is wrong is named, and the rest goes on.


def missing(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((out / "run.json").read_bytes())["missing"]
    return found


def test_a_model_that_cannot_be_loaded_leaves_the_others(place: Place, tmp_path: Path) -> None:
    bad = f"--model=bad=local-dir:{tmp_path / 'nowhere'}"
    base = f"--model=base={place.model}"
    said = evaluate(place, tmp_path / "out", base, bad, "--suite=retrieval")
    assert said.code == 10
    assert said.err.endswith(
        "error: a part is missing: bad: --model bad: "
        f"'local-dir:{tmp_path / 'nowhere'}': there is no folder {tmp_path / 'nowhere'}; "
        "check its path\n"
    )
    assert "work, retrieval" in said.out
    assert [item["model"] for item in missing(tmp_path / "out")] == ["bad"]
    refused(evaluate(place, tmp_path / "other", bad, base), 5, "--model bad: 'local-dir")


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
@pytest.mark.parametrize("model", ["open_clip:ViT-B-32/opnai", "hf-hub:acme/clip"])
def test_models_are_looked_for_before_data_are_read(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, dry_run: Any
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://nowhere.invalid")
    reading = run.open_data
    monkeypatch.setattr(run, "open_data", lambda *given: pytest.fail("data were read"))
    other, base = f"--model=other={model}", f"--model=base={place.model}"
    said = evaluate(place, tmp_path / "out", other, base, *dry_run)
    refused(said, 5, f"--model other: '{model}'")
    assert not (tmp_path / "out" / "run.json").exists()
    monkeypatch.setattr(run, "open_data", reading)
    said = evaluate(place, tmp_path / "out", base, other, "--suite=retrieval", *dry_run)
    if dry_run:
        assert said.out.splitlines()[0] == "to do   work  retrieval  base"
        assert said.out.splitlines()[1].startswith(f"missing other: --model other: '{model}'")
    else:
        assert said.code == 10
        assert said.err.startswith(f"not evaluated: --model other: '{model}'")
        assert said.err.count("error: a part is missing: other: --model other") == 1


def test_a_damaged_run_is_named_once(place: Place, safer: Path, tmp_path: Path) -> None:
    shutil.copytree(safer / "model", tmp_path / "bad" / "model")
    (tmp_path / "bad" / "model" / "adapter.safetensors").write_bytes(b"broken")
    base = f"--model=base={place.model}"
    said = evaluate(place, tmp_path / "out", base, f"--model=bad={tmp_path / 'bad'}")
    assert said.code == 10
    assert said.err.count("is damaged") == 1


def test_a_model_whose_towers_do_not_meet(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = create.load

    class Apart:
        """Its pictures are a number longer than its texts."""

        def __init__(self, encoder: Any) -> None:
            self._encoder = encoder
            self.identity = encoder.identity
            self.encode_text = encoder.encode_text

        def encode_images(self, images: Any, advance: Any) -> Any:
            found = self._encoder.encode_images(images, advance)
            wide = np.zeros((len(found.rows), 33), dtype=np.float32)
            np.concatenate([np.empty((0, 32), dtype=np.float32), wide])
            return replace(found, rows=wide)

    monkeypatch.setattr(create, "load", lambda *given: Apart(real(*given)))
    said = evaluate(place, tmp_path / "out", f"--model=base={place.model}")
    refused(said, 5, "text vectors have width 32, image vectors have another")


def test_models_of_other_widths_have_no_structure(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support import training_place

    narrow = {**training_place.ARCHITECTURE, "embed_dim": 16}
    monkeypatch.setattr(training_place, "ARCHITECTURE", narrow)
    other = write_model(tmp_path / "narrow")
    given = (f"--model=base={place.model}", f"--model=narrow={other}")
    said = evaluate(place, tmp_path / "out", *given)
    assert said.code == 10
    assert "narrow, work, structure: vectors have width 16, those of base have width 32" in said.err
    assert figure(tmp_path / "out", "retrieval", "T→V R@1", "narrow") >= 0


def test_a_model_without_pictures_compares_captions(place: Place, tmp_path: Path) -> None:
    said = evaluate(place, tmp_path / "out", "--model=minilm", "--suite=retrieval,preferences")
    assert said.code == 10
    assert "minilm, work, preferences: the model cannot encode images" in said.err
    figures = result(tmp_path / "out", "retrieval", "minilm")["nsfwcaps"]["figures"]
    assert {name.split()[0] for name in figures} == {"T*→T"}


def test_data_without_the_columns_leaves_the_rest(place: Place, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"caption": "A cup."}\n')
    base = f"--model=base={place.model}"
    said = evaluate(place, tmp_path / "out", base, f"--data=bad={bad}", "--suite=retrieval")
    assert said.code == 10
    assert "bad: " in said.err
    assert "no caption columns found" in said.err
    assert "work, retrieval" in said.out
    refused(evaluate(place, tmp_path / "other", base, data=bad), 3, "nothing to evaluate")
    assert not (tmp_path / "other").exists()


def test_class_files_and_empty_classes(place: Place, scenes: Path, tmp_path: Path) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("one\ntwo\nthree\n")
    empty = tmp_path / "empty"
    (empty / "cups").mkdir(parents=True)
    (empty / "dogs").mkdir()
    shutil.copy(next((scenes / "safe_scene").iterdir()), empty / "cups")
    given = (f"--model=base={place.model}", f"--zeroshot=scenes={scenes}", "--suite=zeroshot")
    said = evaluate(place, tmp_path / "out", *given, f"--classes=scenes={classes}",
                    f"--zeroshot=empty={empty}")  # fmt: skip
    refused(said, 3, "names 3 classes but", "has 2 labels", "1 of 2 classes have no images (dogs)")
    said = evaluate(place, tmp_path / "out", *given, f"--zeroshot=empty={empty}")
    assert said.code == 10
    assert [(item["dataset"], item["task"]) for item in missing(tmp_path / "out")] == [
        ("empty", None)
    ]
    assert figure(tmp_path / "out", "zeroshot", "acc@1", dataset="scenes") >= 0


def test_tasks_that_were_asked_for_and_cannot_run(place: Place, tmp_path: Path) -> None:
    given = (f"--model=base={place.model}", "--suite=retrieval,structure,zeroshot,real-nsfw")
    said = evaluate(place, tmp_path / "out", *given)
    assert said.code == 10
    for told in ("needs two models", "add --zeroshot", "add --unsafe-images"):
        assert told in said.err
    # By default the data decides, and nothing is missing.
    assert evaluate(place, tmp_path / "default", f"--model=base={place.model}").code == 0


def test_pairs_without_images(place: Place, tmp_path: Path) -> None:
    names = ("unsafe_caption", "safe_caption")
    empty = {"safe_image": None, "unsafe_image": None}
    rows = [{**{name: row[name] for name in names}, **empty} for row in rows_of(place)]
    text = tmp_path / "pairs.jsonl"
    text.write_text("".join(json.dumps(row) + "\n" for row in rows))
    base = f"--model=base={place.model}"
    said = call("eval", base, f"--data={text}", f"--out={tmp_path / 'out'}", HOW[0], HOW[1])
    assert said.code == 0, said.err
    assert "T*→T R@1" in said.out
    assert "pairs: captions only, no images" in said.out
    assert "left out" not in said.out
    content = json.loads((tmp_path / "out/results/pairs/examples.json").read_bytes())
    assert content["direction"] == "T*→T"
    nearest = content["queries"][0]["nearest"]["base"]
    assert content["queries"][0]["caption"] not in [item["caption"] for item in nearest]


def test_a_folder_that_is_not_ours_is_left_alone(place: Place, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    base = f"--model=base={place.model}"
    refused(evaluate(place, tmp_path, base), 7, "other files (such as thesis.txt)")
    refused(evaluate(place, tmp_path / "thesis.txt", base), 7, "is a file")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--model=mini", "--suite=all"], "unknown task 'all'"),
        (["--model=mini", "--samples=99"], "eval.samples: must be greater than or equal to 100"),
        (["--model=mini", "--workers=0"], "eval.workers: must be greater than or equal to 1"),
        (["--model=nonsense"], "unknown model"),
        (["--model=a=mini", "--model=a=minilm"], "the name 'a' occurs twice"),
        (["--model=mini", "--classes=x"], "--classes needs a classification set; add --zeroshot"),
        (["--model=mini", "--zeroshot=work=x"], "two data sets are named 'work'"),
    ],
)
def test_wrong_options(place: Place, tmp_path: Path, options: list[str], told: str) -> None:
    refused(evaluate(place, tmp_path / "out", *options), 2, told)
    assert not (tmp_path / "out").exists()


def test_a_dry_run_writes_nothing(place: Place, safer: Path, tmp_path: Path) -> None:
    said = evaluate(place, tmp_path / "out", *models(place, safer), "--dry-run")
    assert said.code == 0
    assert said.out.splitlines() == [
        "to do   work  retrieval  base",
        "to do   work  preferences  base",
        "to do   work  retrieval  ours",
        "to do   work  preferences  ours",
        "to do   work  structure  ours",
    ]
    assert not (tmp_path / "out").exists()


def test_rows_that_cannot_be_used_are_told(place: Place, tmp_path: Path) -> None:
    row = {"unsafe_caption": "A handgun on a table.", "safe_caption": "A cup on a table."}
    rows = [row, {**row, "safe_image": "gone.png"}, {"unsafe_caption": "", "safe_caption": ""}]
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(json.dumps(item) + "\n" for item in rows))
    base = f"--model=base={place.model}"
    said = call("eval", base, f"--data={data}", f"--out={tmp_path / 'out'}", *HOW[:2])
    assert said.code == 0, said.err
    assert "pairs, left out: 1 caption_missing, 1 safe_image_missing" in said.out
