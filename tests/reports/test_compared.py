"""What the report says of models and data before any figure."""

from __future__ import annotations

from pathlib import Path

from support.small_evaluation import DATASET, small

from nsfwcaps.reports import compared, render
from nsfwcaps.reports.figures import NONE
from nsfwcaps.reports.page import page
from nsfwcaps.reports.read import read

TRAINED = {
    "method": "safer-clip",
    "base": "mini",
    "trained": "LoRA of rank 16, alpha 16",
    "towers": ["image", "text"],
    "data": "Demo pairs",
    "data_sha256": "0123456789abcdef",
    "steps": 1200,
    "epochs": 5,
    "kept_epoch": 4,
    "learning_rate": 0.001,
    "strength": 1.0,
}


def test_method_data_and_steps_of_each_model(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.run["models"] = {
        "base": {"named": "mini", "trainings": []},
        "ours": {"named": "runs", "trainings": [TRAINED, {**TRAINED, "strength": 0.5}]},
    }
    found = compared.models(read(writer.write()))
    method = "safer-clip from mini: LoRA of rank 16, alpha 16, of image and text"
    rest = ("Demo pairs (0123456789ab)", "1,200", "4 of 5", "0.001")
    assert [(row.model, row.before, tuple(row.values)) for row in found] == [
        ("base", False, ("mini, not trained by nsfwcaps", NONE, NONE, NONE, NONE)),
        ("ours", False, (method, *rest)),
        ("ours", True, (f"{method}; strength 0.5", *rest)),
    ]
    shown = page(read(writer.folder))
    for text in (render.html(shown), render.markdown(shown)):
        assert text.count(method) == 2
        assert text.index(method) < text.index("Gains")


def test_what_an_export_does_not_record_is_a_dash(tmp_path: Path) -> None:
    writer = small(tmp_path)
    lost = dict.fromkeys(("data", "data_sha256", "epochs", "kept_epoch", "learning_rate"))
    writer.run["models"]["ours"] = {"trainings": [TRAINED | lost]}
    row = compared.models(read(writer.write()))[-1]
    assert tuple(row.values[1:]) == ("not recorded", "1,200", NONE, NONE)


def test_a_record_of_an_earlier_version(tmp_path: Path) -> None:
    found = compared.models(read(small(tmp_path).write()))
    said = "not recorded; run the same 'nsfwcaps eval' command again"
    assert [row.values[0] for row in found] == [f"base, {said}", f"ours, {said}"]


def test_n_comes_before_any_figure(tmp_path: Path) -> None:
    writer = small(tmp_path)
    evaluation = read(writer.write())
    assert [(item.dataset, item.counts) for item in compared.data(evaluation)] == [
        ("caltech", "not recorded"),
        (DATASET, "1,200 pairs"),
    ]
    shown = page(evaluation)
    for text in (render.html(shown), render.markdown(shown)):
        assert text.index("1,200 pairs") < text.index("41.0")
