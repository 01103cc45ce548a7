"""train: how the pairs were chosen is recorded, said where it is not the paper's, and so built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.shell import call
from support.training_place import Place, train

from nsfwcaps.stages.train.selection import difference_to_paper, manifest_stages, selection_of

SAID = (
    "Pairs are ranked by inverted-softmax and graded by similarity and margin; SafeR-CLIP: cosine, "
    "and similarity alone (the recipe 'paper' builds such pairs and trains on them)"
)


def recorded(out: Path) -> Any:
    return json.loads((out / "model" / "adapter.json").read_bytes())["selection"]


def test_a_data_set_by_default_is_not_the_papers_and_that_is_said(
    place: Place, tmp_path: Path
) -> None:
    said = train(place, tmp_path)
    assert [line.strip() for line in said.out.splitlines()].count(SAID) == 1
    assert recorded(tmp_path) == {
        "pairing": "nearest",
        "rank": "inverted-softmax",
        "graded_by": ["similarity", "margin"],
    }


@pytest.mark.parametrize("method", ["safe-clip", "contrastive-subspace"])
def test_other_methods_record_it_and_say_nothing(method: str, place: Place, tmp_path: Path) -> None:
    assert "SafeR-CLIP" not in train(place, tmp_path, method=method).out
    assert recorded(tmp_path)["rank"] == "inverted-softmax"


def test_the_papers_recipe_goes_from_pools_to_a_model(place: Place, tmp_path: Path) -> None:
    """All of its settings but the model, the pools and the size."""
    small = {
        "ingest.safe": place.work / "pools" / "safe",
        "ingest.unsafe": place.work / "pools" / "unsafe",
        "embed.model": place.model,
        "embed.device": "cpu",
        "publish.near_duplicate": 1.0,
        "train.model": place.model,
        "train.scale": "model",
        "train.rank": 4,
        "train.batch_size": 4,
        "train.device": "cpu",
        "train.workers": 1,
    }
    changes = [part for name, value in small.items() for part in ("--set", f"{name}={value}")]
    said = call("run", "paper", "--out", tmp_path, *changes)
    assert said.code == 0, said.err
    assert "SafeR-CLIP: cosine" not in said.out
    assert recorded(tmp_path) == {
        "pairing": "nearest",
        "rank": "cosine",
        "graded_by": ["similarity"],
    }
    told = json.loads((tmp_path / "model" / "adapter.json").read_bytes())
    assert (told["settings"]["epochs"], told["learning_rate"]) == (9, 1e-4)
    stages = manifest_stages(tmp_path / "dataset")
    assert selection_of(stages) == recorded(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"rank": "csls"}, "ranked by csls and graded by similarity;"),
        ({"graded_by": []}, "ranked by cosine and graded by nothing;"),
        ({"pairing": "partner"}, "paired with their partners and graded by similarity;"),
    ],
    ids=str,
)
def test_what_differs_is_named(changes: dict[str, Any], said: str | None) -> None:
    paper = {"pairing": "nearest", "rank": "cosine", "graded_by": ["similarity"]}
    found = difference_to_paper(paper | changes)
    assert (found is None) if said is None else (found is not None and said in found)
