"""Languages that an encoder reads, from its name and the size of its vocabulary."""

from __future__ import annotations

import enum
import re
from typing import Any


class Languages(enum.StrEnum):
    """Languages that an encoder was trained to read."""

    ENGLISH = "English"
    MULTILINGUAL = "multilingual"


# Words of model names. SigLIP2 and Gemma share a vocabulary; i18n is the multilingual SigLIP.
_NAMES = re.compile(
    r"xlm|multilingual|m-?clip|nllb|siglip-?2|gemma|i18n|mt5|labse|bge-m3|jina-clip-v2",
    re.IGNORECASE,
)
# English vocabularies hold 20 to 60 thousand tokens (CLIP 49,408, BERT 30,522, T5 32,100), those
# of many languages 119 thousand (BERT) to 256 thousand (XLM-R, mT5, NLLB, Gemma).
_MULTILINGUAL_TOKENS = 100_000


def languages_of(name: str, tokenizer: Any = None) -> Languages:
    """Return the languages of a model by its name and its tokenizer; English if nothing is known.

    >>> str(languages_of("ViT-B-16-SigLIP-i18n-256")), str(languages_of("ViT-B-32"))
    ('multilingual', 'English')
    """
    wrapped = getattr(tokenizer, "tokenizer", tokenizer)
    tokens = getattr(wrapped, "vocab_size", None) or 0
    if tokens >= _MULTILINGUAL_TOKENS or _NAMES.search(name):
        return Languages.MULTILINGUAL
    return Languages.ENGLISH
