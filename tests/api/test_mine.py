"""`nsfwcaps.mine` and `grade`: the same numbers as the stages, on the same vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from support.chosen_vectors import ChosenVectors, Project
from support.ingest_place import table

import nsfwcaps
from nsfwcaps.artifacts import StageRecord
from nsfwcaps.enums import Device
from nsfwcaps.errors import ConfigError, DeviceError, InputError, RecallError
from nsfwcaps.pipeline import run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.grade.settings import GradeSettings
from nsfwcaps.vectors import index as index_module
from nsfwcaps.vectors.store import VectorTable

UNSAFE, SAFE, WIDTH = 90, 140, 24


@pytest.fixture
def embedded(project: Project) -> StageRecord:
    """Two pools of random unit vectors; some captions of both sides differ in case only."""
    values = np.random.default_rng(3).normal(size=(UNSAFE + SAFE, WIDTH)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    unsafe = [f"a handgun in drawer {n}" for n in range(UNSAFE)]
    safe = [f"A HANDGUN in drawer {n}!" if n < 20 else f"a spoon, {n}" for n in range(SAFE)]
    values[UNSAFE : UNSAFE + 20] = values[:20]  # the closest one is the text itself
    rows = dict(zip([*unsafe, *safe], values.tolist(), strict=True))
    project.ingest(unsafe, safe)
    return project.embed(ChosenVectors(rows))


def vectors(embedded: StageRecord) -> list[np.ndarray]:
    tables = [VectorTable(embedded.paths(label)) for label in ("unsafe", "safe")]
    return [item.read(0, item.rows) for item in tables]


def ids(embedded: StageRecord, label: str) -> list[str]:
    return table(embedded, label)["id"].to_pylist()


def as_arrays(embedded: StageRecord, mine: StageRecord, k: int) -> dict[str, Any]:
    """Pairs of the stage in the shape of what the function gives."""
    place = {item: row for row, item in enumerate(ids(embedded, "unsafe"))}
    target = {item: row for row, item in enumerate(ids(embedded, "safe"))}
    shape = (len(place), k)
    out: dict[str, Any] = {name: np.full(shape, np.nan, np.float32) for name in _COLUMNS}
    out["rows"] = np.full(shape, -1)
    for row in table(mine, "pairs").to_pylist():
        at = place[row["unsafe_id"]], row["rank"] - 1
        out["rows"][at] = target[row["safe_id"]]
        for name, column in _COLUMNS.items():
            out[name][at] = np.nan if row[column] is None else row[column]
    rejects = table(mine, "rejects").to_pylist() if mine.paths("rejects") else []
    out["reasons"] = {place[row["id"]]: row["reason"] for row in rejects}
    return out


_COLUMNS = {"cosines": "sim_text", "scores": "score", "margins": "margin"}

SETTINGS: list[dict[str, Any]] = [
    {"rank": "cosine"},
    {"rank": "cosine", "k": 4, "skip": "identical"},
    {"rank": "csls", "k": 3, "csls_k": 7},
    {"rank": "inverted-softmax", "k": 3},
    {"rank": "inverted-softmax", "k": 2, "beta": 5.0, "hub_cap": 2},
    {"rank": "cosine", "hub_cap": 1},
    {"rank": "csls", "k": 2, "reciprocal": 4},
    {"rank": "cosine", "k": 3, "min_similarity": 0.45},
    {"rank": "inverted-softmax", "k": 5, "min_similarity": 0.2, "reciprocal": 9, "hub_cap": 3},
    {"rank": "cosine", "k": 2, "candidates": 5, "memory": "32KiB"},
    {"rank": "cosine", "k": 2, "index": "IVF8,Flat", "min_recall": 0.5},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda item: " ".join(map(str, item.values())))
def test_function_and_stage_agree_in_every_bit(
    project: Project, embedded: StageRecord, settings: dict[str, Any]
) -> None:
    record = project.mine(**_typed(settings))
    names = project.captions()
    found = nsfwcaps.mine(
        *vectors(embedded),
        **settings,
        unsafe_captions=[names[item] for item in ids(embedded, "unsafe")],
        safe_captions=[names[item] for item in ids(embedded, "safe")],
        device="cpu",
    )
    expected = as_arrays(embedded, record, settings.get("k", 1))
    assert (found.rows >= 0).sum() > 20
    for name in ("rows", *_COLUMNS):
        np.testing.assert_array_equal(getattr(found, name), expected[name], err_msg=name)
    assert found.reasons == expected["reasons"]
    assert {**found.facts} == {**record.facts}
    for row in table(record, "pairs").to_pylist():
        assert found.density[ids(embedded, "unsafe").index(row["unsafe_id"])] == row["density"]
        assert found.hub_counts[ids(embedded, "safe").index(row["safe_id"])] == row["hub_count"]


def _typed(settings: dict[str, Any]) -> dict[str, Any]:
    """As the recipe's parser gives them to the stage."""
    from nsfwcaps import config
    from nsfwcaps.stages.mine.settings import MineSettings

    given = {**settings, "device": "cpu"}
    parsed = config.parse(MineSettings, given, where="mine")
    return {name: getattr(parsed, name) for name in given}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"similarity_weight": 2.0, "density_weight": 1.0},
        {"margin_weight": 0.0, "easy_share": 0.1, "hard_share": 0.5},
    ],
)
def test_grades_are_those_of_the_stage(
    project: Project, embedded: StageRecord, settings: dict[str, float]
) -> None:
    project.mine(k=3, device=Device.CPU)
    record = run_stage(STAGE["grade"], GradeSettings(**settings), project.workdir, Silent()).record
    names = project.captions()
    found = nsfwcaps.mine(
        *vectors(embedded),
        k=3,
        unsafe_captions=[names[item] for item in ids(embedded, "unsafe")],
        safe_captions=[names[item] for item in ids(embedded, "safe")],
        device="cpu",
    )
    graded = nsfwcaps.grade(found, **settings)
    rows = table(record, "pairs").to_pylist()
    assert len(rows) == int((found.rows >= 0).sum()) > 200
    place = {item: row for row, item in enumerate(ids(embedded, "unsafe"))}
    for row in rows:
        at = place[row["unsafe_id"]], row["rank"] - 1
        assert graded.difficulty[at] == row["difficulty"]
        assert graded.levels[at] == row["stage"]
    assert record.facts["borders"] == {
        "easy": graded.borders.easy,
        "medium": graded.borders.medium,
    }


# By hand

SQUARE = [[1.0, 0.0], [0.0, 1.0]]


def test_found_unpacks_into_rows_cosines_and_scores() -> None:
    rows, cosines, scores = nsfwcaps.mine(SQUARE, [[0, 1], [1, 0]], k=2, rank="cosine")
    assert rows.tolist() == [[1, 0], [0, 1]]
    assert cosines.tolist() == scores.tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert (rows.dtype, cosines.dtype, scores.dtype) == (np.int64, np.float32, np.float32)


def test_what_is_missing_is_minus_one_and_nan() -> None:
    found = nsfwcaps.mine(SQUARE, [[1, 0], [0.6, -0.8]], k=2, rank="cosine", min_similarity=0.1)
    assert found.rows.tolist() == [[0, 1], [-1, -1]]
    assert np.isnan(found.cosines).tolist() == [[False, False], [True, True]]
    assert np.isnan(found.scores).tolist() == [[False, False], [True, True]]
    assert np.isnan(found.margins).tolist() == [[False, True], [True, True]]
    assert found.reasons == {1: "below_min_similarity"}
    assert found.hub_counts.tolist() == [1, 1]
    assert (found.facts["pairs"], found.facts["pairs_missing"]) == (2, 2)
    assert repr(found) == "Mined(2 unsafe rows, k=2: 2 pairs, 1 rows without one)"


def test_rows_are_scaled_to_length_one() -> None:
    _, cosines, _ = nsfwcaps.mine([[3.0, 4.0]], [[0.0, 0.25]], rank="cosine")
    assert cosines.tolist() == [[float(np.float32(np.float16(0.8)))]]


def test_an_own_text_is_a_target_only_where_no_captions_are_given() -> None:
    texts = {"unsafe_captions": ["A vase!", "a cup"], "safe_captions": ["a vase", "a kite"]}
    plain = nsfwcaps.mine(SQUARE, SQUARE, rank="cosine")
    assert plain.rows.tolist() == [[0], [1]]
    assert nsfwcaps.mine(SQUARE, SQUARE, rank="cosine", **texts).rows.tolist() == [[1], [1]]
    exact = nsfwcaps.mine(SQUARE, SQUARE, rank="cosine", skip="identical", **texts)
    assert exact.rows.tolist() == [[0], [1]]


def _random(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 12)).astype(np.float32)


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        torch.from_numpy,
        lambda rows: torch.from_numpy(rows).requires_grad_(),
        np.ndarray.tolist,
        lambda rows: rows.astype(np.float64),
        lambda rows: np.asfortranarray(rows),
        lambda rows: rows[:, ::-1][:, ::-1],
        lambda rows: pa.FixedSizeListArray.from_arrays(rows.ravel(), 12).to_pylist(),
    ],
)
def test_any_array_gives_the_same(convert: Any) -> None:
    unsafe, safe = _random(20, 1), _random(30, 2)
    before = unsafe.copy()
    expected = nsfwcaps.mine(unsafe, safe, k=3)
    found = nsfwcaps.mine(convert(unsafe), convert(safe), k=3)
    for name in ("rows", "cosines", "scores", "margins", "density"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_array_equal(unsafe, before)


def test_cosine_rank_is_brute_force() -> None:
    unsafe, safe = _random(40, 3), _random(200, 4)
    halves = [
        (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(float)
        for rows in (unsafe, safe)
    ]
    sims = halves[0] @ halves[1].T
    found = nsfwcaps.mine(unsafe, safe, k=7, rank="cosine")
    order = np.argsort(-sims, axis=1, kind="stable")[:, :7]
    np.testing.assert_array_equal(found.rows, order)
    np.testing.assert_array_equal(
        found.cosines, np.take_along_axis(sims, order, axis=1).astype(np.float32)
    )


# What cannot work

ONE = [[1.0, 0.0]]


@pytest.mark.parametrize(
    ("unsafe", "safe", "says"),
    [
        ([1.0, 0.0], ONE, r"unsafe_vectors: expected floats \[n, d\], got float64 \[2\]"),
        (
            ONE,
            np.zeros((2, 3, 4)),
            r"safe_vectors: expected floats \[n, d\], got float64 \[2, 3, 4",
        ),
        (ONE, [["a", "b"]], r"safe_vectors: expected floats \[n, d\], got <U1"),
        (ONE, [[1.0], [1.0, 2.0]], "safe_vectors: .*rows must have the same length"),
        (ONE, [[True, False]], r"safe_vectors: expected floats \[n, d\], got bool"),
        (
            ONE,
            [[0.0, 0.0], [1.0, 0.0]],
            r"safe_vectors: 1 of 2 rows are zero or not finite \(row 0",
        ),
        ([[np.nan, 1.0]], ONE, "unsafe_vectors: 1 of 1 rows are zero or not finite"),
        ([[np.inf, 1.0]], ONE, "unsafe_vectors: 1 of 1 rows are zero or not finite"),
        (ONE, [[1.0, 0.0, 0.0]], "unsafe_vectors have width 2 and safe_vectors 3"),
        (np.empty((0, 2)), ONE, "unsafe_vectors: expected at least one row, got none"),
        (ONE, np.empty((0, 2)), "safe_vectors: expected at least one row, got none"),
        (ONE, np.empty((3, 0)), r"safe_vectors: expected floats \[n, d\], got float64 \[3, 0\]"),
        (ONE, None, r"safe_vectors: expected floats \[n, d\], got object"),
    ],
)
def test_arrays_that_cannot_be_mined_are_named(unsafe: Any, safe: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        nsfwcaps.mine(unsafe, safe)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"k": 3}, "k=3 needs at least as many safe captions, got 2"),
        ({"k": 0}, "mine.k: "),
        ({"rank": "nearest"}, "mine.rank: must be 'cosine', 'csls' or 'inverted-softmax'"),
        ({"hubcap": 1}, "mine.hubcap: unknown key; did you mean 'hub_cap'"),
        ({"min_similarity": 2}, "mine.min_similarity"),
        ({"k": 2, "candidates": 1}, r"candidates \(1\) must be at least k \(2\)"),
        ({"index": "nonsense"}, "FAISS does not accept 'nonsense'"),
    ],
)
def test_wrong_options_are_config_errors(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        nsfwcaps.mine(SQUARE, SQUARE, **options)


def test_every_wrong_option_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        nsfwcaps.mine(SQUARE, SQUARE, k=-1, beta=0, memory="much")
    assert {line.partition(":")[0] for line in str(raised.value).splitlines()} == {
        "mine.k",
        "mine.beta",
    }


@pytest.mark.parametrize(
    ("captions", "says"),
    [
        ({"unsafe_captions": ["a", "b"]}, "captions given for one side only"),
        (
            {"unsafe_captions": ["a", "b"], "safe_captions": ["a"]},
            "safe_captions: 1 captions for 2 rows",
        ),
    ],
)
def test_captions_must_match_the_rows(captions: dict[str, Sequence[str]], says: str) -> None:
    with pytest.raises(InputError, match=says):
        nsfwcaps.mine(SQUARE, SQUARE, **captions)


def test_an_index_that_misses_too_much_is_refused() -> None:
    with pytest.raises(RecallError, match="finds"):
        nsfwcaps.mine(
            _random(60, 5),
            _random(400, 6),
            index="IVF16,Flat",
            index_parameters="nprobe=1",
            min_recall=0.999,
        )


def test_an_absent_device_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "gpu_count", lambda: 0)
    with pytest.raises(DeviceError, match="no GPU"):
        nsfwcaps.mine(SQUARE, SQUARE, device="cuda")


# Grading by hand


def test_pairs_that_are_missing_have_no_grade() -> None:
    found = nsfwcaps.mine(
        [[1, 0], [0.8, 0.6], [0, -1]], [[1, 0]], rank="cosine", min_similarity=0.5
    )
    graded = nsfwcaps.grade(found)
    assert graded.levels.tolist() == [["easy"], ["hard"], [""]]
    assert graded.difficulty[:2].tolist() == [[0.25], [0.75]]  # without margins, they say a half
    assert np.isnan(graded.difficulty[2]).all()
    assert repr(graded) == "Graded(1 easy, 1 hard)"


def test_nothing_to_grade_is_an_input_error() -> None:
    found = nsfwcaps.mine(SQUARE, [[-1, -1]], min_similarity=0.9)
    with pytest.raises(InputError, match="no pairs to grade"):
        nsfwcaps.grade(found)


def test_wrong_weights_are_config_errors() -> None:
    found = nsfwcaps.mine(SQUARE, SQUARE)
    with pytest.raises(ConfigError, match="at least one of the three weights"):
        nsfwcaps.grade(found, similarity_weight=0, margin_weight=0)
