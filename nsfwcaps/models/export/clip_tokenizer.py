"""CLIP's tokenizer in transformers' files, from the vocabulary that open_clip ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_MARKS = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
"""Names of the tokens around a caption, in open_clip and transformers."""


def write_tokenizer(folder: Path, tokenizer: Any) -> None:
    """Write an open_clip `SimpleTokenizer` as a `CLIPTokenizer`.

    Token ids are equal on ordinary text. open_clip also repairs broken Unicode and HTML entities
    first. Padding differs (the end token here, 0 there), but causal towers never see it.
    """
    vocabulary = {_MARKS.get(token, token): number for token, number in tokenizer.encoder.items()}
    merges = ["#version: 0.2", *(" ".join(pair) for pair in tokenizer.bpe_ranks), ""]
    start, end = _MARKS.values()
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": tokenizer.context_length,
        "bos_token": start,
        "eos_token": end,
        "unk_token": end,
        "pad_token": end,
    }
    _write(folder / "vocab.json", json.dumps(vocabulary, ensure_ascii=False))
    _write(folder / "merges.txt", "\n".join(merges))
    _write(folder / "tokenizer_config.json", json.dumps(settings, indent=1))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
