"""Captions beyond an encoder's window, against the tokens of the whole caption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import tiny_clip
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from nsfwcaps.encoders.minilm import MiniLM
from nsfwcaps.encoders.token_counts import minilm_folder
from nsfwcaps.encoders.window import beyond, token_counter
from nsfwcaps.enums import Precision
from nsfwcaps.models import create

WORDS = [
    "a",
    "vase",
    "knife",
    "&amp;",
    "İ",
    "ﷺ",
    "日本",
    "café",
    "👨‍👩‍👧",
    "ﬁ",
    "½",
    '5"',
    "हथगोला",
]
CAPTIONS = st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)


def sentencepiece(tmp_path: Path) -> Any:
    """SigLIP's kind of tokenizer: pieces behind a space, the end marked, full NFKC."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -2.0)]
    pieces += [(sign, -3.0) for sign in "abcdefghijklmnopqrstuvwxyz"]
    made = Tokenizer(models.Unigram(pieces, unk_id=2))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(str(tmp_path))
    return open_clip.tokenizer.HFTokenizer(str(tmp_path), context_length=64, clean="canonicalize")


def bert() -> Any:
    return open_clip.tokenizer.HFTokenizer(str(minilm_folder()), context_length=64)


def lengths(tokenizer: Any, captions: list[str], pad: int) -> np.ndarray:
    """Numbers of tokens `[n]` in a window that holds everything."""
    tokens = tokenizer(captions, context_length=4000)
    return (tokens != pad).sum(1).numpy()


@pytest.mark.parametrize("kind", ["clip", "bert", "sentencepiece"])
@settings(max_examples=40, deadline=None)
@given(st.lists(CAPTIONS, min_size=1, max_size=3))
def test_the_mask_is_that_of_counting_every_token(
    kind: str, tmp_path_factory: pytest.TempPathFactory, captions: list[str]
) -> None:
    tokenizer = {
        "clip": lambda: tiny_clip.tokenizer,
        "bert": bert,
        "sentencepiece": lambda: sentencepiece(tmp_path_factory.mktemp("pieces")),
    }[kind]()
    count = token_counter(tokenizer)
    assert count is not None
    whole = lengths(tokenizer, captions, pad=0)
    assert count(captions) == whole.tolist()
    for window in (8, 16, 64):
        np.testing.assert_array_equal(beyond(captions, window, count), whole > window)


def test_clip_reads_75_words_and_keeps_the_end() -> None:
    count = token_counter(tiny_clip.tokenizer)
    assert count is not None
    captions = ["vase " * number for number in (1, 75, 76, 400)]
    assert beyond(captions, 77, count).tolist() == [False, False, True, True]
    tokens = tiny_clip.tokenizer(captions)
    assert tokens.shape == (4, 77)
    assert tokens[2:, -1].tolist() == [tiny_clip.tokenizer.eot_token_id] * 2


def test_mini_reads_75_words_and_keeps_the_end() -> None:
    encoder = create.load_dual("mini")
    captions = ["vase " * number for number in (1, 75, 76, 400)]
    mask = encoder.truncated(captions)
    assert mask is not None
    assert mask.tolist() == [False, False, True, True]
    separator = 102  # [SEP] of BERT
    assert encoder.tokenizer(captions)[2:, -1].tolist() == [separator] * 2


def test_minilm_reads_254_words_and_keeps_the_end() -> None:
    encoder = MiniLM(device="cpu", precision=Precision.FP32, batch_tokens=4096)
    captions = ["vase " * number for number in (1, 254, 255, 400)]
    assert encoder.truncated(captions).tolist() == [False, False, True, True]
    work = encoder.prepared(captions)
    assert work.lengths.tolist() == [3, 256, 256, 256]
    assert work.tokens[range(4), work.lengths - 1].tolist() == [102] * 4
    # What is cut off does not count: the reason for the flag.
    longer = [captions[3] + end for end in ("handgun", "kitten")]
    rows = encoder.encode_text(longer, lambda done: None).rows
    assert float(rows[0] @ rows[1]) == pytest.approx(1, abs=1e-6)


def test_short_captions_are_not_tokenised() -> None:
    def count(captions: list[str]) -> list[int]:
        raise AssertionError("a caption of 73 bytes has at most 77 tokens")

    assert not beyond(["x" * 73, "ü" * 24, ""], 77, count).any()


def test_an_unknown_tokenizer_is_unknown() -> None:
    assert token_counter(lambda captions: captions) is None


def test_open_clip_models_know_their_window(
    tiny_model: Callable[..., tuple[str, str]], clip_encoder: Callable[..., Any]
) -> None:
    encoder = clip_encoder(*tiny_model("tiny-window", text={"context_length": 16}))
    mask = encoder.truncated(["vase " * 14, "vase " * 15])
    assert mask.tolist() == [False, True]
    assert str(encoder.identity.languages) == "English"
