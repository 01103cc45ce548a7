"""Batches are prepared ahead: in order, by several threads each, few at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.odd_pictures import file_of

from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.training.ahead import Each, prepared_ahead
from nsfwcaps.training.inputs import Inputs, encoders_of
from nsfwcaps.training.pairs import Rows
from nsfwcaps.work import Work, WorkSplit

PAIRS = 12


def batches(size: int) -> list[Rows]:
    return [np.arange(start, min(start + size, PAIRS)) for start in range(0, PAIRS, size)]


def test_inputs_have_the_bits_of_one_thread_in_order(
    tiny_model: Callable[..., tuple[str, str]], clip_encoder: Callable[..., ClipEncoder]
) -> None:
    encoder = clip_encoder(*tiny_model("tiny-clip"))
    stream = np.random.default_rng(0)
    drawn = [stream.integers(0, 256, (40 + row, 60, 3), dtype=np.uint8) for row in range(2 * PAIRS)]
    files = [file_of(Image.fromarray(picture)) for picture in drawn]
    pairs: Any = SimpleNamespace(
        unsafe_captions=["a handgun " * (row % 4 + 1) for row in range(PAIRS)],
        safe_captions=[f"a vase on shelf {row}" for row in range(PAIRS)],
        unsafe_image=np.arange(PAIRS),
        safe_image=np.arange(PAIRS, 2 * PAIRS),
    )

    def picture(row: int) -> bytes:
        time.sleep(0.01 * (row % 3 == 0))
        return files[row]

    for dtype in (torch.float32, torch.bfloat16):
        encoders = encoders_of(encoder, pairs, picture, dtype)
        found = [*encoders.ahead(batches(5), 4)]
        for rows, (same, inputs) in zip(batches(5), found, strict=True):
            wanted: Inputs = encoders.prepare(rows, map)
            assert np.array_equal(same, rows)
            assert np.array_equal(inputs.rows, rows)
            assert torch.equal(inputs.tokens, wanted.tokens)
            assert torch.equal(inputs.pixels, wanted.pixels)


def test_threads_share_the_pictures_of_a_batch() -> None:
    together, split = threading.Barrier(4), WorkSplit()

    def work(row: int) -> int:
        together.wait(30)  # fails unless four threads are at work on one batch
        return row * row

    def prepare(rows: Rows, each: Each) -> list[int]:
        return list(each(work, rows.tolist()))

    found = list(prepared_ahead([np.arange(4)], prepare, workers=4, alone=False, split=split))
    assert found[0][1] == [0, 1, 4, 9]
    assert list(split.busy()) == [Work.PREPARE]


def test_many_threads_do_not_prepare_many_batches() -> None:
    begun: list[int] = []

    def prepare(rows: Rows, each: Each) -> None:
        begun.append(int(rows[0]))

    ahead = prepared_ahead(batches(1), prepare, workers=16, alone=False)
    next(ahead)
    time.sleep(0.2)
    assert len(begun) <= 3
    assert [int(rows[0]) for rows, _ in ahead] == [*range(1, PAIRS)]


@pytest.mark.parametrize("alone", [True, False])
def test_an_error_of_a_picture_comes_through(alone: bool) -> None:
    def work(row: int) -> int:
        if row == 6:
            raise OSError("no picture")
        return row

    def prepare(rows: Rows, each: Each) -> list[int]:
        return list(each(work, rows.tolist()))

    got: list[int] = []
    teams = torch.get_num_threads()
    ahead = prepared_ahead(batches(4), prepare, workers=2, alone=alone)
    with pytest.raises(OSError, match="no picture"):
        got.extend(row for _, made in ahead for row in made)
    assert got == [0, 1, 2, 3]
    assert torch.get_num_threads() == teams
