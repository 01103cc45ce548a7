from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from support.small_evaluation import DATASET, figure, small

from nsfwcaps.reports.read import read
from nsfwcaps.reports.tables import tables
from nsfwcaps.reports.tradeoff import TradeoffPlot, plots, zero_shot_mean


def drawn(folder: Path) -> list[TradeoffPlot]:
    return plots(tables(read(folder)))


def test_redirection_stands_against_zero_shot(tmp_path: Path) -> None:
    first, second = drawn(small(tmp_path).write())
    assert first.title == f"{DATASET}: T*→V R@1 against zero-shot acc@1"
    assert second.title == f"{DATASET}: V*→T R@1 against zero-shot acc@1"
    by_name = {point.model: point for point in first.points}
    base, ours = by_name["base"], by_name["ours"]
    assert ours.x < base.x  # accuracy fell
    assert ours.y < base.y  # and redirection rose: up is less on paper
    assert ours.x_range == (first.x_axis.at(0.63), first.x_axis.at(0.69))
    assert ours.y_range == (first.y_axis.at(0.38), first.y_axis.at(0.44))
    assert "ours: 41.0\u00a0% redirected, utility 66.0\u00a0%" in first.description


def test_safe_retrieval_takes_the_place_of_missing_zero_shot(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.parts = {name: item for name, item in writer.parts.items() if "zeroshot" not in name}
    assert [plot.x_label for plot in drawn(writer.write())] == [
        "utility: T→V R@1, safe retrieval",
        "utility: V→T R@1, safe retrieval",
    ]


def test_mean_of_two_sets_and_its_interval(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.add("pets", "zeroshot", {"acc@1": (0.5, 0.4, True)})
    figures, label = zero_shot_mean(tables(read(writer.write())))
    assert label == "zero-shot acc@1, mean of 2 data sets"
    assert figures["base"].value == pytest.approx(0.6)
    assert figures["base"].low == pytest.approx(0.6 - math.hypot(0.03, 0.03) / 2)
    assert figures["base"].high == pytest.approx(0.6 + math.hypot(0.03, 0.03) / 2)


def test_one_model_has_no_trade_off(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.parts = {name: item for name, item in writer.parts.items() if "base" in name}
    assert not drawn(writer.write())


def test_names_do_not_stand_on_each_other(tmp_path: Path) -> None:
    writer = small(tmp_path)
    for task in ("retrieval", "zeroshot"):
        dataset = DATASET if task == "retrieval" else "caltech"
        for name in ("a", "b", "c"):
            content = writer.parts[f"results/{dataset}/{task}/ours.json"]
            writer.parts[f"results/{dataset}/{task}/{name}.json"] = {**content, "model": name}
    points = drawn(writer.write())[0].points
    places = sorted(point.label_y for point in points if point.model != "base")
    assert len(places) == 4
    assert all(below - above >= 15 for above, below in itertools.pairwise(places))


def test_names_of_models_at_the_bottom_stay_above_the_axis(tmp_path: Path) -> None:
    writer = small(tmp_path)
    for model in ("base", "ours"):
        own = writer.parts[f"results/{DATASET}/retrieval/{model}.json"]["nsfwcaps"]
        own["figures"]["T*→V R@1"] = figure(0.0)
        own = writer.parts[f"results/caltech/zeroshot/{model}.json"]["nsfwcaps"]
        own["figures"]["acc@1"] = figure(0.5)
    plot = drawn(writer.write())[0]
    base, ours = plot.points
    assert base.y == ours.y == plot.y_axis.start
    assert {base.label_y, ours.label_y} == {base.y - 8, base.y - 8 - 15}


def test_long_names_stay_inside_the_plot(tmp_path: Path) -> None:
    writer = small(tmp_path)
    long = "safer-clip-towards-nearest-targets-rank-16"
    for dataset, task in ((DATASET, "retrieval"), ("caltech", "zeroshot")):
        content = writer.parts.pop(f"results/{dataset}/{task}/ours.json")
        writer.parts[f"results/{dataset}/{task}/{long}.json"] = {**content, "model": long}
    points = drawn(writer.write())[0].points
    assert {point.label for point in points} == {"base", "safer-clip-t…ets-rank-16"}
    for point in points:
        width = 7.5 * len(point.label)
        start = point.label_x - (width if point.label_left else 0)
        assert start >= 0
        assert start + width <= 460
