"""How many pairs each category gets, and in which category each caption is edited."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from nsfwcaps.enums import Category
from nsfwcaps.errors import ConfigError


def shares(categories: Sequence[str], given: Sequence[str]) -> dict[Category, float]:
    """Share of each category, equal but where `given` has a weight, as `violence=2`.

    Raises:
        ConfigError: a weight is none, or of a category that is not asked for.
    """
    weights = dict.fromkeys(map(Category, categories), 1.0)
    for item in given:
        name, _, number = item.partition("=")
        try:
            category, weight = Category(name.strip()), float(number)
        except ValueError:
            raise ConfigError(
                f"share: '{item}' is none; write CATEGORY=WEIGHT, as violence=2"
            ) from None
        if category not in weights or not 0 < weight < float("inf"):
            raise ConfigError(
                f"share: '{item}' needs a weight above zero, and a category that is asked for"
            )
        weights[category] = weight
    return {category: weight / sum(weights.values()) for category, weight in weights.items()}


def quotas(n: int, share: Mapping[Category, float]) -> dict[Category, int]:
    """Split n by shares, largest remainders first.

    >>> list(quotas(5, {Category.VIOLENCE: 0.5, Category.SHOCKING: 0.5}).values())
    [3, 2]
    """
    out = {category: int(n * part) for category, part in share.items()}
    left = n - sum(out.values())
    rest = sorted(share, key=lambda item: out[item] - n * share[item])
    for category in rest[:left]:
        out[category] += 1
    return out


def asked(
    ids: Sequence[str], share: Mapping[Category, float], requests: int, seed: int
) -> list[tuple[int, Category]]:
    """Which captions `[m]`, by position, to edit in which category, in the order to ask.

    Captions come in the order of a hash, so that any beginning of it is a fair sample, each in
    another category before any comes a second time.
    """
    order = sorted(range(len(ids)), key=lambda at: order_key(seed, ids[at]))
    names, first = list(share), _interleaved(share, len(ids))
    out: list[tuple[int, Category]] = []
    for turn in range(len(names)):
        for number, at in enumerate(order):
            if len(out) == requests:
                return out
            out.append((at, names[(first[number] + turn) % len(names)]))
    return out


def order_key(seed: int, item: str) -> bytes:
    """An order that depends on nothing but the seed and the item."""
    return hashlib.blake2b(f"{seed}:{item}".encode(), digest_size=16).digest()


def _interleaved(share: Mapping[Category, float], count: int) -> list[int]:
    """Numbers of the categories `[count]`, such that every beginning is close to the shares."""
    parts = list(share.values())
    given = [0] * len(parts)
    out = []
    for done in range(1, count + 1):
        number = max(range(len(parts)), key=lambda item: parts[item] * done - given[item])
        given[number] += 1
        out.append(number)
    return out
