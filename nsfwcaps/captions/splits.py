"""Train, validation and test splits that keep connected items together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nsfwcaps.enums import Split

if TYPE_CHECKING:
    import pyarrow as pa

Rows = npt.NDArray[np.int64]

_AT_ONCE = 65_536
"""Ids that are Python strings at once."""


@dataclass(frozen=True)
class Ids:
    """Ids `[p]` of which many may be equal: numbers of the distinct ones, which ascend."""

    numbers: Rows
    names: pa.Array

    def __len__(self) -> int:
        return len(self.numbers)


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
    ids: Sequence[str] | Ids,
    *,
    validation_share: float,
    test_share: float,
    seed: int,
) -> npt.NDArray[np.str_]:
    """Assign a split `[p]` to every pair, keeping groups whole.

    `ids` `[p]` name the unsafe captions, which keep their ids when they get other targets. A hash
    of the seed and a group's smallest id gives a number in [0, 1): below the test share is test,
    then comes validation, then train. So other groups do not move a group. There are two
    exceptions, by number of pairs:

    - A group with more pairs than a split has room for (its share of all pairs) is in train.
    - Train gets the group with the nearest number if it would be empty, and so does a wanted
      split from one that has two groups. That happens in small sets only.
    """
    if len(group_of) != len(ids):
        raise ValueError(f"{len(group_of)} groups of {len(ids)} ids; give one of each for a pair")
    _, group, sizes = np.unique(group_of, return_inverse=True, return_counts=True)
    places = _places(seed, group, len(sizes), ids)
    shares = {Split.TEST: test_share, Split.VALIDATION: validation_share}
    spare = len(ids) - 1  # one group, however small the set, is in train
    room = {name: min(max(1, round(share * len(ids))), spare) for name, share in shares.items()}
    ends = {Split.TEST: (0.0, test_share), Split.VALIDATION: (test_share, sum(shares.values()))}
    ends[Split.TRAIN] = (sum(shares.values()), 1.0)
    split_of = np.full(len(sizes), Split.TRAIN.value, dtype="<U10")
    for name, size in room.items():
        low, high = ends[name]
        split_of[(low <= places) & (places < high) & (sizes <= size)] = name.value
    room[Split.TRAIN] = len(ids)
    wanted = [name for name, share in shares.items() if round(share * len(ids)) >= 1]
    for name in (Split.TRAIN, *wanted):
        _fill(split_of, name, _distance(places, ends[name]), sizes <= room[name])
    chosen: npt.NDArray[np.str_] = split_of[group]
    return chosen


def _places(
    seed: int, group: Rows, count: int, ids: Sequence[str] | Ids
) -> npt.NDArray[np.float64]:
    """Return the number in [0, 1) of each group, by the smallest of the ids `[p]` of its pairs."""
    ranks = _ranks(ids)
    smallest = np.full(count, len(ranks), dtype=np.int64)
    np.minimum.at(smallest, group, ranks)
    pairs = np.empty(count, dtype=np.int64)
    least = np.flatnonzero(ranks == smallest[group])
    pairs[group[least]] = least
    places = np.empty(count)
    for start in range(0, count, _AT_ONCE):
        names = _names(ids, pairs[start : start + _AT_ONCE])
        places[start : start + len(names)] = [_place(seed, name) for name in names]
    return places


def _names(ids: Sequence[str] | Ids, pairs: Rows) -> list[str]:
    if not isinstance(ids, Ids):
        return [ids[pair] for pair in pairs.tolist()]
    names: list[str] = ids.names.take(ids.numbers[pairs]).to_pylist()
    return names


def _ranks(ids: Sequence[str] | Ids) -> Rows:
    """Return the place `[p]` of each id in the order of all; equal ids have equal places."""
    if isinstance(ids, Ids):
        return ids.numbers
    return np.unique(np.array(ids, dtype=object), return_inverse=True)[1].astype(np.int64)


def _place(seed: int, item: str) -> float:
    """Return the number in [0, 1) of a group."""
    return int.from_bytes(seeded_hash(seed, item)[:6]) / 2**48


def _distance(
    places: npt.NDArray[np.float64], ends: tuple[float, float]
) -> npt.NDArray[np.float64]:
    low, high = ends
    return np.maximum(np.maximum(low - places, places - high), 0.0)


def _fill(
    split_of: npt.NDArray[np.str_],
    name: Split,
    distance: npt.NDArray[np.float64],
    fits: npt.NDArray[np.bool_],
) -> None:
    """Move the nearest group that fits to a split without groups."""
    if (split_of == name.value).any():
        return
    names, count = np.unique(split_of, return_counts=True)
    least = 1 if name is Split.TRAIN else 2
    movable = np.flatnonzero(fits & np.isin(split_of, names[count >= least]))
    if len(movable):
        split_of[movable[np.argmin(distance[movable])]] = name.value


def beside(
    named: Rows,
    group_of: Rows,
    split_of: npt.NDArray[np.str_],
    ids: Sequence[str] | Ids,
) -> npt.NDArray[np.bool_]:
    """Return for every pair `[p]` whether the item it names beyond its captions is in its split.

    `named` is the group of that item, −1 if a pair names none. `ids` `[p]` name the unsafe
    captions. A group without pairs gets the split of the first pair, in id order, that names an
    item of it.
    """
    naming = np.flatnonzero(named >= 0)
    together = np.zeros(len(named), dtype=np.bool_)
    if not len(naming):
        return together
    # The pair by which each group gets its split; −1 without one.
    pair_of = np.full(int(max(named.max(), group_of.max())) + 1, -1, dtype=np.int64)
    first = naming[np.argsort(_ranks(ids)[naming], kind="stable")]
    pair_of[named[first[::-1]]] = first[::-1]
    pair_of[group_of] = np.arange(len(group_of))
    together[naming] = split_of[pair_of[named[naming]]] == split_of[naming]
    return together


def seeded_hash(seed: int, item: str) -> bytes:
    """Return 16 bytes that order items at random, independent of where they are stored."""
    return hashlib.blake2b(f"{seed}:{item}".encode(), digest_size=16).digest()
