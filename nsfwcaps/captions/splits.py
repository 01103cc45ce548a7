"""Train, validation and test splits that keep connected items together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nsfwcaps.enums import Split

Rows = npt.NDArray[np.int64]


def groups(nodes: int, left: Rows, right: Rows) -> Rows:
    """Return the connected component `[n]` of every node, given edges `[e]`, `[e]`."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(nodes, nodes))
    _, labels = connected_components(edges, directed=False)
    return np.asarray(labels, dtype=np.int64)


def equal_values(codes: Rows) -> tuple[Rows, Rows]:
    """Return edges `[e]`, `[e]` from the first node of every value to its others.

    `codes` `[n]` number the values of the nodes; −1 is no value, and joins nothing.
    """
    nodes = np.flatnonzero(codes >= 0)
    _, first, value = np.unique(codes[nodes], return_index=True, return_inverse=True)
    left = nodes[first][value]
    others = left != nodes
    return left[others], nodes[others]


def assign(
    group_of: Rows,
    ids: Sequence[str],
    *,
    validation_share: float,
    test_share: float,
    seed: int,
) -> npt.NDArray[np.str_]:
    """Assign a split `[p]` to every pair, keeping groups whole.

    Groups are ordered by a hash of the seed and their smallest pair id, so the order is independent
    of storage. Each goes to the test split if it fits, else to validation, else to train. Groups
    larger than a small split therefore always go to train.
    """
    _, group, sizes = np.unique(group_of, return_inverse=True, return_counts=True)
    smallest: list[str | None] = [None] * len(sizes)
    for item, number in zip(ids, group.tolist(), strict=True):
        held = smallest[number]
        smallest[number] = item if held is None else min(held, item)
    order = sorted(range(len(sizes)), key=lambda number: seeded_hash(seed, str(smallest[number])))
    spare = len(ids) - 1  # rounding must leave at least one pair to train on
    test = min(round(test_share * len(ids)), spare)
    validation = min(round(validation_share * len(ids)), spare - test)
    left = {Split.TEST: test, Split.VALIDATION: validation}
    split_of = np.full(len(sizes), Split.TRAIN.value, dtype="<U10")
    for number in order:
        for split, room in left.items():
            if sizes[number] <= room:
                split_of[number] = split.value
                left[split] = room - int(sizes[number])
                break
    chosen: npt.NDArray[np.str_] = split_of[group]
    return chosen


def beside(
    named: Rows, group_of: Rows, split_of: npt.NDArray[np.str_], ids: Sequence[str]
) -> npt.NDArray[np.bool_]:
    """Return for every pair `[p]` whether the item it names beyond its captions is in its split.

    `named` is the group of that item, −1 if a pair names none. A group without pairs gets the
    split of the first pair, in id order, that names an item of it.
    """
    split = dict(zip(group_of.tolist(), split_of.tolist(), strict=True))
    for pair in sorted(np.flatnonzero(named >= 0).tolist(), key=ids.__getitem__):
        split.setdefault(int(named[pair]), str(split_of[pair]))
    return np.array(
        [
            split.get(group) == own
            for group, own in zip(named.tolist(), split_of.tolist(), strict=True)
        ],
        dtype=np.bool_,
    )


def seeded_hash(seed: int, item: str) -> bytes:
    """Return 16 bytes that order items at random, independent of where they are stored."""
    return hashlib.blake2b(f"{seed}:{item}".encode(), digest_size=16).digest()
