"""A call that goes on from kept rows gives the same bits, and encodes only what is new."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nsfwcaps.encoders import text_batches
from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.encoders.keeping import KeptRows

Draw = Callable[..., bytes]
CAPTIONS = [
    " ".join(["a vase on a red table beside the window"] * (1 + 7 * row % 5))[: 3 + 11 * row % 90]
    for row in range(57)
]


class InMemory:
    """Keeps rows in a list, every other time that it is asked."""

    def __init__(self, earlier: Sequence[KeptRows] = ()) -> None:
        self.earlier, self.asked, self.new = list(earlier), 0, list[KeptRows]()

    def kept(self) -> list[KeptRows]:
        return self.earlier

    def due(self) -> bool:
        self.asked += 1
        return self.asked % 2 == 0

    def keep(self, rows: KeptRows) -> None:
        self.new.append(rows)


@pytest.fixture
def clip(tiny_model: Callable[..., tuple[str, str]], clip_encoder: Any) -> ClipEncoder:
    made: ClipEncoder = clip_encoder(*tiny_model("tiny-clip"), batch_tokens=60, batch_images=3)
    return made


class Counted:
    """A function that counts the rows it gets, and is interrupted after so many calls."""

    def __init__(self, work: Callable[[Any], Any], calls: int | None = None) -> None:
        self.work, self.left, self.rows = work, calls, 0

    def __call__(self, batch: Any) -> Any:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left = None if self.left is None else self.left - 1
        self.rows += len(batch)
        return self.work(batch)


@pytest.mark.parametrize("chunk", [65_536, 20])
def test_captions(clip: ClipEncoder, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_batches, "CHUNK_ON_CPU", chunk)
    whole = clip.encode_text(CAPTIONS, lambda done: None).rows
    encode = clip.tower.encode
    stopped, keeper = Counted(encode, calls=5), InMemory()
    clip.tower = replace(clip.tower, encode=stopped)
    with pytest.raises(KeyboardInterrupt):
        clip.started(CAPTIONS, lambda done: None, keeper)
    places = np.concatenate([rows.places for rows in keeper.new])
    assert len(keeper.new) == 3  # two that were due, and the rest at the interruption
    assert len(np.unique(places)) == len(places) == stopped.rows
    for rows in keeper.new:
        assert np.array_equal(rows.rows, whole[rows.places])

    rest, heard = Counted(encode), list[int]()
    clip.tower = replace(clip.tower, encode=rest)
    again = clip.started(CAPTIONS, heard.append, InMemory(keeper.new))().rows
    assert np.array_equal(again, whole)
    assert rest.rows == len(CAPTIONS) - len(places)
    assert sum(heard) == len(CAPTIONS)


def test_pictures_and_those_that_cannot_be_encoded(
    clip: ClipEncoder, picture: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [picture(colour) for colour in ("red", "blue", "green", "white", "grey") * 3]
    files[1] = files[4] = files[13] = b"not a picture"
    files[6] = files[7] = files[8] = b""  # a batch without any row
    images = [(str(number), lambda data=data: data) for number, data in enumerate(files)]
    whole = clip.encode_images(images, lambda done: None)
    assert sorted(whole.failed) == [1, 4, 6, 7, 8, 13]
    encode = clip.model.encode_image
    for calls in range(4):
        keeper = InMemory()
        monkeypatch.setattr(clip.model, "encode_image", Counted(encode, calls))
        with pytest.raises(KeyboardInterrupt):
            clip.encode_images(images, lambda done: None, None, keeper)
        kept = sum(len(rows.places) for rows in keeper.new)
        assert bool(kept) == bool(calls)

        rest, heard = Counted(encode), list[int]()
        monkeypatch.setattr(clip.model, "encode_image", rest)
        again = clip.encode_images(images, heard.append, None, InMemory(keeper.new))
        assert np.array_equal(again.rows, whole.rows)
        assert again.failed == whole.failed
        assert rest.rows == len(whole.rows) - kept
        assert sum(heard) == len(images)
