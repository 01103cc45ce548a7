"""train, fixed partners: which item is kept, which one is the target, and what lacks a partner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.training_place import (
    Place,
    refused,
    rewrite,
    same,
    tensors,
    train,
    train_rows,
)

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.enums import Targets
from nsfwcaps.stages.train.pairs import mined_pairs, training_pairs, without_partner
from nsfwcaps.stages.train.reference import Reference
from nsfwcaps.training.loop import Trainer
from nsfwcaps.training.pairs import TrainingPairs

RUN: dict[str, Any] = {"epochs": 1, "batch_size": 4, "curriculum": "all"}


@pytest.fixture
def copied(place: Place, tmp_path: Path) -> Place:
    return place.copy(tmp_path / "copied")


# Pairs.

NAMES = ("vase", "cup", "bowl", "handgun", "knife", "fire")


def item(side: str, name: str | None) -> dict[str, str | None]:
    """Columns of one item, by a name; none where there is no item."""
    parts = {"id": "id of", "caption": "a", "image_sha256": "picture of"}
    return {f"{side}_{key}": name and f"{word} {name}" for key, word in parts.items()}


def table(*pairs: tuple[str, str, str | None]) -> pa.Table:
    """Pairs by the names of their unsafe item, mined safe item and partner."""
    rows = [
        {
            "pair_id": f"pair-{number}",
            "stage": "easy",
            **item("unsafe", unsafe),
            **item("safe", safe),
            **item("partner", partner),
        }
        for number, (unsafe, safe, partner) in enumerate(pairs)
    ]
    return pa.Table.from_pylist(rows)


def reference(*without_picture: str) -> Reference:
    """Rows in the order of the names; pictures backwards, so that no two can be mixed up."""
    pictures = [name for name in reversed(NAMES) if name not in without_picture]
    return Reference(
        text=np.zeros((len(NAMES), 1), np.float32),
        image=np.zeros((len(pictures), 1), np.float32),
        text_row={f"id of {name}": row for row, name in enumerate(NAMES)},
        image_row={f"picture of {name}": row for row, name in enumerate(pictures)},
        _places=[],
        _files=[],
    )


PAIRS = table(("handgun", "vase", "cup"), ("knife", "bowl", None), ("fire", "cup", "cup"))


def names(pairs: TrainingPairs, place: str) -> list[str]:
    """Names of the items in one place of the pairs, which caption and picture must agree on."""
    text = [NAMES[row] for row in getattr(pairs, f"{place}_text")]
    assert [NAMES[-1 - row] for row in getattr(pairs, f"{place}_image")] == text
    return text


def test_nearest_keeps_the_partner_and_goes_to_the_mined_item() -> None:
    pairs = training_pairs(PAIRS, reference(), Targets.NEAREST)
    assert names(pairs, "unsafe") == ["handgun", "knife", "fire"]
    assert names(pairs, "safe") == ["cup", "bowl", "cup"]
    assert names(pairs, "target") == ["vase", "bowl", "cup"]
    assert list(pairs.safe_captions) == ["a cup", "a bowl", "a cup"]
    assert list(pairs.target_captions) == ["a vase", "a bowl", "a cup"]


def test_fixed_goes_to_the_partner_and_leaves_out_pairs_without() -> None:
    pairs = training_pairs(PAIRS, reference(), Targets.FIXED)
    assert list(pairs.pair_ids) == ["pair-0", "pair-2"]
    assert names(pairs, "unsafe") == ["handgun", "fire"]
    assert names(pairs, "safe") == names(pairs, "target") == ["cup", "cup"]
    assert list(pairs.safe_captions) == ["a cup", "a cup"]
    assert list(pairs.target_captions) == ["a cup", "a cup"]
    assert without_partner(PAIRS, reference()) == 1


def test_mined_pairs_know_no_partner() -> None:
    pairs = mined_pairs(PAIRS, reference())
    assert names(pairs, "safe") == names(pairs, "target") == ["vase", "bowl", "cup"]
    assert list(pairs.safe_captions) == ["a vase", "a bowl", "a cup"]


def test_partner_without_a_usable_picture_is_none() -> None:
    """Of the first pair; the third has no usable picture at all and was sorted out before."""
    pairs, lacking = PAIRS.slice(0, 2), reference("cup")
    kept = training_pairs(pairs, lacking, Targets.NEAREST)
    assert list(kept.safe_captions) == ["a vase", "a bowl"]
    assert len(training_pairs(pairs, lacking, Targets.FIXED)) == 0
    assert without_partner(pairs, lacking) == 2


# Runs.


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[TrainingPairs]:
    """The pairs of every step."""
    seen: list[TrainingPairs] = []
    real = Trainer._make

    def make(trainer: Trainer, *rest: Any) -> Any:
        seen.append(trainer._pairs)
        return real(trainer, *rest)

    monkeypatch.setattr(Trainer, "_make", make)
    return seen


def ids_of_rows(out: Path) -> tuple[list[str], list[str]]:
    """Id of every row of the reference's captions, and hash of every one of its pictures."""
    record = StageFolder(out / "train").record()
    assert record is not None
    captions, images = (
        [
            row[key]
            for path in record.paths(group)
            for row in pq.read_table(path, columns=[key]).to_pylist()
        ]
        for group, key in (("captions", "id"), ("images", "image_sha256"))
    )
    return captions, images


@pytest.mark.parametrize(
    ("changes", "targets"),
    [
        ({"method": "safe-clip"}, "fixed"),
        ({"method": "safe-clip", "targets": "nearest"}, "nearest"),
        ({"method": "safer-clip"}, "nearest"),
        ({"method": "safer-clip", "targets": "fixed"}, "fixed"),
    ],
    ids=str,
)
def test_a_world_is_trained_on_with_its_partners(
    changes: dict[str, str],
    targets: str,
    place: Place,
    trained: list[TrainingPairs],
    tmp_path: Path,
) -> None:
    """From drawn pools to adapters: the partners are those that the pools name."""
    record = place.train(tmp_path, **RUN, **changes)
    rows = train_rows(place)
    partners = {
        row["id"]: row["partner_id"]
        for path in (place.work / "pools" / "unsafe").glob("*.parquet")
        for row in pq.read_table(path, columns=["id", "partner_id"]).to_pylist()
    }
    assert all(row["partner_id"] in (None, partners[row["unsafe_id"]]) for row in rows)
    lacking = sum(row["partner_id"] is None for row in rows)
    assert 0 < lacking < len(rows)
    assert any(row["partner_id"] not in (None, row["safe_id"]) for row in rows)

    row_of = {row["pair_id"]: row for row in rows}
    captions, images = ids_of_rows(tmp_path)
    pairs = trained[0]
    for number, name in enumerate(pairs.pair_ids):
        row = row_of[name]
        kept = "safe" if row["partner_id"] is None else "partner"
        target = "safe" if targets == "nearest" else "partner"
        for place_of, side in (("unsafe", "unsafe"), ("safe", kept), ("target", target)):
            text = captions[getattr(pairs, f"{place_of}_text")[number]]
            image = images[getattr(pairs, f"{place_of}_image")[number]]
            assert (text, image) == (row[f"{side}_id"], row[f"{side}_image_sha256"])

    facts = record.facts
    assert facts["pairs"]["train"] == len(rows) - (lacking if targets == "fixed" else 0)
    assert facts["pairs_without_partner"] == lacking
    told = json.loads((tmp_path / "model" / "adapter.json").read_bytes())
    assert facts["method"]["targets"] == told["targets"] == targets


def test_runs_with_either_target_are_validated_on_the_same_pairs(
    place: Place, tmp_path: Path
) -> None:
    """Partners or none: a model that was not trained yet has the same numbers."""
    first, second = (
        place.train(tmp_path / targets, **RUN, targets=targets).facts for targets in Targets
    )
    assert first["validation"][0] == second["validation"][0]
    assert not same(*(tensors(tmp_path / targets) for targets in Targets))
    assert first["pairs"]["validation"] == second["pairs"]["validation"]


def without_partners(copied: Place) -> None:
    for path in (copied.data / "data").glob("*.parquet"):
        table = pq.read_table(path)
        kept = [name for name in table.column_names if not name.startswith("partner_")]
        path.unlink()  # a copy may be a link
        pq.write_table(table.select(kept), path)


def lose(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if name.startswith("partner_") else cell for name, cell in row.items()}


@pytest.mark.parametrize("how", ["no columns", "nulls", "nulls in train"])
@pytest.mark.parametrize("changes", [{"method": "safe-clip"}, {"targets": "fixed"}], ids=str)
def test_fixed_targets_without_partners(
    how: str,
    changes: dict[str, str],
    copied: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Refused before anything is loaded, with both ways out."""
    if how == "no columns":
        without_partners(copied)
    else:
        rewrite(copied, lambda row: lose(row) if how == "nulls" or row["split"] == "train" else row)

    def loads(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a model was loaded")

    with monkeypatch.context() as patch:
        patch.setattr(ClipEncoder, "__init__", loads)
        said = train(copied, tmp_path / "out", **changes)
        refused(said, 2, "fixed", "--partner-column", "--targets nearest", str(copied.data))
    if how == "no columns":
        said = train(copied, tmp_path / "out", "--json", **changes | {"targets": "nearest"})
        assert said.code == 0
        facts = said.json["stages"][0]["facts"]
        assert facts["pairs_without_partner"] == facts["pairs"]["train"]


def test_partners_whose_picture_is_broken_are_left_out(copied: Place, tmp_path: Path) -> None:
    """They cost the pair where targets are fixed, and nothing where they are mined."""
    with_partner = [row for row in train_rows(copied) if row["partner_id"] is not None]
    before = len(train_rows(copied)) - len(with_partner)
    used = {
        row[f"{side}_image_sha256"] for row in train_rows(copied) for side in ("unsafe", "safe")
    }
    lost = next(
        row["partner_image_sha256"]
        for row in with_partner
        if row["partner_image_sha256"] not in used
    )
    rewrite(
        copied,
        lambda row: {**row, "partner_image": None} if row["partner_image_sha256"] == lost else row,
    )
    gone = sum(row["partner_image_sha256"] == lost for row in with_partner)
    fixed = copied.train(tmp_path / "fixed", **RUN, targets="fixed").facts
    assert fixed["pairs_without_partner"] == before + gone
    assert fixed["pairs"]["train"] == len(with_partner) - gone
    nearest = copied.train(tmp_path / "nearest", **RUN).facts
    assert nearest["pairs"]["train"] == len(with_partner) + before
