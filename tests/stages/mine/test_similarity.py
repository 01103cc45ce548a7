"""mine: targets by text, by image or by both, on vectors whose cosines are known."""

from __future__ import annotations

import itertools
import shutil
from typing import Any

import numpy as np
import pytest
from support.chosen_vectors import ChosenVectors, Project, at, rows
from support.ingest_place import Place

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.enums import Device, Rank, Similarity
from nsfwcaps.errors import InputError
from nsfwcaps.inspection.choice import PairChoice, PairOrder, choose_pairs
from nsfwcaps.inspection.pairs import open_pairs
from nsfwcaps.inspection.quality import quality_of_run
from nsfwcaps.pipeline import run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.stages.grade.settings import GradeSettings
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.stages.mine.write import Writer

GUN, KNIFE, FIRE = "a handgun on a table", "a knife on a table", "a car on fire"
VASE, JUG, DOG, KITE = "a vase on a table", "a jug on a table", "a dog on a beach", "a kite"

TEXT = {GUN: [1, 0], KNIFE: [0, 1], FIRE: [1, 0]}
TEXT |= {VASE: [0.75, 0], JUG: [0.875, 0.25], DOG: [0.25, 0.5], KITE: [0.5, 0]}
PICTURES = {b"gun": [0, 1], b"knife": [0.75, 0.5], b"vase": [0, 0.5], b"dog": [0.25, 0.75]}


@pytest.fixture
def project(place: Place, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Vase and jug share a picture; the fire and the kite have none."""
    project = Project(place, monkeypatch)
    project.ingest(
        [{"caption": GUN, "picture": b"gun"}, {"caption": KNIFE, "picture": b"knife"}, FIRE],
        [
            *({"caption": caption, "picture": b"vase"} for caption in (VASE, JUG)),
            {"caption": DOG, "picture": b"dog"},
            KITE,
        ],
    )
    project.embed(ChosenVectors(TEXT, PICTURES))
    return project


def mine(project: Project, similarity: str = "text", **how: Any) -> StageRecord:
    by = Similarity(similarity)
    return project.mine(rank=Rank.COSINE, device=Device.CPU, similarity=by, **how)


def found(project: Project, record: StageRecord) -> dict[tuple[str, int], tuple[Any, ...]]:
    """By unsafe caption and rank: target, similarities of text and image, score and margin."""
    names = project.captions()
    columns = ("sim_text", "sim_image", "score", "margin")
    return {
        (names[row["unsafe_id"]], row["rank"]): (names[row["safe_id"]], *(row[c] for c in columns))
        for row in rows(record, "pairs")
    }


def rejects(project: Project, record: StageRecord) -> dict[str, str]:
    names = project.captions()
    return {names[row["id"]]: row["reason"] for row in rows(record, "rejects")}


def notes(record: StageRecord) -> list[str]:
    return list(STAGE["mine"].notes(record.facts))


def test_by_text_every_caption_takes_part_and_a_line_says_so(project: Project) -> None:
    record = mine(project)
    # The jug's next candidate is the vase, of the same picture; the kite sets the margin.
    assert found(project, record)[GUN, 1] == (JUG, 0.875, 0.5, 0.875, 0.375)
    assert found(project, record)[FIRE, 1] == (JUG, 0.875, None, 0.875, 0.375)
    assert rejects(project, record) == {}
    assert notes(record) == ["targets by text: pictures took no part (--similarity image or both)"]
    assert {row["provenance"] for row in rows(record, "pairs")} == {"mined:cosine:chosen"}
    assert record.facts["pictures"] == {"unsafe": 2, "safe": 3}


def test_by_image_a_picture_is_one_target(project: Project) -> None:
    record = mine(project, similarity="image", k=2)
    assert found(project, record) == {
        (GUN, 1): (DOG, 0.25, 0.75, 0.75, 0.25),
        (GUN, 2): (JUG, 0.875, 0.5, 0.5, None),
        (KNIFE, 1): (DOG, 0.5, 0.5625, 0.5625, 0.3125),
        (KNIFE, 2): (JUG, 0.25, 0.25, 0.25, None),
    }
    assert rejects(project, record) == {FIRE: "no_picture"}
    assert (record.rows_in, record.rejects) == (3, {"no_picture": 1})
    assert record.facts["pairs_missing"] == 2
    assert notes(record) == ["targets by image: 3 safe captions with a picture were candidates"]
    assert {row["provenance"] for row in rows(record, "pairs")} == {"mined:cosine:image:chosen"}
    assert record.facts["hubs"]["largest_hub"] == 2


def test_by_both_the_similarity_is_the_mean(project: Project) -> None:
    record = mine(project, similarity="both")
    assert found(project, record) == {
        # The vase is of the jug's picture, so the dog, at (0.25 + 0.75) / 2, sets the margin.
        (GUN, 1): (JUG, 0.875, 0.5, 0.6875, 0.1875),
        (KNIFE, 1): (DOG, 0.5, 0.5625, 0.53125, 0.53125 - 0.25),
    }
    assert notes(record) == [
        "targets by text and image: 3 safe captions with a picture were candidates"
    ]


def test_the_own_picture_is_no_target(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The jug has the handgun's picture; the knife's is the only one of a pool without others."""
    project = Project(place, monkeypatch)
    unsafe = [{"caption": GUN, "picture": b"gun"}, {"caption": KNIFE, "picture": b"knife"}]
    safe = [{"caption": JUG, "picture": b"gun"}, {"caption": DOG, "picture": b"dog"}]
    project.ingest(unsafe, safe)
    project.embed(ChosenVectors(TEXT, PICTURES))
    assert found(project, mine(project))[GUN, 1][0] == JUG
    for by in ("image", "both"):
        assert found(project, mine(project, similarity=by))[GUN, 1][0] == DOG
    project.ingest(unsafe, safe[:1])
    project.embed(ChosenVectors(TEXT, PICTURES))
    for by in ("image", "both"):
        record = mine(project, similarity=by)
        assert [names for names, _ in found(project, record)] == [KNIFE]
        assert record.rejects == {"only_its_own_picture": 1}
        assert rejects(project, record) == {GUN: "only_its_own_picture"}


@pytest.mark.parametrize(("by", "of_two"), [("image", 3), ("both", 2)])
def test_the_floor_is_of_what_is_compared(project: Project, by: str, of_two: int) -> None:
    record = mine(project, similarity=by, min_similarity=0.6)
    assert [unsafe for unsafe, _ in found(project, record)] == [GUN]
    assert rejects(project, record) == {FIRE: "no_picture", KNIFE: "below_min_similarity"}
    assert len(notes(record)) == 1
    record = mine(project, similarity=by, min_similarity=0.6, k=2)
    assert notes(record)[1:] == [f"pairs below min_similarity, set aside: {of_two}"]


@pytest.mark.parametrize(("by", "easy"), [("text", GUN), ("image", GUN), ("both", GUN)])
def test_difficulty_is_by_what_was_compared(project: Project, by: str, easy: str) -> None:
    record = mine(project, similarity=by)
    order = sorted(
        found(project, record).items(),
        key=lambda item: {
            "text": item[1][1],
            "image": item[1][2] or 0,
            "both": (item[1][1] + (item[1][2] or 0)) / 2,
        }[by],
    )
    graded = run_stage(STAGE["grade"], GradeSettings(margin_weight=0), project.workdir, Silent())
    names = project.captions()
    hard = {names[row["unsafe_id"]]: row["difficulty"] for row in rows(graded.record, "pairs")}
    assert hard[order[0][0][0]] == max(hard.values())
    assert hard[easy] == min(hard.values())


def test_pools_without_pictures_have_no_line_and_one_clear_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(place, monkeypatch)
    project.ingest([GUN], [VASE, JUG])
    project.embed(ChosenVectors(TEXT))
    assert notes(mine(project)) == []
    with pytest.raises(InputError, match="similarity=image compares pictures, and none has") as it:
        mine(project, similarity="image")
    assert it.value.exit_code == 3
    assert "--similarity text" in str(it.value)


def test_a_recipe_without_vectors_of_pictures_is_refused_at_once() -> None:
    recipe = {
        "embed": EmbedSettings(images=False),
        "mine": MineSettings(similarity=Similarity.IMAGE),
    }
    (line,) = STAGE["mine"].problems(recipe)
    assert line.startswith("mine.similarity: image compares pictures, and embed.images is off")
    assert STAGE["mine"].problems({**recipe, "mine": MineSettings()}) == []


def test_one_side_without_pictures_is_an_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(place, monkeypatch)
    project.ingest([GUN], [{"caption": VASE, "picture": b"vase"}, JUG])
    project.embed(ChosenVectors(TEXT, PICTURES))
    with pytest.raises(InputError, match="none of 1 unsafe captions has one; add pictures"):
        mine(project, similarity="both")


def test_captions_of_one_picture_are_known_without_its_vector(project: Project) -> None:
    project.embed(ChosenVectors(TEXT), images=False)
    assert found(project, mine(project))[GUN, 1] == (JUG, 0.875, None, 0.875, 0.375)


@pytest.mark.parametrize(
    ("first", "second"), [*itertools.permutations(("text", "image", "both"), 2)]
)
@pytest.mark.parametrize("rank", [Rank.COSINE, Rank.CSLS, Rank.INVERTED_SOFTMAX])
def test_a_search_by_one_similarity_is_not_used_for_another(
    project: Project, first: str, second: str, rank: Rank
) -> None:
    """The first run is stopped when it has found all candidates and weighed all targets."""
    wanted = whole(project, rank, second)
    shutil.rmtree(project.workdir / "mine")
    with project.monkeypatch.context() as patch:
        patch.setattr(Writer, "write", _stopped)
        with pytest.raises(KeyboardInterrupt):
            whole(project, rank, first)
    assert whole(project, rank, second) == wanted


def whole(project: Project, rank: Rank, similarity: str) -> list[dict[str, Any]]:
    by = Similarity(similarity)
    record = project.mine(rank=rank, csls_k=1, k=2, candidates=2, device=Device.CPU, similarity=by)
    return [*rows(record, "pairs"), *rows(record, "rejects")]


def _stopped(writer: Writer, advance: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("by", "title"),
    [
        ("text", "Cosines by chosen"),
        ("image", "Cosines of images by chosen"),
        ("both", "Cosines of texts and images by chosen"),
    ],
)
def test_shown_cosines_are_those_of_the_floor(project: Project, by: str, title: str) -> None:
    mine(project, similarity=by, k=2)
    pairs = open_pairs(project.workdir)
    cosines = pairs.table["cosine"].to_pylist()
    quality, _ = quality_of_run(project.workdir)
    assert (quality.title, quality.overall.pairs) == (title, len(cosines))
    assert quality.overall.quartiles == pytest.approx(np.quantile(cosines, [0.25, 0.5, 0.75]), 1e-3)
    for floor in sorted(set(cosines)):
        above, _ = choose_pairs(pairs, PairChoice(above=floor))
        kept = rows(mine(project, similarity=by, k=2, min_similarity=floor), "pairs")
        assert {row["pair_id"] for row in kept} == {*above["pair_id"].to_pylist()}
    closest, _ = choose_pairs(pairs, PairChoice(order=PairOrder.SIMILARITY))
    assert closest["cosine"].to_pylist() == sorted(cosines, reverse=True)


def test_near_duplicates_are_as_the_option_says(project: Project) -> None:
    far = at(30)
    project.ingest([GUN], [VASE, KITE])
    project.embed(ChosenVectors({GUN: at(0), VASE: at(0), KITE: far}))
    assert found(project, mine(project))[GUN, 1][4] is None, "cos 30° = 0.866"
    margin = found(project, mine(project, margin_duplicate=0.9))[GUN, 1][4]
    assert margin == pytest.approx(1 - 0.866, abs=1e-3)
