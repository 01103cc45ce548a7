"""Quotas of pairs per category, and the category in which each caption is edited."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from nsfwcaps.enums import Category
from nsfwcaps.errors import ConfigError


def shares(categories: Sequence[str], given: Sequence[str]) -> dict[Category, float]:
    """Compute the share of each category: equal, unless `given` has a weight such as `violence=2`.

    Raises:
        ConfigError: a weight is invalid, or its category was not requested.
    """
    weights = dict.fromkeys(map(Category, categories), 1.0)
    for item in given:
        name, _, number = item.partition("=")
        try:
            category, weight = Category(name.strip()), float(number)
        except ValueError:
            raise ConfigError(
                f"share: invalid '{item}'; write CATEGORY=WEIGHT, such as violence=2"
            ) from None
        if category not in weights or not 0 < weight < float("inf"):
            raise ConfigError(
                f"share: invalid '{item}'; expected a positive weight of a requested category"
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
    ids: Sequence[str], share: Mapping[Category, float], seed: int
) -> Iterator[tuple[int, Category]]:
    """Yield requests as caption position and category, in the order to ask.

    Captions are ordered by a hash, so that any prefix is a fair sample. Every caption comes once,
    in one category, before any comes again in another.
    """
    order = sorted(range(len(ids)), key=lambda at: order_key(seed, ids[at]))
    names, first = list(share), _interleaved(share, len(ids))
    for turn in range(len(names)):
        for number, at in enumerate(order):
            yield at, names[(first[number] + turn) % len(names)]


def order_key(seed: int, item: str) -> bytes:
    """Return a sort key that depends only on the seed and the item."""
    return hashlib.blake2b(f"{seed}:{item}".encode(), digest_size=16).digest()


def _interleaved(share: Mapping[Category, float], count: int) -> list[int]:
    """Return category numbers `[count]` such that every prefix is close to the shares."""
    parts = list(share.values())
    given = [0] * len(parts)
    out = []
    for done in range(1, count + 1):
        number = max(range(len(parts)), key=lambda item: parts[item] * done - given[item])
        given[number] += 1
        out.append(number)
    return out
