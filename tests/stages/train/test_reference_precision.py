"""The reference is in the precision of training only where both rank a sample alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.training_place import Place

from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.models.create import load_dual
from nsfwcaps.progress import Silent
from nsfwcaps.stages.train import reference_precision
from nsfwcaps.stages.train.dataset import data_files
from nsfwcaps.stages.train.reference_precision import SideRows, agreement

DIRECTIONS = ["text to text", "text to image", "image to text", "image to image"]


def sides(text: list[list[float]], image: list[list[float]]) -> tuple[SideRows, SideRows]:
    """Unsafe rows as given, and safe rows along the two axes."""
    axes = np.eye(2, dtype=np.float32)
    unsafe = SideRows(text=np.array(text, np.float32), image=np.array(image, np.float32))
    return unsafe, SideRows(text=axes, image=axes)


def test_agreement_is_the_share_of_equal_nearest_items() -> None:
    one = sides([[0.8, 0.6], [0.6, 0.8], [1, 0], [0, 1]], [[0.8, 0.6], [0.6, 0.8]])
    # The first caption and no picture has changed its nearest axis.
    other = sides([[0.6, 0.8], [0.6, 0.8], [1, 0], [0, 1]], [[1, 0], [0.1, 0.9]])
    assert agreement(one, one) == dict.fromkeys(DIRECTIONS, 1.0)
    assert agreement(one, other) == {
        "text to text": 0.75,
        "text to image": 0.75,
        "image to text": 1.0,
        "image to image": 1.0,
    }


def test_lost_rows_do_not_agree() -> None:
    one, fewer = sides([[1, 0], [0, 1]], [[1, 0]]), sides([[1, 0]], [[1, 0]])
    found = agreement(one, fewer)
    assert (found["text to text"], found["image to text"]) == (0.0, 1.0)


def trained(place: Place, out: Path, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Facts of the reference, from the record and from the adapter's description."""
    record = place.train(out, epochs=1, curriculum="all", **changes)
    described = json.loads((out / "model" / "adapter.json").read_text())
    return record.facts["reference"], described["reference"]


@pytest.mark.parametrize(("enough", "chosen"), [(0.0, "bf16"), (1.01, "fp32")])
def test_the_choice_follows_the_sample(
    enough: float, chosen: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_precision, "_ITEMS", 6)
    monkeypatch.setattr(reference_precision, "ENOUGH", enough)
    facts, described = trained(place, tmp_path, precision="bf16")
    assert facts == described
    assert (facts["precision"], facts["enough"]) == (chosen, enough)
    assert list(facts["agreement"]) == ["bf16"]  # fp16 is tried on a GPU only
    shares = facts["agreement"]["bf16"]
    assert sorted(shares) == sorted(DIRECTIONS)
    assert all(0.5 <= share <= 1 for share in shares.values())
    assert 1 <= facts["sample"]["safe"] <= facts["sample"]["unsafe"] == 6


def test_a_run_that_goes_on_keeps_the_choice(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_precision, "_ITEMS", 6)
    monkeypatch.setattr(reference_precision, "ENOUGH", 0.0)
    first, _ = trained(place, tmp_path, precision="bf16")
    monkeypatch.setattr(reference_precision, "ENOUGH", 1.01)  # would choose otherwise
    again, _ = trained(place, tmp_path, precision="bf16", seed=1)
    assert again == first


def test_precisions_are_tried_in_order(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_precision, "_ITEMS", 6)
    options = EncoderOptions(device=Device.CPU, precision=Precision.FP32, workers=1)
    single = load_dual(place.model, options)
    half, same = (single.in_precision(precision) for precision in (Precision.BF16, Precision.FP32))
    files = data_files(place.data)

    def chosen(enough: float, *tried: Any) -> tuple[str, list[str]]:
        monkeypatch.setattr(reference_precision, "ENOUGH", enough)
        facts = reference_precision._check(files, single, tried, Silent()).facts
        return facts["precision"], [*facts["agreement"]]

    assert chosen(0.0, half, same) == ("bf16", ["bf16"])
    assert chosen(1.01, half, same) == ("fp32", ["bf16", "fp32"])
    assert chosen(1.0, same, half) == ("fp32", ["fp32"])  # it agrees with itself


def test_few_pairs_and_single_precision_are_not_checked(place: Place, tmp_path: Path) -> None:
    few, _ = trained(place, tmp_path / "few", precision="bf16")
    assert (few["precision"], few["agreement"]) == ("fp32", {})
    assert few["unchecked"] == "fewer than 2,048 pairs"
    single, _ = trained(place, tmp_path / "single")
    assert single == {"precision": "fp32", "agreement": {}}
