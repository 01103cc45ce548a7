"""The crop of transformers' image processors, by the place of each pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from nsfwcaps.encoders.picture_crop import MiddleCrop


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (5, 2, [2, 3]),  # a margin of 3: 1 before, 2 behind; torchvision takes 2 before
        (6, 3, [2, 3, 4]),
        (4, 2, [2, 3]),
        (3, 3, [1, 2, 3]),
        (2, 5, [0, 0, 1, 2, 0]),  # 3 to add: 2 before
        (2, 4, [0, 1, 2, 0]),
    ],
)
def test_rows_and_columns_that_are_kept(before: int, after: int, found: list[int]) -> None:
    line = np.arange(1, before + 1, dtype=np.uint8)
    row = np.broadcast_to(line[None, :, None], (3, before, 3))
    column = np.broadcast_to(line[:, None, None], (before, 3, 3))
    wide, high = MiddleCrop(3, after), MiddleCrop(after, 3)
    assert np.asarray(wide(Image.fromarray(row.copy())))[1, :, 0].tolist() == found
    assert np.asarray(high(Image.fromarray(column.copy())))[:, 1, 0].tolist() == found
    assert wide(torch.from_numpy(row.copy()).permute(2, 0, 1))[0, 1].tolist() == found
    assert high(torch.from_numpy(column.copy()).permute(2, 0, 1))[0, :, 1].tolist() == found


def test_both_sides_at_once() -> None:
    picture = Image.fromarray(np.arange(1, 11, dtype=np.uint8).reshape(2, 5))
    assert np.asarray(MiddleCrop(4, 2)(picture)).tolist() == [[0, 0], [2, 3], [7, 8], [0, 0]]
