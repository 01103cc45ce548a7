"""mine: the closest safe counterparts, on vectors whose cosines are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.chosen_vectors import ChosenVectors, Project, at, rows
from support.ingest_place import Place, table
from support.stopped_search import stop_after
from support.tensor_cores import TensorCores

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.captions.normalize import content_id, fold_key, pair_id
from nsfwcaps.config import parse_bytes
from nsfwcaps.enums import Device, Duplicates, Rank
from nsfwcaps.errors import ArtifactError, ConfigError, DeviceError, InputError, RecallError
from nsfwcaps.mining import approximate
from nsfwcaps.pipeline import plan_stage
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.mine import prepare
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.stages.mine.text_keys import text_keys
from nsfwcaps.vectors import index as index_module
from nsfwcaps.vectors import nearest
from nsfwcaps.vectors.nearest import blocks_for
from nsfwcaps.vectors.store import VectorTable

PLAIN = {"rank": Rank.COSINE, "device": Device.CPU}

GUN, KNIFE, FIRE = "a handgun on a table", "a knife on a table", "a car on fire"
VASE, DOG, KITE, CAR = "a vase on a table", "a dog on a beach", "a kite", "a car in a garage"

Vectors = dict[str, Sequence[float]]


@pytest.fixture
def project(place: Place, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(place, monkeypatch)


def mined(project: Project, unsafe: Vectors, safe: Vectors, **settings: Any) -> StageRecord:
    """Take two pools of chosen vectors through to pairs."""
    project.ingest(list(unsafe), list(safe))
    project.embed(ChosenVectors(unsafe | safe))
    return project.mine(**PLAIN | settings)


def pairs(project: Project, record: StageRecord) -> list[tuple[str, str]]:
    """Unsafe and safe caption of every pair, by unsafe caption and rank."""
    names = project.captions()
    found = sorted(rows(record, "pairs"), key=lambda row: (names[row["unsafe_id"]], row["rank"]))
    return [(names[row["unsafe_id"]], names[row["safe_id"]]) for row in found]


def rejects(project: Project, record: StageRecord) -> dict[str, str]:
    names = project.captions()
    return {names[row["id"]]: row["reason"] for row in rows(record, "rejects")}


def only(record: StageRecord) -> dict[str, Any]:
    (row,) = rows(record, "pairs")
    return row


# Known geometry


def test_each_unsafe_caption_gets_its_closest_safe_one(project: Project) -> None:
    record = mined(
        project,
        {GUN: at(0), KNIFE: at(50), FIRE: at(100)},
        {VASE: at(10), DOG: at(80), KITE: at(170), CAR: at(45)},
    )
    assert pairs(project, record) == [(FIRE, DOG), (GUN, VASE), (KNIFE, CAR)]
    assert (record.rows_in, record.rows_out, record.rejects) == (3, 3, {})
    assert record.facts["pairs_missing"] == 0


def test_the_columns_of_a_pair_by_hand(project: Project) -> None:
    record = mined(
        project,
        {GUN: [1, 0], KNIFE: [0.5, 0.75]},
        {VASE: [0.5, 0.5], DOG: [0.25, 0.75], KITE: [-0.5, 0.25]},
        k=2,
    )
    names = project.captions()
    by = {(names[r["unsafe_id"]], r["rank"]): r for r in rows(record, "pairs")}
    assert by.keys() == {(GUN, 1), (GUN, 2), (KNIFE, 1), (KNIFE, 2)}
    # Inner products with (0.5, 0.5), (0.25, 0.75), (−0.5, 0.25), all exact in half precision.
    first, second = by[GUN, 1], by[GUN, 2]
    assert (names[first["safe_id"]], first["sim_text"], first["margin"]) == (VASE, 0.5, 0.25)
    assert (names[second["safe_id"]], second["sim_text"], second["margin"]) == (DOG, 0.25, 0.75)
    assert first["density"] == second["density"] == np.float32((0.5 + 0.25 - 0.5) / 3)
    first, second = by[KNIFE, 1], by[KNIFE, 2]
    assert (names[first["safe_id"]], first["sim_text"], first["margin"]) == (DOG, 0.6875, 0.0625)
    assert (names[second["safe_id"]], second["sim_text"], second["margin"]) == (VASE, 0.625, 0.6875)
    assert first["density"] == np.float32((0.6875 + 0.625 - 0.0625) / 3)
    assert {r["hub_count"] for r in by.values()} == {2}
    assert {r["provenance"] for r in by.values()} == {"mined:cosine:chosen"}
    assert all(r["score"] == r["sim_text"] for r in by.values())
    for row in by.values():
        assert row["pair_id"] == pair_id(row["unsafe_id"], row["safe_id"])
    assert record.facts["hubs"] == {
        "distinct_targets": 2,
        "largest_hub": 2,
        "largest_share": 0.5,
        "gini": 0.0,
    }


def test_the_last_candidate_has_no_margin(project: Project) -> None:
    record = mined(project, {GUN: at(0)}, {VASE: at(10)})
    assert only(record)["margin"] is None


def test_density_is_of_the_ten_nearest_only(project: Project) -> None:
    safe: Vectors = {f"a vase on shelf {n}": [0.5, 0] for n in range(10)}
    safe |= {f"a dog on beach {n}": [-1, 0] for n in range(5)}
    assert only(mined(project, {GUN: [1, 0]}, safe))["density"] == 0.5


def test_hub_count_is_of_the_whole_run(project: Project) -> None:
    unsafe = {f"a handgun in drawer {n}": at(n) for n in range(5)}
    record = mined(project, unsafe | {FIRE: at(90)}, {VASE: at(2), DOG: at(80)}, memory="1KiB")
    names = project.captions()
    counts = {names[row["safe_id"]]: row["hub_count"] for row in rows(record, "pairs")}
    assert counts == {VASE: 5, DOG: 1}
    assert blocks_for(1024, 2, 2).queries == 1, "one unsafe caption a block"
    assert record.facts["hubs"]["largest_hub"] == 5


def test_equal_cosines_go_by_safe_id(project: Project) -> None:
    safe: Vectors = {f"a vase on shelf {n}": at(20) for n in range(30)}
    record = mined(project, {GUN: at(0)}, safe, k=3)
    got = [row["safe_id"] for row in sorted(rows(record, "pairs"), key=lambda row: row["rank"])]
    assert got == sorted(i for i, name in project.captions().items() if name in safe)[:3]


# Who may be a target


def test_text_that_differs_in_case_or_punctuation_only_is_no_target(project: Project) -> None:
    safe = {"A handgun, on a TABLE!": at(0), VASE: at(30)}
    assert pairs(project, mined(project, {GUN: at(0)}, safe)) == [(GUN, VASE)]


def test_only_identical_text_is_skipped_where_that_is_asked(project: Project) -> None:
    close = "A handgun, on a TABLE!"
    record = mined(project, {GUN: at(0)}, {close: at(0), VASE: at(30)}, skip=Duplicates.IDENTICAL)
    assert pairs(project, record) == [(GUN, close)]


@pytest.mark.parametrize("skip", list(Duplicates))
def test_identical_text_under_another_picture_is_no_target(
    project: Project, skip: Duplicates
) -> None:
    project.ingest([{"caption": GUN, "picture": b"one"}], [GUN, VASE])
    project.embed(ChosenVectors({GUN: at(0), VASE: at(30)}), images=False)
    record = project.mine(**PLAIN, skip=skip)
    assert pairs(project, record) == [(GUN, VASE)]
    assert only(record)["density"] == pytest.approx(np.cos(np.radians(30)), abs=1e-3)


def test_identical_text_has_one_key_under_any_picture_and_in_one_case_only(tmp_path: Path) -> None:
    """Ingest drops such safe captions already; a vector table made otherwise may hold them."""
    other = "A handgun on a table."
    ids = [content_id(GUN), content_id(GUN, "ab" * 32), content_id(other), content_id(VASE)]
    folds = [fold_key(name) for name in (GUN, GUN, other, VASE)]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(8, np.float16)), 2)
    columns = {"id": ids, "fold_key": pa.array(folds, pa.uint64()), "vector": vectors}
    pq.write_table(pa.table(columns), tmp_path / "safe.parquet")
    of = VectorTable([tmp_path / "safe.parquet"])
    exact = text_keys(of, Duplicates.IDENTICAL).tolist()
    assert exact[0] == exact[1]
    assert len(set(exact)) == 3
    near = text_keys(of, Duplicates.NEAR_IDENTICAL).tolist()
    assert near[0] == near[1] == near[2] != near[3]


def test_a_caption_with_nothing_but_its_own_text_is_rejected(project: Project) -> None:
    record = mined(project, {GUN: at(0), FIRE: at(9)}, {"A handgun on a table.": at(1)})
    assert rejects(project, record) == {GUN: "only_its_own_text"}
    assert pairs(project, record) == [(FIRE, "A handgun on a table.")]


@pytest.mark.parametrize(("floor", "kept"), [(0.5, True), (0.501, False)])
def test_min_similarity_includes_its_value(project: Project, floor: float, kept: bool) -> None:
    record = mined(project, {GUN: [1, 0]}, {VASE: [0.5, 0.75]}, min_similarity=floor)
    assert pairs(project, record) == ([(GUN, VASE)] if kept else [])
    assert rejects(project, record) == ({} if kept else {GUN: "below_min_similarity"})


def test_reciprocal_asks_the_target_back(project: Project) -> None:
    unsafe, safe = {GUN: at(0), KNIFE: at(5)}, {VASE: at(4)}
    record = mined(project, unsafe, safe, reciprocal=1)
    assert pairs(project, record) == [(KNIFE, VASE)]
    assert rejects(project, record) == {GUN: "not_reciprocal"}
    assert pairs(project, project.mine(**PLAIN, reciprocal=2)) == [(GUN, VASE), (KNIFE, VASE)]
    assert pairs(project, project.mine(**PLAIN, reciprocal=50)) == [(GUN, VASE), (KNIFE, VASE)]


def test_hub_cap_gives_the_next_best_and_says_who_found_none(project: Project) -> None:
    unsafe = {GUN: at(0), KNIFE: at(4), FIRE: at(9)}
    record = mined(project, unsafe, {VASE: at(3), DOG: at(40)}, hub_cap=1)
    # Vase is 1° from the knife; of the others the fire is closer to the dog.
    assert pairs(project, record) == [(FIRE, DOG), (KNIFE, VASE)]
    assert rejects(project, record) == {GUN: "targets_full"}
    assert record.facts["hubs"]["largest_hub"] == 1
    names = project.captions()
    ranks = {names[row["safe_id"]]: row["rank"] for row in rows(record, "pairs")}
    assert ranks == {VASE: 1, DOG: 1}


def test_the_first_condition_that_leaves_nothing_is_the_reason(project: Project) -> None:
    unsafe = {GUN: [1, 0, 0], KNIFE: [0, 1, 0], FIRE: [0, 0, 1], "a fist": [0, 0.75, 0.5]}
    safe = {"A handgun on a table!": [1, 0, 0], VASE: [-1, 0.75, 0]}
    record = mined(project, unsafe, safe, min_candidate_similarity=0.5, reciprocal=1)
    assert rejects(project, record) == {
        GUN: "below_min_candidate_similarity",  # the vase is another text, at −1
        FIRE: "below_min_candidate_similarity",
        "a fist": "not_reciprocal",
    }
    assert pairs(project, record) == [(KNIFE, VASE)]
    assert record.rejects == {"below_min_candidate_similarity": 2, "not_reciprocal": 1}


def test_the_floor_of_pairs_is_the_last_condition(project: Project) -> None:
    unsafe = {GUN: [1, 0, 0], KNIFE: [0, 1, 0], FIRE: [0, 0.25, 0], "a fist": [0, 0.75, 0.5]}
    safe = {VASE: [-1, 0.75, 0], DOG: [0, 0.25, 0.25]}
    record = mined(project, unsafe, safe, hub_cap=1, min_similarity=0.5)
    # The knife takes the vase, the fist the dog; the floor comes after the cap, and frees neither.
    assert pairs(project, record) == [(KNIFE, VASE)]
    assert rejects(project, record) == {
        GUN: "targets_full",
        FIRE: "targets_full",
        "a fist": "below_min_similarity",
    }
    assert record.facts["pairs_below_min_similarity"] == 1
    assert (record.facts["hubs"]["distinct_targets"], record.facts["pairs_missing"]) == (1, 3)


def test_fewer_than_k_are_never_padded(project: Project) -> None:
    record = mined(
        project,
        {GUN: at(0), FIRE: at(90)},
        {VASE: at(10), DOG: at(20), KITE: at(100)},
        k=3,
        min_similarity=0.5,
    )
    assert pairs(project, record) == [(FIRE, KITE), (GUN, VASE), (GUN, DOG)]
    assert record.facts["pairs_missing"] == 3
    assert record.facts["pairs"] == 3


# Pictures


def test_similarities_of_pictures_by_hand(project: Project) -> None:
    project.ingest(
        [{"caption": GUN, "picture": b"gun"}, {"caption": KNIFE, "picture": b"knife"}, FIRE],
        [{"caption": VASE, "picture": b"vase"}, DOG],
    )
    text = {GUN: [1, 0], KNIFE: [0, 1], FIRE: [0.5, 0.25], VASE: [0.75, 0], DOG: [0, 0.75]}
    pictures = {b"gun": [0.5, 0.5], b"knife": [0.25, 0.5], b"vase": [0.5, 0.75]}
    project.embed(ChosenVectors(text, pictures))
    record = project.mine(**PLAIN)
    names = project.captions()
    got = {
        (names[row["unsafe_id"]], names[row["safe_id"]]): (row["sim_image"], row["sim_cross"])
        for row in rows(record, "pairs")
    }
    assert got == {
        (GUN, VASE): (0.625, 0.5),  # (½, ½)·(½, ¾) and (1, 0)·(½, ¾)
        (KNIFE, DOG): (None, None),  # the dog has no picture
        (FIRE, VASE): (None, 0.4375),  # the fire has none: (½, ¼)·(½, ¾)
    }


def test_captions_and_pictures_of_other_widths_are_not_crossed(project: Project) -> None:
    project.ingest([{"caption": GUN, "picture": b"gun"}], [{"caption": VASE, "picture": b"vase"}])
    pictures = {b"gun": [1, 0, 0], b"vase": [0.5, 0.5, 0.5]}
    project.embed(ChosenVectors({GUN: [1, 0], VASE: [0.75, 0]}, pictures))
    row = only(project.mine(**PLAIN))
    assert (row["sim_image"], row["sim_cross"]) == (0.5, None)


def test_without_pictures_their_similarities_are_null(project: Project) -> None:
    row = only(mined(project, {GUN: at(0)}, {VASE: at(10)}))
    assert (row["sim_image"], row["sim_cross"]) == (None, None)


def test_cosines_never_exceed_one(project: Project) -> None:
    """In half precision, this row is longer than one."""
    row = at(37)
    length = float(np.square(halves([row])[0].astype(np.float64)).sum())
    assert 1.0005 < length < 1.0007
    project.ingest([{"caption": GUN, "picture": b"gun"}], [{"caption": VASE, "picture": b"vase"}])
    project.embed(ChosenVectors({GUN: row, VASE: row}, {b"gun": row, b"vase": row}))
    found = only(project.mine(**PLAIN))
    assert [found[name] for name in ("sim_text", "sim_image", "sim_cross", "density")] == [1.0] * 4
    assert found["score"] == np.float32(length)


# Against dense matrices


def random_pools(unsafe: int, safe: int, width: int = 24, seed: int = 0) -> tuple[Vectors, Vectors]:
    values = np.random.default_rng(seed).normal(size=(unsafe + safe, width))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    one = {f"a handgun in drawer {n}": values[n].tolist() for n in range(unsafe)}
    two = {f"a spoon in drawer {n}": values[unsafe + n].tolist() for n in range(safe)}
    return one, two


def dense(
    project: Project, unsafe: Vectors, safe: Vectors
) -> tuple[list[str], list[str], np.ndarray]:
    """Captions of both sides in the order of their ids, and all cosines between them."""
    ordered = [name for _, name in sorted(project.captions().items())]
    left = [name for name in ordered if name in unsafe]
    right = [name for name in ordered if name in safe]
    both = [
        halves([of[name] for name in names]).astype(np.float64)
        for names, of in ((left, unsafe), (right, safe))
    ]
    return left, right, both[0] @ both[1].T


def halves(values: Sequence[Sequence[float]]) -> np.ndarray:
    """As embed stores them: an encoder gives singles, and these are rounded to halves."""
    return np.float16(np.float32(values))


def expected(left: list[str], right: list[str], scores: np.ndarray, k: int) -> list[tuple]:
    # Scores are singles; those that are equal go by row.
    order = np.argsort(-np.float32(scores), axis=1, kind="stable")[:, :k]
    chosen = [
        (left[row], right[column])
        for row in range(len(left))
        for column in order[row]
        if np.isfinite(scores[row, column])
    ]
    return sorted(chosen, key=lambda pair: pair[0])


@pytest.mark.parametrize("rank", list(Rank))
def test_every_rank_follows_its_formula(project: Project, rank: Rank) -> None:
    unsafe, safe = random_pools(60, 90)
    record = mined(project, unsafe, safe, rank=rank, k=3, csls_k=7, beta=15.0)
    left, right, sims = dense(project, unsafe, safe)
    penalty = {
        Rank.COSINE: np.zeros(90),
        Rank.CSLS: np.sort(sims, axis=0)[-7:].mean(axis=0) / 2,
        Rank.INVERTED_SOFTMAX: np.log(np.exp(15 * sims).mean(axis=0)) / 15,
    }[rank]
    assert pairs(project, record) == expected(left, right, sims - penalty, 3)
    names = project.captions()
    for row in rows(record, "pairs"):
        u, s = left.index(names[row["unsafe_id"]]), right.index(names[row["safe_id"]])
        assert row["sim_text"] == np.float32(sims[u, s])
        assert row["score"] == pytest.approx(sims[u, s] - penalty[s], abs=1e-6)
        following = np.sort(sims[u] - penalty)[::-1][row["rank"]]
        assert row["margin"] == pytest.approx(row["score"] - following, abs=1e-6)
        assert row["density"] == pytest.approx(np.sort(sims[u])[-10:].mean(), abs=1e-6)


@pytest.mark.parametrize("neighbours", [1, 3, 10])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_reciprocal_pairs_are_those_of_the_dense_matrix(
    project: Project, neighbours: int, seed: int
) -> None:
    """A cosine at the edge is the same from both sides: none is lost to its last bit."""
    unsafe, safe = random_pools(70, 80, seed=seed)
    near_copies(unsafe)
    near_copies(safe)
    record = mined(project, unsafe, safe, reciprocal=neighbours, k=2)
    left, right, sims = dense(project, unsafe, safe)
    sims = np.float32(sims)
    reach = np.sort(sims, axis=0)[-neighbours]
    allowed = np.where(sims >= reach, sims, -np.inf)
    assert pairs(project, record) == expected(left, right, allowed, 2)


def near_copies(pool: Vectors) -> None:
    """Make some vectors differ from another's by less than single precision can tell."""
    names = sorted(pool)
    for name, other in zip(names[::4], names[1::4], strict=False):
        row = np.float16(pool[other])
        smallest = int(np.argmin(np.abs(row)))
        row[smallest] = np.nextafter(row[smallest], np.float16(1))
        pool[name] = row.tolist()


def test_every_unsafe_caption_ends_as_pairs_or_as_a_reject(project: Project) -> None:
    unsafe, safe = random_pools(80, 60, width=6)
    record = mined(
        project, unsafe, safe, k=2, min_similarity=0.6, reciprocal=5, hub_cap=2, memory="16KiB"
    )
    ids = [row["id"] for row in rows(record, "rejects")]
    paired = {row["unsafe_id"] for row in rows(record, "pairs")}
    assert len(ids) == len(set(ids))
    assert not paired & set(ids)
    assert {project.captions()[item] for item in paired | set(ids)} == set(unsafe)
    assert record.rejects.keys() == {"below_min_similarity", "not_reciprocal", "targets_full"}
    assert sum(record.rejects.values()) == len(ids)
    targets = [row["safe_id"] for row in rows(record, "pairs")]
    assert max(targets.count(item) for item in targets) == 2
    assert record.facts["pairs_missing"] == 2 * 80 - len(targets)


def whole(record: StageRecord) -> list[dict[str, Any]]:
    """Every cell of every pair and reject."""
    return [*rows(record, "pairs"), *rows(record, "rejects")]


@pytest.mark.parametrize("rank", list(Rank))
def test_memory_and_shards_do_not_change_one_bit(
    place: Place, monkeypatch: pytest.MonkeyPatch, rank: Rank
) -> None:
    unsafe, safe = random_pools(90, 150, width=384)
    near_copies(safe)
    results, blocks = [], []
    for name, memory, shard_rows in (
        ("a", "1GiB", 10_000),
        ("b", "512KiB", 37),
        ("c", "160KiB", 9),
    ):
        project = Project(Place(place.folder / name), monkeypatch)
        project.ingest(list(unsafe), list(safe), shard_rows=shard_rows)
        project.embed(ChosenVectors(unsafe | safe))
        settings = {"k": 2, "reciprocal": 20, "hub_cap": 3, "min_similarity": 0.05}
        record = project.mine(rank=rank, device=Device.CPU, memory=memory, **settings)
        results.append((record.output_digest, whole(record), record.facts["hubs"]))
        queries = blocks_for(parse_bytes(memory), 384, 100).queries
        blocks.append(-(-len(unsafe) // queries))
    assert blocks == [1, 6, 18]
    assert len(results[0][1]) > 100
    assert results[0] == results[1] == results[2]


# Another device


class TwoGpus(TensorCores):
    """Pretended GPUs that hold all rows or parts of 40, and return at most 16 of a search."""

    def __init__(self, asked: Device) -> None:
        super().__init__(lanes=2, max_k=16)
        self.engine = "tiles"

    @property
    def device(self) -> str:
        return "cuda"


@pytest.mark.parametrize("part_rows", [None, 40])
@pytest.mark.parametrize("rank", [Rank.COSINE, Rank.CSLS])
def test_other_hardware_does_not_change_one_bit(
    project: Project, rank: Rank, part_rows: int | None
) -> None:
    unsafe, safe = random_pools(50, 150, width=64)
    near_copies(safe)
    settings = {"rank": rank, "k": 3, "reciprocal": 12}
    ours = mined(project, unsafe, safe, **settings)
    before = whole(ours)
    project.monkeypatch.setattr(prepare, "BlockSearch", TwoGpus)
    project.monkeypatch.setattr(nearest, "rows_that_fit", lambda width, search: part_rows)
    # Another `recall_sample` changes nothing in exact search, and makes the stage run again.
    theirs = project.mine(device=Device.AUTO, recall_sample=7, **settings)
    assert (ours.facts["device"], theirs.facts["device"]) == ("cpu", "cuda")
    assert (ours.facts["engine"], theirs.facts["engine"]) == ("faiss", "tiles")
    assert whole(theirs) == before


def test_a_device_that_is_absent_stops_the_run(project: Project) -> None:
    project.monkeypatch.setattr(index_module, "gpu_count", lambda: 0)
    with pytest.raises(DeviceError, match="FAISS finds no GPU"):
        mined(project, {GUN: at(0)}, {VASE: at(10)}, device=Device.CUDA)


def test_candidates_beyond_what_a_gpu_returns_at_once_are_found_in_passes(
    project: Project,
) -> None:
    unsafe, safe = random_pools(20, 150, width=64)
    settings = {"rank": Rank.CSLS, "k": 70, "candidates": 140}
    before = whole(mined(project, unsafe, safe, **settings))
    project.monkeypatch.setattr(prepare, "BlockSearch", TwoGpus)
    assert whole(project.mine(device=Device.CUDA, recall_sample=7, **settings)) == before


# What cannot work


@pytest.mark.parametrize("absent", ["unsafe", "safe"])
def test_an_empty_side_is_named(project: Project, absent: str) -> None:
    pools = {"unsafe": [GUN], "safe": [VASE]} | {absent: []}
    project.ingest(**pools)
    project.embed(ChosenVectors({GUN: at(0), VASE: at(10)}))
    with pytest.raises(
        InputError, match=f"mine: no {absent} captions; add a pool to ingest with --{absent}"
    ):
        project.mine(**PLAIN)


def test_k_beyond_the_safe_pool_is_a_config_error(project: Project) -> None:
    with pytest.raises(ConfigError, match="k=3 needs at least as many safe captions, got 2"):
        mined(project, {GUN: at(0)}, {VASE: at(10), DOG: at(20)}, k=3)


def test_mining_before_embedding_names_the_command(project: Project) -> None:
    project.ingest([GUN], [VASE])
    with pytest.raises(ArtifactError, match="run 'nsfwcaps embed"):
        project.mine()


def test_plan_counts_comparisons(project: Project) -> None:
    project.ingest([GUN, KNIFE], [VASE, DOG, KITE])
    project.embed(ChosenVectors({name: at(0) for name in (GUN, KNIFE, VASE, DOG, KITE)}))
    facts = plan_stage(STAGE["mine"], MineSettings(), project.workdir)
    assert (facts["unsafe"], facts["safe"], facts["comparisons"]) == (2, 3, 6)


# Resuming


def test_candidates_that_were_found_are_not_searched_again(project: Project) -> None:
    unsafe, safe = random_pools(30, 40)
    searched = stop_after(project, 3)
    with pytest.raises(KeyboardInterrupt):
        mined(project, unsafe, safe, memory="64KiB")
    done = sum(searched)
    assert 0 < done < 30
    again = stop_after(project, 10**9)
    record = project.mine(**PLAIN, memory="64KiB")
    assert sum(again) == 30 - done
    left, right, sims = dense(project, unsafe, safe)
    assert pairs(project, record) == expected(left, right, sims, 1)


def test_a_search_in_parts_resumes_and_leaves_no_trace(project: Project) -> None:
    """Two GPUs hold 16 of 40 safe captions each; the third part follows when both are done."""
    unsafe, safe = random_pools(30, 40)
    before = whole(mined(project, unsafe, safe, memory="64KiB"))
    project.monkeypatch.setattr(prepare, "BlockSearch", TwoGpus)
    project.monkeypatch.setattr(nearest, "rows_that_fit", lambda width, search: 16)
    settings = {**PLAIN, "memory": "64KiB", "recall_sample": 7}
    stop_after(project, 6)
    with pytest.raises(KeyboardInterrupt):
        project.mine(**settings)
    folder = project.workdir / "mine"
    kept = len([*folder.glob("parts-*.parquet")])
    assert 0 < kept <= 6  # of two lanes, one may be ahead of the other when it stops
    searched = stop_after(project, 10**9)
    record = project.mine(**settings)
    blocks = -(-30 // blocks_for(parse_bytes("64KiB"), 24, 40).queries)
    assert len(searched) == 3 * blocks - kept
    assert whole(record) == before
    assert not [*folder.glob("parts-*.parquet")]


def test_steps_on_the_way_are_removed_when_the_stage_is_done(project: Project) -> None:
    record = mined(project, {GUN: at(0), KNIFE: at(50)}, {VASE: at(10)}, rank=Rank.CSLS)
    left = {path.name for path in (project.workdir / "mine").glob("*.parquet")}
    assert left == {file.path for file in record.files}
    assert not any(name.startswith(("candidates", "targets")) for name in left)


def test_a_failed_run_on_other_pictures_leaves_the_last_one_whole(project: Project) -> None:
    text = {GUN: [1, 0], VASE: [0.75, 0], DOG: [0, 1]}
    project.ingest([GUN], [{"caption": VASE, "picture": b"vase"}, DOG])
    project.embed(ChosenVectors(text, {b"vase": [0.5, 0.75]}))
    before = project.mine(**PLAIN)
    project.embed(ChosenVectors(text, {b"vase": [0.5, 0.75]}), images=False)
    real = StageFolder._commit

    def killed(folder, key, made, started):  # type: ignore[no-untyped-def]
        shard = real(folder, key, made, started)
        if ("pairs", "pairs-00000") in made.tables:
            raise KeyboardInterrupt
        return shard

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StageFolder, "_commit", killed)
        with pytest.raises(KeyboardInterrupt):
            project.mine(**PLAIN)
    folder = StageFolder(project.workdir / "mine")
    assert folder.record() == before
    assert folder.damaged(before) is None
    assert only(project.mine(**PLAIN))["sim_cross"] is None


# Approximate indexes


@pytest.fixture
def pools() -> tuple[Vectors, Vectors]:
    """Unsafe captions away from the safe ones, so that queries are no rows of the index."""
    unsafe, safe = random_pools(60, 400, width=16, seed=5)
    for name, row in unsafe.items():
        shifted = np.array(row) + 0.5
        unsafe[name] = (shifted / np.linalg.norm(shifted)).tolist()
    return unsafe, safe


def test_an_index_tuned_to_full_recall_gives_the_exact_pairs(
    project: Project, pools: tuple[Vectors, Vectors]
) -> None:
    exact = whole(mined(project, *pools, k=2))
    record = project.mine(**PLAIN, k=2, index="IVF8,Flat", min_recall=1.0)
    assert record.facts["index_parameters"] == "nprobe=8"
    assert (record.facts["recall"], record.facts["recall_at"]) == (1.0, 100)
    assert whole(record) == exact


@pytest.mark.parametrize("index", ["IVF8,Flat", "HNSW16", "PQ8x6,RFlat"])
def test_recall_is_measured_on_the_real_unsafe_queries(
    project: Project, pools: tuple[Vectors, Vectors], index: str
) -> None:
    asked: list[np.ndarray] = []
    real = approximate._tune

    def tune(index, sample, truth, choice):  # type: ignore[no-untyped-def]
        asked.append(sample)
        return real(index, sample, truth, choice)

    project.monkeypatch.setattr(approximate, "_tune", tune)
    record = mined(project, *pools, index=index, min_recall=0.01, recall_sample=25, candidates=20)
    left = dense(project, *pools)[0]
    np.testing.assert_array_equal(asked[0], halves([pools[0][name] for name in left[:25]]))
    assert record.facts["recall_queries"] == 25
    assert record.facts["recall_at"] == 20
    assert record.facts["index"] == index
    assert 0.01 <= record.facts["recall"] <= 1


def test_recall_is_the_share_of_true_neighbours_found(
    project: Project, pools: tuple[Vectors, Vectors]
) -> None:
    found: list[np.ndarray] = []
    real = approximate.recall_at

    def watched(true_rows, found_rows):  # type: ignore[no-untyped-def]
        found.append(found_rows)
        return real(true_rows, found_rows)

    project.monkeypatch.setattr(approximate, "recall_at", watched)
    record = mined(
        project,
        *pools,
        index="IVF8,Flat",
        index_parameters="nprobe=2",
        min_recall=0.01,
        candidates=10,
    )
    sims = dense(project, *pools)[2]
    truth = np.argsort(-sims, axis=1)[:, :10]
    hits = [len(set(a) & set(b)) for a, b in zip(truth.tolist(), found[0].tolist(), strict=True)]
    assert record.facts["recall"] == round(sum(hits) / (10 * len(hits)), 4)
    assert 0.1 < record.facts["recall"] < 1


def test_an_index_below_the_asked_recall_is_refused(
    project: Project, pools: tuple[Vectors, Vectors]
) -> None:
    finds = r"'IVF8,Flat' with nprobe=1 finds \d+\.\d{4}% of the 100"
    with pytest.raises(RecallError, match=finds):
        mined(project, *pools, index="IVF8,Flat", index_parameters="nprobe=1", min_recall=0.99)
    with pytest.raises(RecallError, match=r"'PQ2x2' with no parameters"):
        mined(project, *pools, index="PQ2x2", min_recall=0.99)


def test_cosines_are_those_of_the_real_vectors_not_of_compressed_ones(
    project: Project, pools: tuple[Vectors, Vectors]
) -> None:
    record = mined(project, *pools, index="PQ4x4", min_recall=0.01, k=2)
    left, right, sims = dense(project, *pools)
    names = project.captions()
    for row in rows(record, "pairs"):
        u, s = left.index(names[row["unsafe_id"]]), right.index(names[row["safe_id"]])
        assert row["score"] == row["sim_text"] == np.float32(sims[u, s])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"index": "nonsense"}, "FAISS does not accept 'nonsense' for width 16"),
        ({"index": "IVF512,Flat"}, "cannot train on 400 captions"),
        ({"index": "IVF8,Flat", "index_parameters": "speed=9"}, "'speed=9'"),
        ({"index": "IVF8,Flat", "index_parameters": "nprobe=0"}, "index_parameters"),
    ],
)
def test_an_index_that_cannot_work_is_a_config_error(
    project: Project, pools: tuple[Vectors, Vectors], settings: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        mined(project, *pools, **settings)


def test_an_index_that_finds_fewer_pads_nothing(
    project: Project, pools: tuple[Vectors, Vectors]
) -> None:
    record = mined(
        project, *pools, k=90, index="IVF8,Flat", index_parameters="nprobe=1", min_recall=0.01
    )
    found = rows(record, "pairs")
    assert len(found) < 60 * 90
    assert record.facts["pairs_missing"] == 60 * 90 - len(found)
    assert len({row["pair_id"] for row in found}) == len(found)
    assert table(record, "pairs")["sim_text"].null_count == 0
