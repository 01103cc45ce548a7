"""Encoding in batches: the same numbers as one by one, in chunks and with little memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from nsfwcaps.encoders import text_batches
from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.encoders.minilm import MiniLM
from nsfwcaps.enums import Precision
from nsfwcaps.errors import DeviceError

CAPTIONS = [
    " ".join(["a vase on a red table beside the window"] * (1 + 7 * row % 5))[: 3 + 11 * row % 90]
    for row in range(57)
]


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return MiniLM(device="cpu", precision=Precision.FP32, batch_tokens=200)


@pytest.fixture
def clip(tiny_model: Callable[..., tuple[str, str]], clip_encoder: Any) -> ClipEncoder:
    made: ClipEncoder = clip_encoder(*tiny_model("tiny-clip"), batch_tokens=200)
    return made


def by_hand(lengths: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Batches of at most so many padded tokens, shortest first."""
    order, batches, batch = np.argsort(lengths, kind="stable"), [], []
    for row in order:
        if batch and lengths[row] * (len(batch) + 1) > tokens:
            batches.append(np.array(batch))
            batch = []
        batch.append(row)
    return [*batches, np.array(batch)]


def test_clip_gives_the_bits_of_a_plain_loop(clip: ClipEncoder) -> None:
    tokens = clip.its_tokenizer(CAPTIONS)
    lengths = clip.tower.lengths(tokens)
    wanted = np.empty((len(CAPTIONS), 32), dtype=np.float32)
    with torch.inference_mode():
        for batch in by_hand(lengths, 200):
            part = tokens[batch, : int(lengths[batch[-1]])]
            wanted[batch] = normalize(clip.tower.encode(part).float(), dim=-1).numpy()
    found = clip.encode_text(CAPTIONS, lambda done: None).rows
    assert np.array_equal(found, wanted)


def test_minilm_gives_the_bits_of_a_plain_loop(minilm: MiniLM) -> None:
    work = minilm.prepared(CAPTIONS)
    wanted = np.empty((len(CAPTIONS), 384), dtype=np.float32)
    with torch.inference_mode():
        for batch in by_hand(work.lengths, 200):
            longest = int(work.lengths[batch[-1]])
            ids = torch.zeros((len(batch), longest), dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, item in enumerate(batch):
                size = int(work.lengths[item])
                ids[row, :size], mask[row, :size] = work.tokens[item, :size], 1
            padded = None if bool(mask.all()) else mask
            states = minilm._model(input_ids=ids, attention_mask=padded).last_hidden_state
            weights = mask.unsqueeze(-1).to(states.dtype)
            mean = (states * weights).sum(1) / weights.sum(1)
            wanted[batch] = normalize(mean, dim=-1).numpy()
    assert np.array_equal(minilm.encode_text(CAPTIONS, lambda done: None).rows, wanted)


def test_captions_in_several_chunks_keep_their_order(
    clip: ClipEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = clip.encode_text(CAPTIONS, lambda done: None).rows
    monkeypatch.setattr(text_batches, "CHUNK_ON_CPU", 10)
    done: list[int] = []
    found = clip.encode_text(CAPTIONS, done.append).rows
    assert np.abs(found - whole).max() < 1e-5
    assert sum(done) == 57
    assert max(done) <= 10
    tokenised = clip.encode_text(clip.prepared(CAPTIONS), lambda done: None).rows
    assert np.array_equal(tokenised, found)


def test_captions_prepared_on_another_thread_give_the_same_rows(clip: ClipEncoder) -> None:
    whole = clip.encode_text(CAPTIONS, lambda done: None).rows
    work = clip.prepared(CAPTIONS)
    assert list(work) == CAPTIONS
    assert np.array_equal(clip.encode_text(work, lambda done: None).rows, whole)


def test_several_may_be_begun_before_one_is_waited_for(
    clip: ClipEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_batches, "CHUNK_ON_CPU", 10)
    whole = clip.encode_text(CAPTIONS, lambda done: None).rows
    done: list[int] = []
    first = clip.started(CAPTIONS[:30], done.append)
    second = clip.started(CAPTIONS[30:], done.append)
    assert sum(done) == 57
    with ThreadPoolExecutor(1) as pool:
        parts = [pool.submit(wait).result().rows for wait in (second, first)]
    assert np.abs(np.concatenate(parts[::-1]) - whole).max() < 1e-5
    assert clip.started([], done.append)().rows.shape == (0, 32)


@pytest.mark.parametrize("most", [1, 3, 8])
def test_batches_that_do_not_fit_are_halved(
    clip: ClipEncoder, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    whole = clip.encode_text(CAPTIONS, lambda done: None).rows
    sizes = with_room_for(clip, monkeypatch, most)
    done: list[int] = []
    found = clip.encode_text(CAPTIONS, done.append)
    assert np.abs(found.rows - whole).max() < 1e-5
    assert not found.failed
    assert sum(done) == 57
    tried = len([size for size in sizes if size > most])
    assert 1 <= tried <= 6  # the limit was learnt, not found again for every batch


def test_minilm_halves_too(minilm: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = minilm.encode_text(CAPTIONS, lambda done: None).rows
    real = minilm._encode

    def encode(batch: text_batches.TokenBatch) -> Any:
        if len(batch.ids) > 2:
            raise torch.OutOfMemoryError("full")
        return real(batch)

    monkeypatch.setattr(minilm, "_encode", encode)
    found = minilm.encode_text(CAPTIONS, lambda done: None).rows
    assert np.abs(found - whole).max() < 1e-5


def test_no_room_for_one_caption_ends_with_advice(
    clip: ClipEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_room_for(clip, monkeypatch, 0)
    with pytest.raises(DeviceError, match="batch of one"):
        clip.encode_text(CAPTIONS, lambda done: None)


def with_room_for(clip: ClipEncoder, monkeypatch: pytest.MonkeyPatch, most: int) -> Sequence[int]:
    """Let the tower refuse more captions at once; return the sizes that it was given."""
    real, sizes = clip.tower.encode, []

    class Small:
        lengths = staticmethod(clip.tower.lengths)

        @staticmethod
        def encode(tokens: torch.Tensor) -> Any:
            sizes.append(len(tokens))
            if len(tokens) > most:
                raise torch.OutOfMemoryError("full")
            return real(tokens)

    monkeypatch.setattr(clip, "tower", Small)
    return sizes
