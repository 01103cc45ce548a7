"""Targets by text, by image or by both, against the whole matrix in double precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import nsfwcaps
from nsfwcaps.api.mined import Mined
from nsfwcaps.errors import InputError
from nsfwcaps.mining import picture_captions
from nsfwcaps.vectors.source import Half

Values = npt.NDArray[np.float64]

BETA = 20.0


@dataclass
class Pools:
    """Captions of which some share a picture, some have none, and some texts are on both sides."""

    unsafe: Half
    safe: Half
    unsafe_images: Half
    safe_images: Half
    unsafe_captions: list[str]
    safe_captions: list[str]

    def mine(self, **how: Any) -> Mined:
        names = ("unsafe_images", "safe_images", "unsafe_captions", "safe_captions")
        given = {name: getattr(self, name) for name in names}
        return nsfwcaps.mine(self.unsafe, self.safe, **given, **how)

    @property
    def own(self) -> npt.NDArray[np.bool_]:
        """`[u, s]`, pairs of one text."""
        return np.array([[u == s for s in self.safe_captions] for u in self.unsafe_captions])

    @property
    def own_picture(self) -> npt.NDArray[np.bool_]:
        """`[u, s]`, pairs of one picture."""
        sides = (
            [row.tobytes() for row in images] for images in (self.unsafe_images, self.safe_images)
        )
        unsafe, safe = sides
        return np.array([[u == s for s in safe] for u in unsafe])

    def cosines(self) -> tuple[Values, Values]:
        """`[u, s]` of captions and of pictures; NaN without a picture."""
        text = self.unsafe.astype(np.float64) @ self.safe.astype(np.float64).T
        return text, self.unsafe_images.astype(np.float64) @ self.safe_images.astype(np.float64).T


@pytest.fixture
def pools(unit_rows: Callable[..., Half]) -> Pools:
    random = np.random.default_rng(5)
    pictures = unit_rows(30, 12, seed=3)
    unsafe_images = np.concatenate([pictures[20:], pictures[20:], unit_rows(20, 12, seed=4)])
    safe_images = pictures[random.integers(0, 20, 90)]
    unsafe_images[30:36] = safe_images[:6]  # own pictures, under a safe caption too
    unsafe_images[::7], safe_images[::5] = np.nan, np.nan
    texts = [f"a table {n}" for n in range(90)]
    return Pools(
        unsafe=unit_rows(40, 8, seed=1),
        safe=unit_rows(90, 8, seed=2),
        unsafe_images=unsafe_images,
        safe_images=safe_images,
        unsafe_captions=[*texts[:20], *(f"a knife {n}" for n in range(20))],
        safe_captions=texts,
    )


def penalty(sims: Values, rank: str) -> Values:
    """Penalty `[t]` of each target, from its sims `[q, t]` to all queries."""
    if rank == "cosine":
        return np.zeros(sims.shape[1])
    if rank == "csls":
        return np.sort(sims, axis=0)[-10:].mean(axis=0) / 2
    return np.log(np.exp(BETA * sims).mean(axis=0)) / BETA


def expected(pools: Pools, by: str, rank: str, k: int) -> tuple[Any, Values, Values]:
    """Targets `[u, k]`, their sims and scores; −1 and NaN without a picture."""
    text, image = pools.cosines()
    sims = {"text": text, "image": image, "both": (text + image) / 2}[by]
    queries = np.flatnonzero(~np.isnan(sims).all(axis=1))
    captions = np.flatnonzero(~np.isnan(sims).all(axis=0))
    weights = np.full(sims.shape[1], np.nan)
    weights[captions] = penalty(sims[np.ix_(queries, captions)], rank)
    if by == "image":  # each picture once among the queries' targets, as in the plain matrix
        assert len({row.tobytes() for row in pools.safe_images[captions]}) < len(captions)
    rows = np.full((len(sims), k), -1)
    found, scores = (np.full((len(sims), k), np.nan) for _ in range(2))
    for query in queries:
        best: list[tuple[Any, ...]] = []
        for s in captions:
            if not (pools.own[query, s] or (by != "text" and pools.own_picture[query, s])):
                tie = (-text[query, s], s) if by == "image" else (s,)
                best.append((-(sims[query, s] - weights[s]), *tie, s))
        seen: set[bytes] = set()
        place = 0
        for score, *_, s in sorted(best):
            picture = pools.safe_images[s].tobytes()
            if by == "image" and picture in seen:
                continue
            seen.add(picture)
            rows[query, place], scores[query, place] = s, -score
            found[query, place] = sims[query, s]
            place += 1
            if place == k:
                break
    return rows, found, scores


@pytest.mark.parametrize("by", ["text", "image", "both"])
@pytest.mark.parametrize("rank", ["cosine", "csls", "inverted-softmax"])
@pytest.mark.parametrize("at_once", [1, 2**20])
def test_pairs_are_those_of_the_whole_matrix(
    pools: Pools, monkeypatch: pytest.MonkeyPatch, by: str, rank: str, at_once: int
) -> None:
    monkeypatch.setattr(picture_captions, "_AT_ONCE", at_once)
    wanted, sims, scores = expected(pools, by, rank, k=3)
    results = [
        pools.mine(similarity=by, rank=rank, k=3, memory=memory) for memory in ("1GiB", "64KiB")
    ]
    for found in results:
        assert found.rows.tolist() == wanted.tolist()
        np.testing.assert_array_equal(found.cosines, np.clip(sims, -1, 1).astype(np.float32))
        np.testing.assert_allclose(found.scores, scores, atol=1e-6)
    np.testing.assert_array_equal(results[0].margins, results[1].margins)
    np.testing.assert_array_equal(results[0].density, results[1].density)
    counts = np.bincount(wanted[wanted >= 0], minlength=90)
    assert results[0].hub_counts.tolist() == counts.tolist()
    none = range(0, 40, 7) if by != "text" else ()
    assert results[0].reasons == dict.fromkeys(none, "no_picture")
    assert results[0].facts["pairs_missing"] == 3 * len(none)
    assert np.isnan(results[0].density).tolist() == [row in none for row in range(40)]


@pytest.mark.parametrize("by", ["image", "both"])
def test_the_floor_and_the_cap_are_of_what_is_compared(pools: Pools, by: str) -> None:
    plain = pools.mine(similarity=by, k=2)
    floor = float(np.nanmedian(plain.cosines))
    found = pools.mine(similarity=by, k=2, min_similarity=floor)
    assert found.rows.tolist() == np.where(plain.cosines >= floor, plain.rows, -1).tolist()
    capped = pools.mine(similarity=by, hub_cap=2)
    assert capped.facts["hubs"]["largest_hub"] == 2
    moved = pools.mine(similarity=by, rank="cosine", min_candidate_similarity=floor)
    assert np.nanmin(moved.cosines) >= floor


def test_a_picture_is_one_target_and_gives_the_caption_nearest_in_text() -> None:
    text = {"unsafe": [[1.0, 0.0]], "safe": [[0.0, 1.0], [0.6, 0.8], [0.6, 0.8], [1.0, 0.0]]}
    images = {
        "unsafe_images": [[1.0, 0.0]],
        "safe_images": [[0.8, 0.6]] * 3 + [[0.0, 1.0]],
    }
    how = {**images, "similarity": "image", "rank": "cosine"}
    found = nsfwcaps.mine(text["unsafe"], text["safe"], **how, k=2)
    assert found.rows.tolist() == [[1, 3]], "of equal texts the first row"
    assert found.margins[0, 0] == pytest.approx(0.8, abs=1e-3), "to the other picture"
    names = {"unsafe_captions": ["b"], "safe_captions": ["a", "b", "b", "c"]}
    assert nsfwcaps.mine(text["unsafe"], text["safe"], **how, **names).rows.tolist() == [[0]]
    names["safe_captions"] = ["b", "b", "b", "c"]
    assert nsfwcaps.mine(text["unsafe"], text["safe"], **how, **names).rows.tolist() == [[3]]


@pytest.mark.parametrize(("by", "row"), [("text", 0), ("image", 2), ("both", 1)])
def test_the_own_picture_is_no_target_under_another_caption(by: str, row: int) -> None:
    text = {"unsafe": [[1.0, 0.0]], "safe": [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]}
    images = {
        "unsafe_images": [[1.0, 0.0]],
        "safe_images": [[1.0, 0.0], [0.6, 0.8], [0.8, 0.6]],
    }
    how = {**images, "similarity": by, "rank": "cosine"}
    found = nsfwcaps.mine(text["unsafe"], text["safe"], **how, k=2)
    assert found.rows[0, 0] == row
    if by != "text":
        assert sorted(found.rows[0].tolist()) == [1, 2]
        assert found.density[0] == pytest.approx(0.7 if by == "image" else 0.55, abs=1e-3)
    images["safe_images"] = [[1.0, 0.0]] * 3
    alone = nsfwcaps.mine(text["unsafe"], text["safe"], **{**how, **images})
    assert alone.reasons == ({} if by == "text" else {0: "only_its_own_picture"})


def test_a_picture_with_many_captions_takes_one_place_of_the_candidates() -> None:
    safe = np.tile([1.0, 0.0], (300, 1))
    pictures = np.tile([0.96, 0.28], (300, 1))
    pictures[-1] = [0.8, 0.6]
    found = nsfwcaps.mine(
        [[1.0, 0.0]],
        safe,
        unsafe_images=[[1.0, 0.0]],
        safe_images=pictures,
        similarity="image",
        rank="cosine",
        k=2,
    )
    assert found.rows.tolist() == [[0, 299]]


@pytest.mark.parametrize("by", ["image", "both"])
def test_without_pictures_there_is_one_clear_error(pools: Pools, by: str) -> None:
    with pytest.raises(InputError, match=f"similarity={by} compares pictures, and none has"):
        nsfwcaps.mine(pools.unsafe, pools.safe, similarity=by)
    with pytest.raises(InputError, match="pictures given for one side only"):
        nsfwcaps.mine(pools.unsafe, pools.safe, similarity=by, safe_images=pools.safe_images)
    pools.unsafe_images[:] = np.nan
    with pytest.raises(InputError, match=r"none of 40 unsafe captions has one.*--similarity text"):
        pools.mine(similarity=by)
    images = {"unsafe_images": pools.unsafe_images, "safe_images": pools.safe_images[:3]}
    with pytest.raises(InputError, match=r"safe_images: 3 rows for 90 captions"):
        nsfwcaps.mine(pools.unsafe, pools.safe, **images)
