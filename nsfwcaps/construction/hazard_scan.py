"""Hazards of the lexicon in many captions at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.captions.content_words import Tokens
from nsfwcaps.construction.lexicon import HAZARD_WORDS, has_hazard

# Words consist of word characters only, and RE2's \w knows only ASCII.
_WORD = rf"^(?:{HAZARD_WORDS})$".replace(r"\w", ".")


def with_hazard(captions: pa.Array, split: Tokens) -> npt.NDArray[np.bool_]:
    """Return a mask `[n]`: `has_hazard` of each of n captions, whose words are in `split`.

    `has_hazard` looks only at captions with a word that is a hazard or part of one.
    """
    found = np.zeros(len(captions), np.bool_)
    words = pa.array(split.words, pa.string())
    suspect = pc.match_substring_regex(words, _WORD).to_numpy(zero_copy_only=False)
    rows = np.unique(split.rows[suspect[split.of]])
    texts = captions.take(pa.array(rows)).to_pylist()
    found[rows] = [has_hazard(text) for text in texts]
    return found
