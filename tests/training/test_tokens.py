"""Tokens are made once for a caption, and cut to the longest of the batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from nsfwcaps.training.tokens import CaptionTokens

CAPTIONS = ["a cup", "a cup on a table", "two red cars"]


def letters(asked: list[list[str]], multiple: int = 1) -> CaptionTokens:
    """A tokenizer of letters, padded with zeros to 20, that notes what it was asked."""

    def tokenize(captions: list[str]) -> torch.Tensor:
        asked.append(captions)
        rows = [[*map(ord, caption), *[0] * 20][:20] for caption in captions]
        return torch.tensor(rows)

    return CaptionTokens(tokenize, lambda tokens: np.asarray((tokens > 0).sum(1)), multiple)


def test_captions_are_cut_to_the_longest() -> None:
    tokens = letters([]).of(["ab", "abcd", "ab"])
    assert tokens.dtype == torch.int64
    assert tokens.tolist() == [[97, 98, 0, 0], [97, 98, 99, 100], [97, 98, 0, 0]]


def test_a_caption_is_tokenised_once() -> None:
    asked: list[list[str]] = []
    table = letters(asked)
    first = table.of([CAPTIONS[0], CAPTIONS[1], CAPTIONS[0]])
    again = table.of([CAPTIONS[1], CAPTIONS[2]])
    assert asked == [CAPTIONS[:2], CAPTIONS[2:]]
    assert torch.equal(first[1], again[0])
    assert again.shape == (2, 16)


@pytest.mark.parametrize(("letter_count", "length"), [(1, 8), (8, 8), (9, 16), (17, 20)])
def test_lengths_are_multiples_up_to_the_context(letter_count: int, length: int) -> None:
    tokens = letters([], multiple=8).of(["a" * letter_count, "a"])
    assert tokens.shape == (2, length)
    assert (tokens > 0).sum(1).tolist() == [letter_count, 1]


def test_threads_share_the_table() -> None:
    asked: list[list[str]] = []
    table = letters(asked)
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(lambda _: table.of(CAPTIONS), range(50))]
    assert asked == [CAPTIONS]
    assert all(torch.equal(tokens, found[0]) for tokens in found)
