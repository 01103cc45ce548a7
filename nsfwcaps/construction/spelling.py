"""Misspelt words: what the vocabulary of MiniLM does not have, in any common form.

An edit of a misspelt caption is no better than its source. Names are unknown words as well, which
costs the rules a few captions.
"""

from __future__ import annotations

import re
from functools import cache

from nsfwcaps.encoders.token_counts import minilm_folder

_WORD = re.compile(r"[a-z]+")
_ENDINGS = ("ed", "ing", "er", "ers", "y", "ly", "est", "en", "ful", "less", "able")
_PART = 4
"""Letters of each half of a compound at least."""
_APART_WORDS = "other with from that this outside inside near next over under into onto"
_APART = frozenset(_APART_WORDS.split())
"""Words that are no second half: a space is missing before them."""
# Everyday words that the vocabulary has in pieces only.
_MORE_WORDS = (
    "giraffe hydrant broccoli cellphone cupcake hotdog toothbrush doughnut donut cluttered "
    "lettuce condiments scooter foreground tulip pepperoni sill toothpaste greenery assorted "
    "caramel overpass moped motorcyclist bathtub waffle urinal headphones pineapple crosswalk "
    "stoplight faucet bookcase cheeseburger sunflower pancake tripod yogurt cubicle raincoat "
    "leftover oatmeal seagull bicyclist mower sidewalk workstation dresser placemat countertop "
    "nightstand windowsill laptop smartphone tabletop armchair ottoman recliner futon microwave "
    "toaster blender teapot croissant muffin bagel burrito spaghetti cauliflower zucchini "
    "cucumber mustard ketchup parsley motorbike footpath tarmac backpack handbag suitcase "
    "flatscreen grazing graze loveseat porcelain vases fridge zebra plow unmade oncoming "
    "griddle spatula washcloth"
)
_MORE = frozenset(_MORE_WORDS.split())


def misspelt(text: str) -> bool:
    """Tell whether a lower-case text has an unknown word.

    Raises:
        ModelError: the package with MiniLM's vocabulary is not installed.
    """
    return not all(map(_is_word, _WORD.findall(text.replace("'s", ""))))


@cache
def _is_word(word: str) -> bool:
    known = _vocabulary()
    if word in known or any(len(stem) > 2 and stem in known for stem in _stems(word)):
        return True
    parts = [(word[:at], word[at:]) for at in range(_PART, len(word) - _PART + 1)]
    return any(
        first in known and second in known and not (first.endswith("ing") or second in _APART)
        for first, second in parts
    )


def _stems(word: str) -> list[str]:
    stems = [word[:-1] if word.endswith("s") else "", word[:-2] if word.endswith("es") else ""]
    stems.append(word[:-3] + "y" if word.endswith("ies") else "")
    for ending in _ENDINGS:
        if word.endswith(ending):
            stem = word.removesuffix(ending)
            doubled = len(stem) > 3 and stem[-1] == stem[-2]
            stems += [stem, stem + "e", stem[:-1] if doubled else ""]
            stems.append(stem[:-1] + "y" if stem.endswith("i") else "")
    return stems


@cache
def _vocabulary() -> frozenset[str]:
    pieces = (minilm_folder() / "vocab.txt").read_text(encoding="utf-8").split("\n")
    # Most pieces of two letters are names and parts of words.
    short = {
        "a",
        "an",
        "in",
        "on",
        "at",
        "of",
        "to",
        "by",
        "is",
        "it",
        "up",
        "as",
        "or",
        "he",
        "tv",
    }
    return _MORE | short | {piece for piece in pieces if len(piece) > 2 and piece.isalpha()}
