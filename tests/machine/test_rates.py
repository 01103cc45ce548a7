"""Every rate is measured on real work, here of a tiny size."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from nsfwcaps.enums import Precision
from nsfwcaps.machine import timing
from nsfwcaps.machine.decoding import decoding, photograph
from nsfwcaps.machine.disk import disk
from nsfwcaps.machine.products import copying, products
from nsfwcaps.machine.timing import rate
from nsfwcaps.machine.tokenising import tokenising


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SECONDS", 0.01)


def test_a_rate_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def work() -> None:
        now[0] += 0.4

    # A warm-up, then three runs of 0.4 s, as two would be less than a second.
    assert rate(work, 6.0, seconds=1.0) == pytest.approx(15.0)
    assert now[0] == pytest.approx(1.6)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_products_grow_with_the_size(precision: Precision) -> None:
    assert products("cpu", precision, side=256) > 3 * products("cpu", precision, side=4) > 0


def test_nothing_is_copied_to_a_cpu() -> None:
    assert copying("cpu") is None


def test_captions_and_pictures() -> None:
    assert tokenising(captions=100) > 100
    assert decoding(2, images=2) > 1


def test_the_picture_is_like_a_photograph() -> None:
    data = photograph()
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (640, 480), "RGB")
    assert 50_000 < len(data) < 200_000


def test_the_disk_is_measured_and_left_as_it_was(tmp_path: Path) -> None:
    writing, reading = disk(tmp_path, size=2**23)
    assert writing > 0
    assert reading > 0
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        disk(tmp_path / "gone", size=2**23)
