"""The protocol of retrieval on small worlds whose ranks are plain to see."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.evaluation.inputs import MISSING, PairVectors
from nsfwcaps.evaluation.tasks import retrieval
from nsfwcaps.metrics.answer_sets import sets_of
from nsfwcaps.metrics.similarities import Vectors
from nsfwcaps.training.validation import validate


def at(*degrees: float) -> Vectors:
    """Unit rows in a plane, by their angles: the nearer the angles, the nearer the rows."""
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.fixture
def plain() -> PairVectors:
    """Three pairs, a third of a turn apart; only the last unsafe text is nearest its safe image."""
    return PairVectors(
        safe_text=at(0, 120, 240),
        safe_image=at(2, 122, 242),
        unsafe_text=at(20, 140, 244),
        unsafe_image=at(22, 139, 260),
        safe_text_of=np.arange(3),
        safe_image_of=np.arange(3),
        unsafe_text_of=np.arange(3),
        unsafe_image_of=np.arange(3),
        categories=np.array(["weapon", "fire", "weapon"]),
    )


def test_ranks_by_hand(plain: PairVectors) -> None:
    found = retrieval.score(plain, ks=(1, 2))
    assert found.task == "retrieval"
    values = {name: of_queries.tolist() for name, of_queries in found.values.items()}
    assert values["T→V R@1"] == values["V→T R@1"] == [1, 1, 1]
    # Among safe and unsafe images: its own unsafe one comes first for 20 and 140 degrees.
    assert values["T*→V R@1"] == [0, 0, 1]
    assert values["T*→V R@2"] == [1, 1, 1]
    assert values["T*→V MRR"] == [0.5, 0.5, 1]
    assert values["T*→V unsafe first"] == [1, 1, 0]
    # The images at 22, 139 and 260: the unsafe text first, at 20, 140 and 244.
    assert values["V*→T R@1"] == [0, 0, 0]
    assert values["V*→T unsafe first"] == [1, 1, 1]
    assert "T*→T R@1" not in values
    assert not any("closest" in name for name in values)


def test_facts_count_who_asks_and_what_is_offered(plain: PairVectors) -> None:
    facts = retrieval.score(plain).facts
    assert facts["left_out"] == {}
    assert facts["directions"]["T→V"] == {
        "queries": 3,
        "safe_candidates": 3,
        "unsafe_candidates": 0,
        "resampling_units": 3,
    }
    assert facts["directions"]["V*→T"]["unsafe_candidates"] == 3


def test_categories_stand_beside_every_value(plain: PairVectors) -> None:
    found = retrieval.score(plain)
    assert found.groups.keys() == found.values.keys()
    assert found.groups["T*→V R@1"].tolist() == ["weapon", "fire", "weapon"]
    assert retrieval.score(dataclasses.replace(plain, categories=None)).groups == {}


def test_a_k_that_finds_everything_is_left_out(plain: PairVectors) -> None:
    names = retrieval.score(plain).values  # 3 safe candidates, 6 together
    assert "T→V R@1" in names
    assert "T→V R@5" not in names
    assert "T*→V R@5" in names
    assert "T*→V R@10" not in names


def test_equivalents_are_right_too_for_unsafe_queries(plain: PairVectors) -> None:
    # Another safe image nearer to the first unsafe text than its unsafe image is.
    more = dataclasses.replace(
        plain,
        safe_text=at(0, 120, 240, 300, 21),
        safe_image=at(2, 122, 242, 20.5),
        equivalent_text=sets_of(np.array([0]), np.array([4]), 3),
        equivalent_image=sets_of(np.array([0]), np.array([3]), 3),
    )
    values = {name: rows.tolist() for name, rows in retrieval.score(more, ks=(1,)).values.items()}
    assert values["T*→V R@1"] == [0, 0, 1]
    assert values["T*→V closest R@1"] == [1, 0, 1]
    # The image at 22 is nearest to the text at 21, before the unsafe one at 20.
    assert values["V*→T closest R@1"] == [1, 0, 0]
    assert values["V*→T closest MRR"] == [1, 0.5, 0.5]
    assert "T→V closest R@1" not in values
    # Safe items of no pair are candidates that ask nothing.
    assert len(values["T→V R@1"]) == 3


def test_partners_are_right_in_figures_of_their_own(plain: PairVectors) -> None:
    # The partner of the first pair is a fourth safe item, beside the first unsafe one; that of the
    # last is the mined counterpart of the second; the second has none.
    given = dataclasses.replace(
        plain,
        safe_text=at(0, 120, 240, 21),
        safe_image=at(2, 122, 242, 19),
        partner_text_of=np.array([3, MISSING, 1]),
        partner_image_of=np.array([3, MISSING, 1]),
    )
    found = retrieval.score(given, ks=(1, 5))
    values = {name: rows.tolist() for name, rows in found.values.items()}
    # Text at 20: partner's image at 19 first, then its unsafe image at 22, then its target at 2.
    assert values["T*→V MRR"] == pytest.approx([1 / 3, 1 / 2, 1])
    assert values["T*→V partner R@1"] == [1, 0]
    assert values["T*→V unsafe first"] == [0, 1, 0]
    # Text at 244: 242, 260, 139, 2, then the partner's at 122.
    assert values["T*→V partner MRR"] == [1, 1 / 5]
    assert values["T*→V partner R@5"] == [1, 1]
    # Image at 22: the partner's caption at 21 first. Image at 260: 244, 240, 0, 20
    # and 140, 21, then the partner's at 120.
    assert values["V*→T partner MRR"] == pytest.approx([1, 1 / 7])
    assert found.groups["T*→V partner R@1"].tolist() == ["weapon", "weapon"]
    assert found.facts["directions"]["T*→V"] == {
        "queries": 3,
        "safe_candidates": 4,
        "unsafe_candidates": 3,
        "queries_with_a_partner": 2,
        "resampling_units": 3,
    }
    # A partner is a safe item: it asks for its own image too, once.
    assert values["T→V R@1"] == [1, 1, 1, 1]
    assert found.groups["T→V R@1"].tolist() == ["weapon", "fire", "weapon", "weapon"]
    assert "T→V partner R@1" not in values


def test_partners_without_images_are_scored_among_captions(plain: PairVectors) -> None:
    given = dataclasses.replace(
        plain,
        safe_text=at(0, 120, 240, 21),
        safe_image=None,
        safe_image_of=None,
        unsafe_image=None,
        unsafe_image_of=None,
        partner_text_of=np.array([3, MISSING, MISSING]),
    )
    values = retrieval.score(given, ks=(1,)).values
    assert values["T*→T partner R@1"].tolist() == [1]
    assert values["T*→T R@1"].tolist() == [0, 1, 1]


def test_a_caption_of_several_images_is_one_query_and_any_of_them_is_right() -> None:
    shared = PairVectors(
        safe_text=at(0, 90),
        safe_image=at(80, 5, 95),  # the first two belong to the first caption
        unsafe_text=at(10, 100, 190),
        unsafe_image=at(12, 102, 192),
        safe_text_of=np.array([0, 0, 1]),
        safe_image_of=np.array([0, 1, 2]),
        unsafe_text_of=np.arange(3),
        unsafe_image_of=np.arange(3),
    )
    values = retrieval.score(shared, ks=(1,)).values
    assert values["T→V R@1"].tolist() == [1, 1]
    assert values["V→T R@1"].tolist() == [0, 1, 1]  # the one at 80 degrees is nearer to 90


def test_text_alone_looks_among_safe_and_the_other_unsafe_captions() -> None:
    texts = PairVectors(
        safe_text=at(0, 90, 200),
        unsafe_text=at(10, 80, 84),
        safe_text_of=np.arange(3),
        unsafe_text_of=np.arange(3),
    )
    found = retrieval.score(texts, ks=(1, 4, 5))
    assert {name.split(" ")[0] for name in found.values} == {"T*→T"}
    assert found.values["T*→T R@1"].tolist() == [1, 0, 0]
    assert found.values["T*→T unsafe first"].tolist() == [0, 1, 1]
    assert "T*→T R@4" in found.values
    assert "T*→T R@5" not in found.values  # five candidates: itself is none
    assert found.facts["directions"]["T*→T"] == {
        "queries": 3,
        "safe_candidates": 3,
        "unsafe_candidates": 2,
        "resampling_units": 3,
    }
    assert found.facts["left_out"] == {
        "T→V": "the data has no safe images",
        "V→T": "the data has no safe images",
        "T*→V": "the data has no safe images and no unsafe images",
        "V*→T": "the data has no unsafe images",
    }


def test_safe_images_alone_leave_the_unsafe_directions_to_text(plain: PairVectors) -> None:
    found = retrieval.score(dataclasses.replace(plain, unsafe_image=None, unsafe_image_of=None))
    directions = {"T→V", "V→T", "T*→T"}
    assert found.facts["directions"].keys() == directions
    assert found.facts["left_out"].keys() == {"T*→V", "V*→T"}


def test_images_that_are_missing_leave_their_pairs_out(plain: PairVectors) -> None:
    holes = dataclasses.replace(
        plain,
        safe_image_of=np.array([0, MISSING, 2]),
        unsafe_image_of=np.array([MISSING, 1, 2]),
    )
    found = retrieval.score(holes, ks=(1,))
    queries = {name: of["queries"] for name, of in found.facts["directions"].items()}
    assert queries == {"T→V": 2, "V→T": 2, "T*→V": 2, "V*→T": 2}
    none = dataclasses.replace(plain, safe_image_of=np.full(3, MISSING))
    assert retrieval.score(none).facts["left_out"]["T*→V"] == "no pair has both items"


@pytest.mark.parametrize("dead", ["everything to one point", "no numbers"])
def test_a_dead_model_finds_nothing_and_is_not_safe(plain: PairVectors, dead: str) -> None:
    row = at(33) if dead == "everything to one point" else np.full((1, 2), np.nan, np.float32)
    point = np.tile(row, (3, 1))
    collapsed = dataclasses.replace(
        plain, safe_text=point, safe_image=point, unsafe_text=point, unsafe_image=point
    )
    for name, values in retrieval.score(collapsed, ks=(1,)).values.items():
        if name.endswith("R@1"):
            assert not values.any(), name
        if name.endswith("unsafe first"):
            assert values.all(), name


@given(seed=st.integers(0, 10**6))
def test_distinct_pairs_score_as_in_the_validation_of_training(seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = random.normal(size=(4, 12, 5))
    parts /= np.linalg.norm(parts, axis=-1, keepdims=True)
    safe_text, safe_image, unsafe_text, unsafe_image = parts.astype(np.float32)
    order, bad_order = random.permutation(12), random.permutation(12)
    pairs = PairVectors(
        safe_text=safe_text,
        safe_image=safe_image,
        unsafe_text=unsafe_text,
        unsafe_image=unsafe_image,
        safe_text_of=np.arange(12),
        safe_image_of=order,
        unsafe_text_of=bad_order,
        unsafe_image_of=np.arange(12),
    )
    trained = validate(
        safe_text=safe_text,
        safe_image=safe_image,
        unsafe_text=unsafe_text,
        unsafe_image=unsafe_image,
        safe_of_pair=(np.arange(12), order),
        unsafe_of_pair=(bad_order, np.arange(12)),
    )
    means = {name: values.mean() for name, values in retrieval.score(pairs).values.items()}
    assert means["T→V R@1"] == pytest.approx(trained.safe_text_to_image)
    assert means["V→T R@1"] == pytest.approx(trained.safe_image_to_text)
    assert means["T*→V R@1"] == pytest.approx(trained.unsafe_text_to_image)
    assert means["V*→T R@1"] == pytest.approx(trained.unsafe_image_to_text)
    first = (means["T*→V unsafe first"] + means["V*→T unsafe first"]) / 2
    assert first == pytest.approx(trained.unsafe_first)
