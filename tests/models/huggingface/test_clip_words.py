"""The fast form of CLIP's tokenizer gives the tokens of transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support import transformers_models
from transformers import AutoTokenizer

from nsfwcaps.models.huggingface.clip_words import clip_words
from nsfwcaps.models.huggingface.tokens import TransformersTokenizer

CAPTIONS = [
    "",
    " ",
    "A red kite above a lake.",
    "Two  dogs, one\tball;  it's 3 o'clock.",
    "UPPER Case and 1234 numbers!!! don't can't we'll",
    "caf\u00e9 cafe\u0301 na\u00efve \u2014 dash",
    "\u684c\u4e0a\u6709\u4e00\u53ea\u732b \U0001f600 smile",
    "a\u00a0b\u2003c\u200bd",
    "&amp; <b>tag</b> & more",
    "<|endoftext|> inside <|startoftext|>",
    "x<|endoftext|>y",
    "word " * 100,
    "'s 's 'll",
    "a\nb\r\nc",
    "\u0130stanbul \u00df \ufb01",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    transformers_models.write(folder, words=True)
    return folder


@pytest.mark.parametrize("context", [77, 8])
def test_tokens_and_counts_are_those_of_transformers(folder: Path, context: int) -> None:
    theirs = AutoTokenizer.from_pretrained(folder)
    fast = TransformersTokenizer(theirs, context=context, masked=False)
    assert fast._words is not None
    wanted = theirs(
        CAPTIONS, padding="max_length", truncation=True, max_length=context, return_tensors="pt"
    )["input_ids"]
    for _ in range(2):  # the second time, from the words that it knows
        assert torch.equal(fast(CAPTIONS), wanted)
    assert fast.count(CAPTIONS) == [len(ids) for ids in theirs(CAPTIONS)["input_ids"]]


def test_other_tokenizers_have_none() -> None:
    assert clip_words(transformers_models.letters(), 16) is None
