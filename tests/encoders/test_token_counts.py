"""Tokens counted by the tokenizer alone, against open_clip's own tokenizers."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from support.shell import environment

from nsfwcaps.encoders import token_counts
from nsfwcaps.encoders.languages import Languages
from nsfwcaps.encoders.minilm import MiniLM
from nsfwcaps.encoders.window import token_counter
from nsfwcaps.enums import Precision

WORDS = [
    "a",
    "vase",
    "It's",
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
    "12ab",
    "--",
]
CAPTIONS = st.lists(st.sampled_from([*WORDS, "<end_of_text>", "\n"]), max_size=40).map(" ".join)
LONG = "a cup " * 200


CLIP = token_counts.clip_window("ViT-B-32")
CLIP_KNOWN = token_counter(SimpleTokenizer())
MINI = token_counts.mini_window()
MINI_KNOWN = token_counter(HFTokenizer(str(token_counts.minilm_folder())))


@settings(max_examples=150, deadline=None)
@given(CAPTIONS)
def test_clip_counts_as_open_clip(caption: str) -> None:
    assert CLIP is not None
    assert CLIP_KNOWN is not None
    assert CLIP.count([caption]) == CLIP_KNOWN([caption])


@settings(max_examples=150, deadline=None)
@given(CAPTIONS)
def test_mini_counts_as_open_clip(caption: str) -> None:
    assert MINI_KNOWN is not None
    assert MINI.count([caption]) == MINI_KNOWN([caption])


def test_minilm_agrees_with_its_encoder() -> None:
    encoder = MiniLM(device="cpu", precision=Precision.FP32, batch_tokens=4096)
    window = token_counts.minilm_window()
    captions = ["A vase.", "a " * 254, "a " * 255, LONG]
    assert window.tokens == 256
    assert window.count(captions) == [5, 256, 257, 402]
    assert encoder.truncated(captions).tolist() == [False, False, True, True]


def test_windows_of_architectures() -> None:
    clip = token_counts.clip_window("ViT-B-32-quickgelu")
    assert clip is not None
    assert (clip.tokens, clip.languages) == (77, Languages.ENGLISH)
    assert clip.count(["A vase on a table.", LONG]) == [8, 402]
    assert token_counts.clip_window("ViT-B-16-SigLIP") is None  # another tokenizer
    assert token_counts.clip_window("no-such-model") is None


@pytest.mark.parametrize("made", ["minilm_window()", "mini_window()", "clip_window('ViT-B-32')"])
def test_counting_loads_no_torch(made: str) -> None:
    code = (
        "import sys, json; from nsfwcaps.encoders import token_counts as counts;"
        f"found = counts.{made}.count(['a vase']);"
        "print(json.dumps([found, [n for n in ('torch', 'transformers', 'open_clip') "
        "if n in sys.modules]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [[4], []]
