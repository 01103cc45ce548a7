"""train --method contrastive-subspace: fixed adapter inputs, from a data set to a loaded model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.training_place import Killed, Place, metrics, same, tensors, train

from nsfwcaps.errors import ConfigError
from nsfwcaps.models import create
from nsfwcaps.training import contrast
from nsfwcaps.training.loop import Trainer

RUN: dict[str, Any] = {
    "method": "contrastive-subspace",
    "epochs": 2,
    "batch_size": 4,
    "curriculum": "all",
    "learning_rate": 1e-2,
    "save_every": 2,
}


@pytest.fixture(scope="module")
def whole(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    record = place.train(out, **RUN)
    assert record.facts["method"]["adapter_inputs"] == "contrast"
    return out


def factors(out: Path, name: str) -> dict[str, torch.Tensor]:
    return {key: item for key, item in tensors(out).items() if f".{name}." in key}


def test_what_is_read_comes_from_the_items_and_not_from_the_seed(
    place: Place, whole: Path, tmp_path: Path
) -> None:
    place.train(tmp_path, **RUN, seed=5)
    first, other = factors(whole, "lora_A"), factors(tmp_path, "lora_A")
    read = [name for name in first if "out_proj" not in name]
    assert read
    assert all(torch.equal(first[name], other[name]) for name in read)
    assert any(item.any() for item in factors(whole, "lora_B").values())


def test_the_output_of_fused_attention_is_not_adapted(whole: Path) -> None:
    unread = {name: item for name, item in factors(whole, "lora_B").items() if "out_proj" in name}
    assert unread
    assert not any(item.any() for item in unread.values())


def test_half_of_the_adapter_is_trained(place: Place, whole: Path, tmp_path: Path) -> None:
    ours = place.train(tmp_path / "ours", **RUN).facts["trainable"]
    free = place.train(tmp_path / "free", **RUN, adapter_inputs="any").facts["trainable"]
    assert ours < free
    assert ours == sum(
        item.numel() for name, item in factors(whole, "lora_B").items() if "out_proj" not in name
    )


def test_stopped_and_started_again_it_ends_the_same(
    place: Place, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Trainer._make, []

    def make(self: Trainer, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_make", make)
        with pytest.raises(Killed):
            place.train(tmp_path, **RUN)
    place.train(tmp_path, **RUN)
    assert same(tensors(tmp_path), tensors(whole))
    assert metrics(tmp_path) == metrics(whole)


def test_a_sample_of_many_items_is_enough(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contrast, "ITEMS", 6)
    record = place.train(tmp_path, **RUN)
    assert record.facts["pairs"]["train"] > 6


def test_more_directions_than_unsafe_items(place: Place, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="rank 32 with fixed inputs need at least 32 unsafe items, got 15"
    ):
        place.train(tmp_path, **RUN | {"rank": 32})


def test_full_fine_tuning_has_no_adapters_to_point(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.full: .* --adapter-inputs any"):
        place.train(tmp_path, **RUN, full=True)
    place.train(tmp_path, **RUN, full=True, adapter_inputs="any")


def test_any_method_can_have_fixed_inputs(place: Place, tmp_path: Path) -> None:
    record = place.train(tmp_path, **RUN | {"method": "safer-clip", "adapter_inputs": "contrast"})
    assert record.facts["method"]["adapter_inputs"] == "contrast"
    assert record.facts["method"]["weights"]["preserve_text"] == 1.0


def test_the_run_is_a_model(place: Place, whole: Path) -> None:
    base = create.load(place.model)
    tuned = create.load(str(whole))
    assert tuned.identity.weights_sha256 != base.identity.weights_sha256
    captions = ["A vase on a table.", "A dog in a park."]
    moved, before = (one.encode_text(captions, lambda done: None).rows for one in (tuned, base))
    assert abs(moved - before).max() > 1e-4


@pytest.mark.parametrize(
    ("option", "old", "new"),
    [("method", "subspace", "contrastive-subspace"), ("adapter_inputs", "difference", "contrast")],
)
def test_old_names_are_refused_and_the_new_ones_named(
    option: str, old: str, new: str, place: Place, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"train\.{option}: '{old}' is now '{new}'"):
        place.settings(**{option: old})
    said = train(place, tmp_path, **{option: old})
    assert said.code == 2
    assert f"'{new}'" in said.err


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with every computation of what adapters read."""
    real, calls = contrast.fix_directions, list[str]()

    def fixed(*arguments: Any, **options: Any) -> Any:
        calls.append("computed")
        return real(*arguments, **options)

    monkeypatch.setattr(contrast, "fix_directions", fixed)
    return calls


def test_what_adapters_read_is_kept_whatever_the_steps_are(
    place: Place, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = reads(monkeypatch)
    place.train(tmp_path, **RUN | {"epochs": 1})
    others = [{}, {"learning_rate": 1e-3}, {"batch_size": 8}, {"epochs": 3, "weight_decay": 0.1}]
    for other in others:
        place.train(tmp_path, **RUN | other)
        assert len(calls) == 1
        if not other:
            assert same(tensors(tmp_path), tensors(whole))
    for number, other in enumerate([{"ridge": 0.5}, {"rank": 3}, {"towers": ["text"]}], 2):
        place.train(tmp_path, **RUN | other)
        assert len(calls) == number


def test_what_adapters_read_survives_a_kill_before_the_first_step(
    place: Place, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*arguments: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_make", make)
        with pytest.raises(Killed):
            place.train(tmp_path, **RUN)
    calls = reads(monkeypatch)
    place.train(tmp_path, **RUN)
    assert calls == []
    assert same(tensors(tmp_path), tensors(whole))


def test_the_plan_says_what_comes_before_the_first_step(
    place: Place, whole: Path, tmp_path: Path
) -> None:
    from nsfwcaps.pipeline import plan_stage
    from nsfwcaps.stages import STAGE

    new = plan_stage(STAGE["train"], place.settings(**RUN), tmp_path)
    record = place.train(tmp_path, **RUN)
    assert new["pairs that train"] == record.facts["pairs"]["train"] < new["pairs"]
    assert new["steps"] == record.facts["steps"]
    assert new["parts"] == {"reference": None, "subspace": None, "steps": None}
    assert new["seconds"] is None
    items = {group: record.rows(group) for group in ("captions", "images")}
    assert new["reference items"] == sum(items.values())

    again = plan_stage(STAGE["train"], place.settings(**RUN | {"epochs": 4}), tmp_path)
    assert again["state"] == "stale"
    assert again["steps"] == 2 * record.facts["steps"]
    assert again["parts"]["reference"] == again["parts"]["subspace"] == 0.0
    assert again["seconds"] == again["parts"]["steps"] > 0


def test_the_plan_knows_for_which_options_the_subspace_is_done(
    place: Place, whole: Path, tmp_path: Path
) -> None:
    from nsfwcaps.pipeline import plan_stage
    from nsfwcaps.stages import STAGE

    def seconds(**changes: Any) -> float:
        settings = place.settings(**RUN | changes)
        return float(plan_stage(STAGE["train"], settings, whole)["parts"]["subspace"])

    assert seconds(epochs=1) == seconds(learning_rate=1e-3) == 0.0
    assert seconds(ridge=0.5) > 0
    assert seconds(rank=3) > 0
    assert seconds(towers=["text"]) > 0
    assert seconds(text_layers=["mlp"]) > 0


def test_runs_that_alternate_compute_each_subspace_once(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = reads(monkeypatch)
    ridges = [0.1, 0.2, 0.3, 0.4]
    for ridge in [*ridges, *ridges]:
        place.train(tmp_path, **RUN | {"ridge": ridge, "epochs": 1})
    assert len(calls) == len(ridges)
    place.train(tmp_path, **RUN | {"ridge": 0.5, "epochs": 1})
    assert len([*(tmp_path / "train").glob("subspace-*")]) == len(ridges)
    place.train(tmp_path, **RUN | {"ridge": 0.4, "epochs": 1})
    assert len(calls) == len(ridges) + 1


def test_a_run_that_was_killed_with_another_rank_takes_nothing_away(
    place: Place, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*arguments: Any) -> Any:
        raise Killed

    for rank in (4, 3):
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_make", make)
            with pytest.raises(Killed):
                place.train(tmp_path, **RUN | {"rank": rank})
    calls = reads(monkeypatch)
    first = place.train(tmp_path, **RUN)
    assert first.output_digest == place.train(whole, **RUN).output_digest
    place.train(tmp_path, **RUN | {"rank": 3})
    assert calls == []
