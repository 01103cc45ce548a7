"""mine, paired by partner: the pairs that the pools name, with what lies around each of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.chosen_vectors import ChosenVectors, Project, at, rows
from support.ingest_place import Place
from support.stopped_search import stop_after

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.captions.normalize import TEXT_DIGITS, content_id, pair_id
from nsfwcaps.config import parse, parse_bytes
from nsfwcaps.enums import Device, Pairing, Rank
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.freshness import StageState, state
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.mine import partners
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.vectors.nearest import blocks_for

GUN, KNIFE, FIRE = "a handgun on a table", "a knife on a table", "a car on fire"
VASE, DOG, KITE = "a vase on a table", "a dog on a beach", "a kite"

Named = dict[str, str | None]
Row = dict[str, Any]


@pytest.fixture
def project(place: Place, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(place, monkeypatch)


def unsafe_rows(named: Named) -> list[Row]:
    return [
        {"caption": caption} | ({"partner_id": partner} if partner else {})
        for caption, partner in named.items()
    ]


def mined(
    project: Project, named: Named, vectors: dict[str, Any], shard_rows: int = 16384, **how: Any
) -> StageRecord:
    """Pair unsafe captions with what they name; every other caption with a vector is safe."""
    safe = [caption for caption in vectors if caption not in named]
    project.ingest(unsafe_rows(named), safe, shard_rows=shard_rows)
    project.embed(ChosenVectors(vectors))
    return pair(project, **how)


def pair(project: Project, **how: Any) -> StageRecord:
    return project.mine(pairing=Pairing.PARTNER, device=Device.CPU, **how)


def pairs(project: Project, record: StageRecord) -> dict[str, str]:
    names = project.captions()
    return {names[row["unsafe_id"]]: names[row["safe_id"]] for row in rows(record, "pairs")}


def rejects(project: Project, record: StageRecord) -> dict[str, str]:
    names = project.captions()
    return {names[row["id"]]: row["reason"] for row in rows(record, "rejects")}


def by_caption(project: Project, record: StageRecord) -> dict[str, Row]:
    names = project.captions()
    return {names[row["unsafe_id"]]: row for row in rows(record, "pairs")}


# Pairs.


def test_the_columns_of_a_pair_by_hand(project: Project) -> None:
    vectors = {GUN: [1, 0], KNIFE: [0, 1], VASE: [0.5, 0.5], DOG: [0.25, 0.75], KITE: [-0.5, 0.25]}
    record = mined(project, {GUN: DOG, KNIFE: DOG}, vectors)
    assert pairs(project, record) == {GUN: DOG, KNIFE: DOG}
    row = by_caption(project, record)[GUN]
    assert row["pair_id"] == pair_id(content_id(GUN), content_id(DOG))
    assert (row["rank"], row["sim_text"], row["score"]) == (1, 0.25, 0.25)
    assert row["margin"] == 0.25 - 0.5, "the vase is nearer"
    assert row["density"] == np.float32((0.5 + 0.25 - 0.5) / 3)
    assert by_caption(project, record)[KNIFE]["margin"] == 0.75 - 0.5, "none is nearer"
    assert {item["hub_count"] for item in rows(record, "pairs")} == {2}
    assert {item["provenance"] for item in rows(record, "pairs")} == {"partner:chosen"}
    assert record.facts["hubs"]["distinct_targets"] == 1


def test_without_another_safe_caption_there_is_no_margin(project: Project) -> None:
    record = mined(project, {GUN: VASE}, {GUN: at(0), VASE: at(10)})
    assert rows(record, "pairs")[0]["margin"] is None


@pytest.mark.parametrize("name", [VASE, content_id(VASE), content_id(VASE).upper()])
def test_partners_by_caption_and_by_id(project: Project, name: str) -> None:
    record = mined(project, {GUN: name}, {GUN: at(0), VASE: at(90), DOG: at(1)})
    assert pairs(project, record) == {GUN: VASE}


def test_a_text_under_several_pictures_is_the_first_in_order_of_ids(project: Project) -> None:
    pictures = {b"one": [1.0, 0.0], b"two": [0.0, 1.0], b"gun": [0.5, 0.5]}
    ids = {data: content_id(VASE, hashlib.sha256(data).hexdigest()) for data in pictures}
    by_id = ids[b"two"] if ids[b"one"] < ids[b"two"] else ids[b"one"]
    project.ingest(
        [{"caption": GUN, "partner_id": VASE}, {"caption": KNIFE, "partner_id": by_id}],
        [{"caption": VASE, "picture": data} for data in (b"one", b"two")],
    )
    project.embed(ChosenVectors({GUN: at(0), KNIFE: at(20), VASE: at(60)}, pictures))
    found = by_caption(project, pair(project))
    assert found[GUN]["safe_id"] == min(ids[b"one"], ids[b"two"])
    assert found[KNIFE]["safe_id"] == by_id
    assert found[KNIFE]["margin"] is None, "the other has the same caption: no alternative"


def test_similarities_of_pictures(project: Project) -> None:
    pictures = {b"gun": [0.5, 0.5], b"vase": [0.5, 0.75]}
    gun = {"caption": GUN, "picture": b"gun"}
    project.monkeypatch.setattr(
        Project, "_row", lambda self, row: {**named_row(self, row), "partner_id": VASE}
    )
    project.ingest([gun], [{"caption": VASE, "picture": b"vase"}, DOG])
    project.embed(ChosenVectors({GUN: [1, 0], VASE: [0.75, 0], DOG: [1, 0]}, pictures))
    row = rows(pair(project), "pairs")[0]
    assert (row["sim_text"], row["sim_image"], row["sim_cross"]) == (0.75, 0.625, 0.5)


def test_no_line_says_that_partners_were_chosen_by_text(project: Project) -> None:
    project.monkeypatch.setattr(
        Project, "_row", lambda self, row: {**named_row(self, row), "partner_id": VASE}
    )
    project.ingest([{"caption": GUN, "picture": b"gun"}], [{"caption": VASE, "picture": b"vase"}])
    project.embed(ChosenVectors({GUN: [1, 0], VASE: [1, 0]}, {b"gun": [1, 0], b"vase": [1, 0]}))
    record = pair(project)
    assert record.facts["pictures"] == {"unsafe": 1, "safe": 1}
    assert list(STAGE["mine"].notes(record.facts)) == []


def named_row(project: Project, row: Any) -> Row:
    if isinstance(row, str):
        return {"caption": row}
    path = project.place.write(f"{row['picture'].decode()}.png", row["picture"])
    return {"caption": row["caption"], "image_path": path}


# Rejects.


def test_who_has_no_partner_is_rejected(project: Project) -> None:
    named = {GUN: VASE, KNIFE: None, FIRE: "a vase that nobody has", "a fist": "0" * 32}
    vectors = {name: at(n) for n, name in enumerate((*named, VASE, DOG))}
    record = mined(project, named, vectors)
    assert pairs(project, record) == {GUN: VASE}
    assert rejects(project, record) == dict.fromkeys((KNIFE, FIRE, "a fist"), "no_partner")
    assert record.rejects == {"no_partner": 3}
    assert (record.rows_in, record.rows_out) == (4, 1)
    assert record.facts["pairs_missing"] == 3


def test_a_partner_without_a_vector_is_none(project: Project) -> None:
    project.ingest(unsafe_rows({GUN: VASE, KNIFE: DOG}), [VASE, DOG, KITE, "a cup", "a jug"])
    known = {name: at(0) for name in (GUN, KNIFE, DOG, KITE, "a cup", "a jug")}
    project.embed(ChosenVectors(known), max_reject_share=1.0)
    assert rejects(project, pair(project)) == {GUN: "no_partner"}


def test_a_partner_that_is_its_own_text_is_no_target(project: Project) -> None:
    same = "A handgun, on a TABLE!"
    vectors = {GUN: at(0), KNIFE: at(5), same: at(1), VASE: at(2)}
    record = mined(project, {GUN: same, KNIFE: VASE}, vectors)
    assert rejects(project, record) == {GUN: "only_its_own_text"}
    record = pair(project, skip="identical")
    assert pairs(project, record) == {GUN: same, KNIFE: VASE}


@pytest.mark.parametrize(("floor", "kept"), [(0.5, True), (0.501, False)])
def test_min_similarity_includes_its_value(project: Project, floor: float, kept: bool) -> None:
    vectors = {GUN: [1, 0], KNIFE: [1, 0], VASE: [0.5, 0.75], DOG: [1, 0]}
    record = mined(project, {GUN: VASE, KNIFE: DOG}, vectors, min_similarity=floor)
    assert rejects(project, record) == ({} if kept else {GUN: "below_min_similarity"})


@pytest.mark.parametrize("partner", [None, "a vase that nobody has"])
def test_a_set_that_names_nobody_is_an_error(project: Project, partner: str | None) -> None:
    said = "1 of 1" if partner else "0 of 1"
    with pytest.raises(
        InputError, match=f"{said} unsafe captions name a .*--partner-column"
    ) as told:
        mined(project, {GUN: partner}, {GUN: at(0), VASE: at(10)})
    assert GUN not in str(told.value)


# Settings.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("k", 2),
        ("rank", "csls"),
        ("hub_cap", 3),
        ("reciprocal", 5),
        ("similarity", "image"),
        ("min_candidate_similarity", 0.5),
        ("index", "IVF8,Flat"),
        ("index_parameters", "nprobe=2"),
    ],
)
def test_settings_that_choose_targets_contradict_it(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"pairing=partner uses .* remove {name}$"):
        parse(MineSettings, {"pairing": "partner", name: value}, where="mine")


@pytest.mark.parametrize("rank", [Rank.COSINE, Rank.INVERTED_SOFTMAX])
def test_score_is_the_cosine_whatever_the_rank(project: Project, rank: Rank) -> None:
    record = mined(project, {GUN: VASE}, {GUN: at(0), VASE: at(10), DOG: at(20)}, rank=rank)
    row = rows(record, "pairs")[0]
    assert row["score"] == row["sim_text"]


# Every number from the whole matrix, whatever the shards.


def random_set(unsafe: int = 70, safe: int = 90) -> tuple[Named, dict[str, Any]]:
    """Partners by id, by caption, of no pool, and none, at random."""
    random = np.random.default_rng(4)
    left = [f"a handgun in drawer {n}" for n in range(unsafe)]
    right = [f"a spoon in drawer {n}" for n in range(safe)]
    vectors = {}
    for name in (*left, *right):
        row = random.normal(size=24)
        vectors[name] = (row / np.linalg.norm(row)).tolist()

    def named(number: int) -> str | None:
        caption = right[random.integers(safe)]
        return [content_id(caption), caption, "a spoon that nobody has", None][number % 4]

    return {name: named(number) for number, name in enumerate(left)}, vectors


def expected(named: Named, vectors: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Partner, cosine, margin and density of every pair, from the whole matrix."""
    right = sorted((name for name in vectors if name not in named), key=content_id)
    texts = {content_id(name): name for name in right} | {name: name for name in right}
    safe = np.float16([vectors[name] for name in right]).astype(np.float64)
    out = {}
    for name, partner in named.items():
        if partner not in texts:
            continue
        sims = safe @ np.float16(vectors[name]).astype(np.float64)
        spot = right.index(texts[partner])
        margin = sims[spot] - np.delete(sims, spot).max()
        out[name] = (texts[partner], sims[spot], margin, np.sort(sims)[-10:].mean())
    return out


def test_pairs_are_those_of_the_whole_matrix(project: Project) -> None:
    named, vectors = random_set()
    record = mined(project, named, vectors, shard_rows=13, memory="64KiB")
    wanted, names = expected(named, vectors), project.captions()
    found = by_caption(project, record)
    assert found.keys() == wanted.keys()
    assert 30 < len(found) < len(named)
    for name, row in found.items():
        partner, sim, margin, density = wanted[name]
        assert names[row["safe_id"]] == partner
        got = [row["sim_text"], row["margin"], row["density"]]
        assert got == pytest.approx([sim, margin, density], abs=1e-6)
    assert min(row["margin"] for row in found.values()) < 0, "another one is nearer"
    assert set(rejects(project, record)) == set(named) - set(found)


def test_memory_and_shards_do_not_change_one_bit(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, vectors = random_set()
    results = []
    for name, memory, shard_rows in (("a", "1GiB", 10_000), ("b", "64KiB", 13), ("c", "16KiB", 3)):
        project = Project(Place(place.folder / name), monkeypatch)
        record = mined(project, named, vectors, shard_rows=shard_rows, memory=memory)
        whole = [*rows(record, "pairs"), *rows(record, "rejects")]
        results.append((record.output_digest, whole, record.facts["hubs"]))
    assert blocks_for(parse_bytes("16KiB"), 24, 90).queries < 2
    assert results[0] == results[1] == results[2]


def test_candidates_that_were_found_are_not_searched_again(project: Project) -> None:
    named, vectors = random_set()
    searched = stop_after(project, 3)
    with pytest.raises(KeyboardInterrupt):
        mined(project, named, vectors, memory="64KiB")
    again = stop_after(project, 10**9)
    record = pair(project, memory="64KiB")
    assert sum(again) == len(named) - sum(searched) > 0
    assert by_caption(project, record).keys() == expected(named, vectors).keys()


# What makes it stale.


def test_other_partners_in_the_pool_are_other_pairs(project: Project) -> None:
    vectors = {GUN: at(0), VASE: at(10), DOG: at(20)}
    assert pairs(project, mined(project, {GUN: VASE}, vectors)) == {GUN: VASE}
    settings = MineSettings(pairing=Pairing.PARTNER, device=Device.CPU)
    assert state(STAGE["mine"], settings, project.workdir) is StageState.CURRENT
    project.ingest(unsafe_rows({GUN: DOG}), [VASE, DOG])
    project.embed(ChosenVectors(vectors))  # the same vectors
    assert state(STAGE["mine"], settings, project.workdir) is StageState.STALE
    assert state(STAGE["mine"], None, project.workdir) is StageState.STALE
    assert pairs(project, pair(project)) == {GUN: DOG}


def test_other_partners_do_not_concern_the_nearest(project: Project) -> None:
    vectors = {GUN: at(0), VASE: at(10), DOG: at(20)}
    mined(project, {GUN: VASE}, vectors)
    project.mine(device=Device.CPU)
    project.ingest(unsafe_rows({GUN: DOG}), [VASE, DOG])
    project.embed(ChosenVectors(vectors))
    assert state(STAGE["mine"], MineSettings(), project.workdir) is StageState.CURRENT


def test_a_failed_run_on_other_partners_leaves_the_last_one_whole(project: Project) -> None:
    vectors = {GUN: at(0), VASE: at(10), DOG: at(20)}
    before = mined(project, {GUN: VASE}, vectors)
    project.ingest(unsafe_rows({GUN: DOG}), [VASE, DOG])
    project.embed(ChosenVectors(vectors))
    real = StageFolder._commit

    def killed(folder: StageFolder, key: str, made: Any, started: float) -> Any:
        shard = real(folder, key, made, started)
        if ("pairs", "pairs-00000") in made.tables:
            raise KeyboardInterrupt
        return shard

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StageFolder, "_commit", killed)
        with pytest.raises(KeyboardInterrupt):
            pair(project)
    folder = StageFolder(project.workdir / "mine")
    assert folder.record() == before
    assert folder.damaged(before) is None


# The look-up, file by file.


def test_names_are_found_in_whatever_file_they_are(tmp_path: Path, place: Place) -> None:
    captions = [f"a spoon in drawer {n}" for n in range(200)]
    for shard_rows in (1000, 50, 7):
        workdir = f"work-{shard_rows}"
        record = place.ingest(
            workdir,
            safe=(place.pool("safe.jsonl", captions),),
            unsafe=(place.pool("unsafe.jsonl", [GUN]),),
            shard_rows=shard_rows,
        )
        ids = np.sort(np.array([content_id(caption) for caption in captions], dtype="S32"))
        halves = ids.astype(f"S{TEXT_DIGITS}").astype("S32")
        absent = np.array([b"", b"0" * 32, b"f" * 16, content_id("x").encode()], dtype="S32")
        names = np.concatenate([absent, halves, ids[::-1]])
        expected = [-1] * 4 + [*range(200)] + [*range(199, -1, -1)]
        assert partners.safe_rows(record, names).tolist() == expected
        found = partners.safe_ids(record, names).tolist()
        assert found == [b""] * 4 + ids.tolist() + ids[::-1].tolist()
