"""embed: each caption under its id, encoded once, kept, and never mixed with another encoder's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.chosen_vectors import BROKEN, ChosenVectors, Project, at, rows, sha256
from support.ingest_place import Place
from support.vector_layouts import as_parquet, rename_encoder

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.enums import Device
from nsfwcaps.errors import DeviceError, InputError, ModelError
from nsfwcaps.models import create
from nsfwcaps.pipeline import plan_stage, run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.embed import run as embed
from nsfwcaps.stages.embed.settings import EmbedSettings

UNSAFE = [f"a handgun on shelf {number}" for number in range(7)]
SAFE = [f"a vase on shelf {number}" for number in range(12)]
VECTORS = {caption: at(7 * number) for number, caption in enumerate([*UNSAFE, *SAFE])}

RED, BLUE, GREEN = b"red", b"blue", b"green"
PICTURES = {RED: at(0), BLUE: at(90), GREEN: at(45)}


@pytest.fixture
def project(place: Place, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(place, monkeypatch)


def vectors(project: Project, record: StageRecord) -> dict[str, np.ndarray]:
    """Vector of every caption, by the id it stands under."""
    captions = project.captions()
    both = [*rows(record, "unsafe"), *rows(record, "safe")]
    return {captions[row["id"]]: np.array(row["vector"]) for row in both}


def test_every_caption_gets_its_own_vector_in_half_precision(project: Project) -> None:
    project.ingest(UNSAFE, SAFE)
    record = project.embed(ChosenVectors(VECTORS))
    got = vectors(project, record)
    assert got.keys() == VECTORS.keys()
    for caption, vector in VECTORS.items():
        np.testing.assert_array_equal(got[caption], np.float16(vector))
    assert record.facts["captions"] == {"unsafe": 7, "safe": 12}
    assert (record.rows_in, record.rows_out, record.rejects) == (19, 19, {})


def test_rows_stand_in_the_order_of_ids_and_carry_what_mining_needs(project: Project) -> None:
    ingest = project.ingest(UNSAFE, SAFE)
    record = project.embed(ChosenVectors(VECTORS))
    for label in ("unsafe", "safe"):
        before, after = rows(ingest, label), rows(record, label)
        assert [row["id"] for row in after] == sorted(row["id"] for row in before)
        assert [(row["id"], row["fold_key"]) for row in after] == [
            (row["id"], row["fold_key"]) for row in before
        ]
        assert {row["image_sha256"] for row in after} == {None}


def test_every_file_names_the_encoder(project: Project) -> None:
    project.ingest(UNSAFE, SAFE)
    encoder = ChosenVectors(VECTORS)
    record = project.embed(encoder)
    digest = encoder.identity.digest
    for path in [*record.paths("safe"), *record.paths("unsafe")]:
        assert pa.ipc.open_file(path).schema.metadata[b"nsfwcaps.encoder"].decode() == digest
    assert record.facts["encoder"]["digest"] == digest
    assert record.facts["encoder"]["name"] == "chosen"


def test_each_distinct_text_is_encoded_once(project: Project) -> None:
    many = [{"caption": SAFE[0], "picture": data} for data in PICTURES]
    project.ingest([UNSAFE[0]], [*many, SAFE[0], SAFE[1]])
    encoder = ChosenVectors(VECTORS)
    record = project.embed(encoder, images=False)
    assert sorted(encoder.asked) == sorted([UNSAFE[0], SAFE[0], SAFE[1]])
    got = [row for row in rows(record, "safe") if project.captions()[row["id"]] == SAFE[0]]
    assert len(got) == 4
    assert {tuple(row["vector"]) for row in got} == {tuple(np.float16(VECTORS[SAFE[0]]).tolist())}


def test_a_grown_pool_costs_its_new_captions_only(project: Project) -> None:
    project.ingest(UNSAFE[:4], SAFE[:9], shard_rows=4)
    project.embed(ChosenVectors(VECTORS))
    project.ingest(UNSAFE, SAFE, shard_rows=4)
    encoder = ChosenVectors(VECTORS)
    record = project.embed(encoder)
    assert sorted(encoder.asked) == sorted([*UNSAFE[4:], *SAFE[9:]])
    for caption, vector in vectors(project, record).items():
        np.testing.assert_array_equal(vector, np.float16(VECTORS[caption]))
    assert record.facts["captions"] == {"unsafe": 7, "safe": 12}


@pytest.mark.parametrize("shard_rows", [1, 3, 5, 100])
def test_other_shards_of_the_same_captions_encode_nothing(
    project: Project, shard_rows: int
) -> None:
    project.ingest(UNSAFE, SAFE, shard_rows=4)
    before = vectors(project, project.embed(ChosenVectors(VECTORS)))
    project.ingest(UNSAFE, SAFE, shard_rows=shard_rows)
    encoder = ChosenVectors(VECTORS)
    after = vectors(project, project.embed(encoder))
    assert encoder.asked == []
    assert after.keys() == before.keys()
    for caption, vector in after.items():
        np.testing.assert_array_equal(vector, before[caption])


def test_vectors_of_earlier_versions_are_reused_as_they_are(project: Project) -> None:
    """A folder with files of both layouts, as after a run that a new version went on with."""
    project.ingest(UNSAFE[:4], SAFE[:9], shard_rows=4)
    before = project.embed(ChosenVectors(VECTORS))
    pairs = project.mine().paths("pairs")[0].read_bytes()
    assert len(as_parquet(before.folder, "safe-")) == 3
    again = ChosenVectors(VECTORS)
    assert (project.embed(again).output_digest, again.asked) == (before.output_digest, [])
    assert project.mine().paths("pairs")[0].read_bytes() == pairs
    project.ingest(UNSAFE, SAFE, shard_rows=4)
    encoder = ChosenVectors(VECTORS)
    record = project.embed(encoder)
    assert sorted(encoder.asked) == sorted([*UNSAFE[4:], *SAFE[9:]])
    for caption, vector in vectors(project, record).items():
        np.testing.assert_array_equal(vector, np.float16(VECTORS[caption]))
    endings = [path.suffix for path in record.paths("safe")]
    assert endings == [".parquet", ".parquet", ".arrow"], "the last shard has grown"
    assert project.mine().rows("pairs") == 7


def test_a_run_of_an_earlier_version_stays_up_to_date(project: Project) -> None:
    project.ingest(UNSAFE, SAFE, shard_rows=4)
    before = project.embed(ChosenVectors(VECTORS))
    kept = as_parquet(before.folder)
    assert len(kept) == 5
    again = ChosenVectors(VECTORS)
    record = project.embed(again)
    assert again.asked == []
    assert sorted([*record.paths("safe"), *record.paths("unsafe")]) == kept


def test_a_run_that_is_interrupted_goes_on_where_it_was(project: Project) -> None:
    project.ingest(UNSAFE, SAFE, shard_rows=2)
    first = ChosenVectors(VECTORS, fail_after=3)
    with pytest.raises(KeyboardInterrupt):
        project.embed(first)
    assert 3 <= len(first.asked) < 19
    second = ChosenVectors(VECTORS)
    record = project.embed(second)
    assert sorted([*first.asked, *second.asked]) == sorted(VECTORS)
    assert record.facts["captions"] == {"unsafe": 7, "safe": 12}
    assert vectors(project, record).keys() == VECTORS.keys()


def test_a_finished_stage_is_not_run_again(project: Project) -> None:
    project.ingest(UNSAFE, SAFE)
    project.embed(ChosenVectors(VECTORS))
    again = ChosenVectors(VECTORS)
    project.embed(again)
    assert again.asked == []


def test_another_encoder_starts_afresh(project: Project) -> None:
    project.ingest(UNSAFE, SAFE)
    project.embed(ChosenVectors(VECTORS))
    other = ChosenVectors({caption: at(1) for caption in VECTORS}, weights="1")
    record = project.embed(other)
    assert sorted(other.asked) == sorted(VECTORS)
    for vector in vectors(project, record).values():
        np.testing.assert_array_equal(vector, np.float16(at(1)))


@pytest.mark.parametrize("label", ["safe", "unsafe"])
def test_vectors_of_two_encoders_are_never_compared(project: Project, label: str) -> None:
    project.ingest(UNSAFE, SAFE)
    record = project.embed(ChosenVectors(VECTORS))
    rename_encoder(record.paths(label)[0])
    with pytest.raises(ModelError, match="safe and unsafe vectors come from two encoders"):
        project.mine()


def test_vectors_of_two_encoders_on_one_side_are_refused(project: Project) -> None:
    project.ingest(UNSAFE, SAFE, shard_rows=4)
    record = project.embed(ChosenVectors(VECTORS))
    rename_encoder(record.paths("safe")[1])
    with pytest.raises(ModelError, match="contains vectors of 2 encoders"):
        project.mine()


def test_pictures_of_another_encoder_are_never_compared(project: Project) -> None:
    project.ingest([picture(UNSAFE[0], RED)], [picture(SAFE[0], BLUE)])
    record = project.embed(ChosenVectors(VECTORS, PICTURES))
    rename_encoder(record.paths("images")[0])
    with pytest.raises(ModelError, match="caption and image vectors come from two encoders"):
        project.mine()


def picture(caption: str, data: bytes) -> dict[str, object]:
    return {"caption": caption, "picture": data}


def test_pictures_are_encoded_once_under_their_hash(project: Project) -> None:
    project.ingest(
        [picture(UNSAFE[0], RED), picture(UNSAFE[1], RED)],
        [picture(SAFE[0], BLUE), picture(SAFE[1], RED), SAFE[2]],
    )
    encoder = ChosenVectors(VECTORS, PICTURES)
    record = project.embed(encoder)
    assert sorted(encoder.asked_pictures) == sorted([sha256(RED), sha256(BLUE)])
    got = {row["image_sha256"]: row["vector"] for row in rows(record, "images")}
    assert got.keys() == {sha256(RED), sha256(BLUE)}
    np.testing.assert_array_equal(got[sha256(BLUE)], np.float16(PICTURES[BLUE]))
    assert (record.facts["images"], record.facts["images_failed"]) == (2, {})


def test_captions_of_a_picture_that_does_not_decode_are_set_aside_by_id(project: Project) -> None:
    project.ingest(
        [picture(UNSAFE[0], RED), picture(UNSAFE[1], BROKEN)],
        [picture(SAFE[0], BLUE), picture(SAFE[1], BROKEN), SAFE[2], picture(SAFE[3], GREEN)],
    )
    record = project.embed(ChosenVectors(VECTORS, PICTURES), max_reject_share=1.0)
    captions = project.captions()
    reasons = {captions.get(row["id"], row["id"]): row["reason"] for row in rows(record, "rejects")}
    assert reasons == dict.fromkeys([UNSAFE[1], SAFE[1], sha256(BROKEN)], "image_undecodable")
    # The others keep their own vector and picture, although rows before them are gone.
    got = vectors(project, record)
    assert got.keys() == {UNSAFE[0], SAFE[0], SAFE[2], SAFE[3]}
    for caption, vector in got.items():
        np.testing.assert_array_equal(vector, np.float16(VECTORS[caption]))
    pictures = {row["image_sha256"]: row["vector"] for row in rows(record, "images")}
    assert pictures.keys() == {sha256(item) for item in PICTURES}
    for data, vector in PICTURES.items():
        np.testing.assert_array_equal(pictures[sha256(data)], np.float16(vector))
    assert record.rejects == {"image_undecodable": 2}
    assert record.facts["images_failed"] == {"image_undecodable": 1}
    assert record.facts["captions"] == {"unsafe": 1, "safe": 3}


def test_captions_of_a_picture_that_has_gone_are_set_aside(project: Project) -> None:
    project.ingest([UNSAFE[0]], [picture(SAFE[0], BLUE), picture(SAFE[1], RED)])
    (project.place.folder / "pictures" / f"{sha256(RED)[:8]}.png").unlink()
    record = project.embed(ChosenVectors(VECTORS, PICTURES))
    assert record.rejects == {"image_missing": 1}
    assert vectors(project, record).keys() == {UNSAFE[0], SAFE[0]}


def test_pictures_can_be_left_out(project: Project) -> None:
    project.ingest([UNSAFE[0]], [picture(SAFE[0], BROKEN)])
    encoder = ChosenVectors(VECTORS, PICTURES)
    record = project.embed(encoder, images=False)
    assert encoder.asked_pictures == []
    assert (record.facts["images"], record.rejects, record.paths("images")) == (0, {}, [])
    assert vectors(project, record).keys() == {UNSAFE[0], SAFE[0]}


def test_captions_that_cannot_be_encoded_are_kept_as_rejects(project: Project) -> None:
    project.ingest(UNSAFE, SAFE)
    known = {caption: vector for caption, vector in VECTORS.items() if caption != SAFE[4]}
    record = project.embed(ChosenVectors(known))
    captions = project.captions()
    assert [(captions[row["id"]], row["reason"]) for row in rows(record, "rejects")] == [
        (SAFE[4], "not_finite")
    ]
    assert (record.rows_in, record.rows_out, record.rejects) == (19, 18, {"not_finite": 1})


def test_too_many_rejects_stop_the_run(project: Project) -> None:
    project.ingest(UNSAFE, SAFE)
    encoder = ChosenVectors({caption: VECTORS[caption] for caption in [*UNSAFE, *SAFE[4:]]})
    with pytest.raises(InputError, match=r"4 of 19 captions could not be embedded"):
        project.embed(encoder)
    record = project.embed(encoder, max_reject_share=0.25)
    assert record.rejects == {"not_finite": 4}


def test_a_side_without_a_single_vector_stops_the_run(project: Project) -> None:
    project.ingest(UNSAFE[:1], SAFE)
    with pytest.raises(InputError, match="no unsafe caption could be embedded"):
        project.embed(ChosenVectors({caption: VECTORS[caption] for caption in SAFE}))


def test_plan_counts_captions_and_shards(project: Project) -> None:
    project.ingest(UNSAFE, [*SAFE, picture(SAFE[0], RED)], shard_rows=5)
    facts = plan_stage(STAGE["embed"], EmbedSettings(model="minilm"), project.workdir)
    assert (facts["captions"], facts["images"]) == (20, 1)
    # 7 unsafe rows in 2 ranges, 13 safe ones in 3, and the picture.
    assert facts["shards"] == 6


def test_minilm_vectors_do_not_depend_on_the_shards(place: Place) -> None:
    settings = EmbedSettings(model="minilm", device=Device.CPU)
    got = []
    for workdir, shard_rows in (("one", 1000), ("many", 3)):
        place.ingest(
            workdir,
            unsafe=(place.pool("unsafe.jsonl", UNSAFE),),
            safe=(place.pool("safe.jsonl", SAFE),),
            shard_rows=shard_rows,
        )
        record = run_stage(STAGE["embed"], settings, place.folder / workdir, Silent()).record
        both = [*rows(record, "unsafe"), *rows(record, "safe")]
        got.append({row["id"]: row["vector"] for row in both})
    assert got[0].keys() == got[1].keys()
    assert len(got[0]) == 19
    for key, vector in got[0].items():
        np.testing.assert_allclose(vector, got[1][key], atol=1e-3)


def test_a_device_that_is_absent_is_an_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    project.ingest(UNSAFE, SAFE)
    settings = EmbedSettings(model="minilm", device=Device.CUDA)
    with pytest.raises(DeviceError, match="device=cuda was requested"):
        run_stage(STAGE["embed"], settings, project.workdir, Silent())


def test_sources_follow_the_weights_and_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(create, "source_digest", lambda model: f"digest of {model}")
    assert embed.sources(EmbedSettings(model="minilm")) == {"model": "digest of minilm"}
    write_import(tmp_path, [UNSAFE[0]], [at(0)])
    before = embed.sources(EmbedSettings(source=str(tmp_path)))
    write_import(tmp_path, [UNSAFE[0]], [at(1)])
    assert embed.sources(EmbedSettings(source=str(tmp_path))) != before


def write_import(folder: Path, captions: list[str], of: list[list[float]]) -> None:
    for name in ("text_emb", "metadata"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    np.save(folder / "text_emb" / "text_emb_0000.npy", np.array(of, dtype=np.float32))
    pq.write_table(pa.table({"caption": captions}), folder / "metadata" / "metadata_0000.parquet")


def test_imported_vectors_are_joined_by_content(project: Project, tmp_path: Path) -> None:
    """In another order than the pool, longer than unit, with rows that nobody asked for."""
    project.ingest(UNSAFE, SAFE)
    captions = ["a caption of no pool", *reversed(VECTORS)]
    source = tmp_path / "clip-retrieval"
    write_import(source, captions, [[3 * x for x in VECTORS.get(c, at(0))] for c in captions])
    settings = EmbedSettings(source=str(source))
    record = run_stage(STAGE["embed"], settings, project.workdir, Silent()).record
    got = vectors(project, record)
    assert got.keys() == VECTORS.keys()
    for caption, vector in VECTORS.items():
        np.testing.assert_allclose(got[caption], vector, atol=1e-3)
    assert record.facts["encoder"]["name"] == "imported:clip-retrieval"


def test_imported_rows_that_are_absent_or_no_numbers_are_rejected(
    project: Project, tmp_path: Path
) -> None:
    project.ingest(UNSAFE, SAFE)
    captions = [*UNSAFE, *SAFE[1:]]
    of = [VECTORS[caption] for caption in captions]
    of[3] = [float("nan"), 1.0]
    write_import(tmp_path / "source", captions, of)
    settings = EmbedSettings(source=str(tmp_path / "source"))
    record = run_stage(STAGE["embed"], settings, project.workdir, Silent()).record
    names = project.captions()
    assert {names[row["id"]]: row["reason"] for row in rows(record, "rejects")} == {
        UNSAFE[3]: "not_finite",
        SAFE[0]: "not_in_source",
    }
    assert record.rejects == {"not_finite": 1, "not_in_source": 1}


def test_an_import_that_is_not_aligned_stops_the_run(project: Project, tmp_path: Path) -> None:
    project.ingest(UNSAFE, SAFE)
    write_import(tmp_path / "source", UNSAFE, [at(0)])
    with pytest.raises(InputError, match="one row per vector"):
        run_stage(
            STAGE["embed"],
            EmbedSettings(source=str(tmp_path / "source")),
            project.workdir,
            Silent(),
        )
