"""How close pairs are: against brute force and hand-worked values."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from nsfwcaps import config
from nsfwcaps.mining.border import BORDERS, border_of
from nsfwcaps.mining.quality import (
    Labels,
    most_used,
    quality_of,
    spread,
    spreads,
)
from nsfwcaps.mining.suggestions import MiningChoices, suggestions
from nsfwcaps.stages.embed.run import encoder_of
from nsfwcaps.stages.embed.settings import EmbedSettings

MINILM = {
    "name": "minilm",
    "weights_sha256": "a4350744173ce94918561716d57d38e270670ee80657c6e2891ea77dfe0dafa7",
}
CHOICES = MiningChoices(rank="inverted-softmax", targets=20, depth=20)


def table(
    cosines: list[float | None], targets: list[str] | pa.Array, **more: list[str | None]
) -> pa.Table:
    columns = {"sim_text": pa.array(cosines, pa.float32()), "safe_id": targets, **more}
    return pa.table(columns)


def test_groups_equal_brute_force() -> None:
    random = np.random.default_rng(1)
    cosines = random.normal(size=500)
    codes = random.integers(0, 7, size=500)
    names = [*"gfedcba"]
    found = spreads(cosines, Labels(codes=codes, names=names), 0.2)
    for code, name in enumerate(names):
        own = cosines[codes == code]
        assert found[name].pairs == len(own)
        assert found[name].quartiles == pytest.approx(np.quantile(own, [0.25, 0.5, 0.75]), abs=6e-5)
        assert found[name].below == sum(value < 0.2 for value in own)
    sizes = [item.pairs for item in found.values()]
    assert sizes == sorted(sizes, reverse=True)


def test_most_used_equals_counting() -> None:
    random = np.random.default_rng(2)
    codes = random.integers(0, 40, size=300)
    names = [f"id{number:02d}" for number in random.permutation(40)]
    wanted = sorted(
        Counter(names[code] for code in codes).items(), key=lambda item: (-item[1], item[0])
    )
    assert list(most_used(Labels(codes=codes, names=names)).items()) == wanted[:10]
    assert most_used(Labels(codes=codes[:0], names=[])) == {}


def test_pairs_without_a_cosine_are_counted_and_not_measured() -> None:
    found = spread(np.array([np.nan, 0.5, np.nan]), 0.6)
    assert (found.pairs, found.quartiles, found.below) == (3, (0.5, 0.5, 0.5), 1)
    assert spread(np.array([np.nan]), None).quartiles is None


def test_quality_of_pairs() -> None:
    pairs = table(
        [0.3, 0.5, 0.52, 0.8],
        ["b", "a", "b", "c"],
        category=["fire", None, "fire", "smoke"],
        stage=["hard", "medium", "medium", "easy"],
    )
    found = quality_of(pairs, MINILM, {"pairing": "nearest"}).as_dict()
    assert found["border"]["cosine"] == 0.51
    assert found["overall"] == {"pairs": 4, "quartiles": [0.45, 0.51, 0.59], "below": 2}
    assert {name: item["pairs"] for name, item in found["category"].items()} == {
        "fire": 2,
        "none": 1,
        "smoke": 1,
    }
    assert list(found["stage"]) == ["easy", "medium", "hard"]
    assert found["targets"] == [
        {"id": "b", "pairs": 2},
        {"id": "a", "pairs": 1},
        {"id": "c", "pairs": 1},
    ]


@pytest.mark.parametrize("model", ["minilm", "mini"])
def test_the_bundled_encoders_have_a_border(model: str) -> None:
    settings = config.parse(EmbedSettings, {"model": model}, where="embed")
    identity = encoder_of(settings, with_images=False).identity
    assert (identity.name, identity.weights_sha256) in BORDERS
    facts = {"name": identity.name, "weights_sha256": identity.weights_sha256}
    assert border_of(facts, {})[0] is not None


@pytest.mark.parametrize(
    ("encoder", "settings", "why"),
    [
        ({**MINILM, "weights_sha256": "0" * 64}, {}, "for this encoder"),
        ({**MINILM, "name": "runs/tuned"}, {}, "for this encoder"),
        (MINILM, {"pairing": "partner"}, "those of the pools"),
        (MINILM, {"similarity": "image"}, "images decided"),
    ],
)
def test_where_no_border_is_measured_it_says_why(
    encoder: dict[str, str], settings: dict[str, str], why: str
) -> None:
    border, reason = border_of(encoder, settings)
    assert border is None
    assert why in str(reason)


def test_suggestions_only_where_they_help() -> None:
    good = quality_of(table([0.8] * 9 + [0.4], [*"abcdefghij"]), MINILM, {})
    assert list(suggestions(good, CHOICES)) == []
    bad = quality_of(table([0.4] * 6 + [0.9] * 4, [*"abcdefghij"]), MINILM, {})
    assert list(suggestions(bad, CHOICES)) == [
        "a larger safe pool, or one of more similar scenes, has closer targets",
        "--min-similarity 0.51 would keep 4 of 10 pairs",
    ]
    hub = quality_of(table([0.8] * 10, ["a"] * 6 + [*"bcde"]), MINILM, {})
    assert list(suggestions(hub, CHOICES)) == [
        "one target is in 6 of 10 pairs: --hub-cap 2 spreads them (room for 40 pairs at most)"
    ]
    plain = MiningChoices(rank="cosine", targets=20, depth=20)
    assert "--hub-cap 2 or --rank inverted-softmax spreads them" in next(suggestions(hub, plain))
    capped = MiningChoices(rank="cosine", hub_cap=6, targets=20, depth=20)
    assert list(suggestions(hub, capped)) == []
    paired = MiningChoices(pairing="partner", targets=20, depth=20)
    assert list(suggestions(hub, paired)) == []


@pytest.mark.parametrize(
    ("hub", "targets", "depth", "rank", "said"),
    [
        # Of 60 pairs and 3 targets, 20 each is as even as it gets.
        (58, 3, 3, "cosine", "--rank inverted-softmax or a larger safe pool spreads them"),
        (30, 3, 3, "cosine", "only a larger safe pool spreads them (targets there are: 3)"),
        (60, 1, 1, "cosine", "only a larger safe pool spreads them (targets there are: 1)"),
        # All captions may have the same 4 candidates: with 15 pairs each, these have no place left.
        (40, 500, 4, "csls", "--hub-cap 16 spreads them (room for 8,000 pairs at most)"),
        (30, 500, 4, "csls", "only a larger safe pool spreads them (targets there are: 500)"),
        (30, None, None, "csls", None),
    ],
)
def test_a_cap_is_suggested_only_if_it_keeps_all_pairs(
    hub: int, targets: int | None, depth: int | None, rank: str, said: str | None
) -> None:
    ids = ["a"] * hub + [f"b{number}" for number in range(60 - hub)]
    found = quality_of(table([0.8] * 60, ids), MINILM, {})
    choices = MiningChoices(rank=rank, targets=targets, depth=depth)
    wanted = [] if said is None else [f"one target is in {hub} of 60 pairs: {said}"]
    assert list(suggestions(found, choices)) == wanted


@pytest.mark.parametrize(
    ("settings", "title", "median"),
    [
        ({}, "Cosines by minilm", 0.5),
        ({"similarity": "text"}, "Cosines by minilm", 0.5),
        ({"similarity": "image"}, "Cosines of images by minilm", 0.25),
        ({"similarity": "both"}, "Cosines of texts and images by minilm", 0.375),
        ({"similarity": "text", "pairing": "partner"}, "Cosines by minilm", 0.5),
    ],
)
def test_the_cosine_is_the_one_that_chose_the_targets(
    settings: dict[str, str], title: str, median: float
) -> None:
    pairs = table([0.5], ["a"]).append_column("sim_image", pa.array([0.25], pa.float32()))
    found = quality_of(pairs, MINILM, settings)
    assert (found.title, found.overall.quartiles) == (title, (median, median, median))


def test_no_pairs_at_all() -> None:
    found = quality_of(table([], pa.array([], pa.string())), MINILM, {})
    assert (found.overall.pairs, found.overall.quartiles, found.targets) == (0, None, {})
    assert list(suggestions(found, CHOICES)) == []
