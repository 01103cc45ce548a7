"""Batches of images prepared on threads: order, failures, sizes, and memory in flight."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.odd_pictures import file_of
from torchvision import transforms

from nsfwcaps.encoders import picture_batches
from nsfwcaps.encoders.picture_batches import PictureBatch, PictureReader
from nsfwcaps.encoders.picture_input import PictureInput
from nsfwcaps.work import Work, WorkSplit

SIDE = 8
EACH = 3 * SIDE * SIDE

Get = Callable[[], bytes]


def split_input() -> PictureInput:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    return PictureInput(image_transform_v2(PreprocessCfg(size=(SIDE, SIDE)), False), exact=True)


def whole_input() -> PictureInput:
    return PictureInput(transforms.ToTensor(), exact=True)


def level(number: int) -> Get:
    """A picture of one level of grey."""
    data = file_of(Image.new("RGB", (SIDE, SIDE), (number,) * 3))
    return lambda: data


def missing() -> bytes:
    raise FileNotFoundError("gone")


def batches_of(
    inputs: PictureInput,
    gets: Sequence[Get],
    units: Callable[[], int] = lambda: 4,
    split: WorkSplit | None = None,
) -> Iterator[PictureBatch]:
    reader = PictureReader(inputs, workers=3, pinned=False)
    return reader.batches([("", get) for get in gets], units, split or WorkSplit())


def levels(batches: list[PictureBatch], inputs: PictureInput) -> list[int]:
    """The level of each picture, in order."""
    scale = 1 if inputs.bytes_each else 255
    found = [batch.pixels[:, 0, 0, 0] * scale for batch in batches if batch.pixels is not None]
    return [round(value) for value in torch.cat(found).tolist()]


@pytest.mark.parametrize("block_bytes", [1, 10 * EACH, 2**25])
@pytest.mark.parametrize("make", [split_input, whole_input])
def test_pictures_keep_their_order_and_failures_their_place(
    make: Callable[[], PictureInput], block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_batches, "_BLOCK_BYTES", block_bytes)
    gets: list[Get] = [level(number) for number in range(50)]
    gets[7], gets[8], gets[49] = missing, lambda: b"no picture", missing
    gets[20:24] = [lambda: b""] * 4  # a whole batch
    inputs = make()
    batches = list(batches_of(inputs, gets))
    assert [batch.count for batch in batches] == [4] * 12 + [2]
    failed = {row: why for batch in batches for row, why in batch.failed.items()}
    undecodable = dict.fromkeys((8, 20, 21, 22, 23), "image_undecodable")
    assert failed == undecodable | {7: "image_missing", 49: "image_missing"}
    assert batches[5].pixels is None
    assert levels(batches, inputs) == [row for row in range(50) if row not in failed]


def test_batches_grow_as_soon_as_more_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_batches, "_BLOCK_BYTES", 16 * EACH)
    sizes = iter([2, 2, 5, 5, 5, 40, 40, 40, 40, 40, 40, 40])
    units = 2

    def grown() -> int:
        return units

    inputs, found = split_input(), []
    for batch in batches_of(inputs, [level(number) for number in range(100)], grown):
        found.append(batch)
        units = next(sizes)
    assert levels(found, inputs) == list(range(100))
    counts = [batch.count for batch in found]
    assert counts[:5] == [2, 2, 2, 5, 5]
    assert max(counts) == 40
    assert list(batches_of(inputs, [], grown)) == []


def test_no_more_than_two_blocks_are_prepared_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_batches, "_BLOCK_BYTES", 4 * EACH)
    lock, read = threading.Lock(), 0

    def counted() -> bytes:
        nonlocal read
        with lock:
            read += 1
        return level(0)()

    done = 0
    for batch in batches_of(split_input(), [counted] * 40, lambda: 2):
        assert read <= done + 8
        done += batch.count
    assert done == read == 40


def test_an_error_of_a_thread_comes_through_and_ends_the_others() -> None:
    def broken() -> bytes:
        raise RuntimeError("a fault of the program")

    gets: list[Get] = [level(0)] * 5 + [broken] + [level(0)] * 200
    with pytest.raises(RuntimeError, match="a fault of the program"):
        list(batches_of(split_input(), gets))


def test_threads_compute_alone_and_leave_the_rest_of_the_process_as_it_was() -> None:
    seen: set[int] = set()

    def watched() -> bytes:
        seen.add(torch.get_num_threads())
        return level(0)()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        list(batches_of(split_input(), [watched] * 9))
        after: list[int] = []
        later = threading.Thread(target=lambda: after.append(torch.get_num_threads()))
        later.start()
        later.join()
        assert (seen, torch.get_num_threads(), after) == ({1}, 2, [2])
    finally:
        torch.set_num_threads(before)


def test_reading_and_preparing_are_timed_apart() -> None:
    import time

    def slow() -> bytes:
        time.sleep(0.02)
        return level(0)()

    split = WorkSplit()
    list(batches_of(split_input(), [slow] * 15, split=split))
    busy = split.busy()
    assert 0.1 <= busy[Work.READ] < 1  # 15 times 0.02 s on three threads
    assert 0 < busy[Work.PREPARE] < busy[Work.READ]


def test_rows_do_not_depend_on_blocks(
    tiny_model: Callable[..., tuple[str, str]],
    clip_encoder: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = np.random.default_rng(0)
    files = [
        file_of(Image.fromarray(drawn.integers(0, 256, (40, 50, 3), dtype=np.uint8)))
        for _ in range(37)
    ]
    images = [("", lambda data=data: data) for data in files]
    encoder = clip_encoder(*tiny_model("tiny-clip"))
    rows = encoder.encode_images(images, lambda done: None).rows
    monkeypatch.setattr(picture_batches, "_BLOCK_BYTES", 1)
    again = clip_encoder(*tiny_model("tiny-clip"), workers=5)
    assert np.array_equal(again.encode_images(images, lambda done: None).rows, rows)
