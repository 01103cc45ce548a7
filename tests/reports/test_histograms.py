from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.small_evaluation import DASH, DATASET, small

from nsfwcaps.reports.histograms import plots
from nsfwcaps.reports.read import read


def test_kinds_share_an_axis_and_tell_their_means(tmp_path: Path) -> None:
    (plot,) = plots(read(small(tmp_path).write()))
    assert (plot.dataset, plot.model, len(plot.panels)) == (DATASET, "ours", 4)
    assert len({panel.axis for panel in plot.panels}) == 1
    with np.load(tmp_path / "results" / DATASET / "similarities" / "ours.npz") as archive:
        mean = float(archive[f"unsafe text{DASH}safe image"].mean())
    assert plot.panels[0].mean_after == pytest.approx(mean, abs=1e-6)
    assert f"{mean:.3f} after" in plot.description


def test_outline_is_as_high_as_the_shares(tmp_path: Path) -> None:
    """Both models on one value each: the bin of each is full and all others are empty."""
    writer = small(tmp_path)
    target = tmp_path / "results" / DATASET / "similarities"
    np.savez(target / "base.npz", kind=np.full(5, 0.0))
    np.savez(target / "ours.npz", kind=np.full(9, 0.5))
    (plot,) = plots(read(writer.write()))
    (panel,) = plot.panels
    heights = [float(item) for item in re.findall(r"V([\d.]+)H", panel.before)]
    assert sorted(set(heights)) == [42, 144]
    assert heights.count(42) == 1
    assert heights.index(42) < panel.after.split("V").index(
        next(item for item in panel.after.split("V") if item.startswith("42"))
    )


def test_without_the_base_there_is_nothing_to_compare(tmp_path: Path) -> None:
    folder = small(tmp_path).write()
    (folder / "results" / DATASET / "similarities" / "base.npz").unlink()
    assert not plots(read(folder))


def test_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    folder = small(tmp_path).write()
    target = folder / "results" / DATASET / "similarities"
    np.savez(target / "base.npz", kind=[0.1, np.nan], empty=np.empty(0))
    np.savez(target / "ours.npz", kind=[0.3, 0.5], empty=np.empty(0))
    (plot,) = plots(read(folder))
    assert [panel.title for panel in plot.panels] == ["kind"]
    assert plot.panels[0].mean_before == pytest.approx(0.1)
