"""Captions tokenised per second, ahead of the device."""

from __future__ import annotations

import json

from nsfwcaps import resources
from nsfwcaps.machine.timing import rate

ARCHITECTURE = "ViT-B-32"
_CAPTIONS = 10_000


def tokenising(*, captions: int = _CAPTIONS) -> float:
    """Measure CLIP's tokenizer, as `embed` uses it, on the bundled pool of mild captions.

    Their words are few and known after the warm-up, as are almost all words of a large pool.
    """
    import open_clip

    from nsfwcaps.encoders.word_tokenizer import fast

    lines = resources.demo_pool("safe.jsonl").read_text(encoding="utf-8").splitlines()
    pool = [json.loads(line)["caption"] for line in lines]
    texts = (pool * (captions // len(pool) + 1))[:captions]
    tokenizer = fast(open_clip.get_tokenizer(ARCHITECTURE))
    return rate(lambda: _discard(tokenizer(texts)), captions)


def _discard(tokens: object) -> None:
    del tokens
