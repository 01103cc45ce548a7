"""Mining from Python on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

import numpy as np

from nsfwcaps import config
from nsfwcaps.api.mined import Mined, gather
from nsfwcaps.api.pictures import pictures_of
from nsfwcaps.captions.normalize import TEXT_DIGITS, content_id, fold_key, normalize
from nsfwcaps.enums import Duplicates
from nsfwcaps.errors import InputError
from nsfwcaps.mining.memo import InMemory
from nsfwcaps.mining.pairs import check, choose
from nsfwcaps.mining.ranking import Keys, TextKeys
from nsfwcaps.mining.similarity import Pools, compared
from nsfwcaps.progress import Silent
from nsfwcaps.stages.mine.method import method_of
from nsfwcaps.stages.mine.prepare import space_of
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.vectors.array import VectorArray
from nsfwcaps.vectors.unit import unit_halves


class MineOptions(TypedDict, total=False):
    """Further options of `mine`, with the command's defaults."""

    candidates: int | None
    """Nearest safe rows considered per unsafe row; default 100, or 2 k if that is more."""
    min_candidate_similarity: float | None
    """Minimum cosine of a candidate: the best ranked of those left is the target."""
    similarity: str
    """What is compared: `text` (default), `image`, or `both`, the mean of the two cosines. All
    cosines of options and results are of this choice."""
    unsafe_images: Any
    """Floats `[u, d]` of the pictures of the unsafe rows; NaN in rows without one."""
    safe_images: Any
    """The same `[s, d]` for the safe rows. Equal rows are one picture; with `image` and `both`, an
    unsafe row is not paired with its own."""
    margin_duplicate: float
    """Candidates with at least this cosine to the target do not set the margin; default 0.85."""
    csls_k: int
    """Neighbours in the CSLS penalty; default 10."""
    beta: float
    """Inverse temperature of the inverted softmax; default 20."""
    unsafe_captions: Sequence[str]
    """Captions of the unsafe rows `[u]`. Given with `safe_captions`, pairs of the same text are
    excluded."""
    safe_captions: Sequence[str]
    """Captions of the safe rows `[s]`."""
    skip: str
    """Which captions count as the same text: `near-identical` (default) or `identical`."""
    index: str | None
    """FAISS factory string, such as `IVF256,Flat`, for approximate search; default: exact."""
    index_parameters: str | None
    """Search parameters of the index, such as `nprobe=16`; default: the fastest that reach
    `min_recall`."""
    min_recall: float
    """Minimum recall of the index; default 0.95."""
    recall_sample: int
    """Number of unsafe rows to measure recall on, from the first; default 1000."""
    device: str
    """`auto` (default), `cpu` or `cuda`."""
    memory: str
    """Working memory of the search; default `1GiB`."""
    block: int | None
    """Unsafe rows searched at once; default: as memory allows."""
    partitions: int | None
    """Partitions of the safe rows, each searched on its own; default: as a GPU's memory needs."""


def mine(
    unsafe_vectors: Any,
    safe_vectors: Any,
    *,
    k: int = 1,
    rank: str = "inverted-softmax",
    min_similarity: float | None = None,
    hub_cap: int | None = None,
    reciprocal: int | None = None,
    **options: Unpack[MineOptions],
) -> Mined:
    """Find the k best safe rows for every unsafe row.

    Runs the code of the command `nsfwcaps mine` in memory: no folder, model or file is needed. The
    search is exact unless `index` is given.

    `csls` (Conneau et al. 2018, equation 3) and `inverted-softmax` (Smith et al. 2017, equation 5)
    subtract a penalty from hubs: safe rows that are close to everything. `cosine` is the arg max of
    SafeR-CLIP (arXiv 2511.16743). The penalties are averages over the unsafe rows, so with only a
    few of them use `cosine`.

    Args:
        unsafe_vectors: Floats `[u, d]`: a numpy array, a torch tensor or a list of lists. Rows are
            scaled to unit length and rounded to half precision, as the command stores them.
        safe_vectors: Floats `[s, d]` from the same encoder.
        k: Safe counterparts per unsafe row, at most s.
        rank: `inverted-softmax`, `csls` or `cosine`.
        min_similarity: Minimum cosine of a pair. Those below are set aside; no other pair changes.
        hub_cap: Maximum number of unsafe rows that share one safe row. The others get their next
            best one.
        reciprocal: Keep a pair only if the unsafe row is among this many nearest neighbours of the
            safe row.
        **options: See `MineOptions`.

    Returns:
        Safe rows, cosines and scores `[u, k]`, and the signals that `grade` reads.

    Raises:
        InputError: an array is empty, not `[n, d]`, or has rows that are zero or not finite, or
            pictures are to be compared and a side has none.
        ConfigError: an option is invalid, or k is greater than s.
        DeviceError: the device is not available.
        RecallError: the recall of the index is below `min_recall`.

    >>> import nsfwcaps
    >>> unsafe, safe = [[1.0, 0.0], [0.6, 0.8]], [[0.8, 0.6], [0.0, 1.0], [-1.0, 0.0]]
    >>> rows, cosines, scores = nsfwcaps.mine(unsafe, safe, rank="cosine")
    >>> rows.tolist()
    [[0], [0]]
    >>> print(cosines.round(3).ravel())
    [0.8  0.96]
    >>> nsfwcaps.mine(unsafe, safe, rank="cosine", hub_cap=1).rows.tolist()
    [[1], [0]]
    """
    given = dict(options)
    captions = given.pop("unsafe_captions", None), given.pop("safe_captions", None)
    images = given.pop("unsafe_images", None), given.pop("safe_images", None)
    settings = config.parse(
        MineSettings,
        {
            "k": k,
            "rank": rank,
            "min_similarity": min_similarity,
            "hub_cap": hub_cap,
            "reciprocal": reciprocal,
            **given,
        },
        where="mine",
    )
    unsafe, safe = _sides(unsafe_vectors, safe_vectors)
    pools = Pools(
        unsafe=unsafe,
        safe=safe,
        keys=_keys(captions, unsafe.rows, safe.rows, settings.skip),
        **pictures_of(images, unsafe.rows, safe.rows),
    )
    of = compared(settings.similarity, pools)
    method, space = method_of(settings), space_of(of, settings)
    check(space, method)
    return gather(choose(space, method, of, memo=InMemory(), progress=Silent()), unsafe.rows)


def _sides(unsafe: Any, safe: Any) -> tuple[VectorArray, VectorArray]:
    sides = [
        VectorArray(unit_halves(vectors, where=where))
        for vectors, where in ((unsafe, "unsafe_vectors"), (safe, "safe_vectors"))
    ]
    for side, where in zip(sides, ("unsafe_vectors", "safe_vectors"), strict=True):
        if not side.rows:
            raise InputError(f"{where}: expected at least one row, got none")
    if sides[0].width != sides[1].width:
        raise InputError(
            f"unsafe_vectors have width {sides[0].width} and safe_vectors {sides[1].width}; "
            "embed both with the same encoder"
        )
    return sides[0], sides[1]


def _keys(captions: tuple[Any, Any], unsafe: int, safe: int, skip: Duplicates) -> TextKeys | None:
    """Text keys, if captions of both sides are given."""
    if captions[0] is None and captions[1] is None:
        return None
    if captions[0] is None or captions[1] is None:
        raise InputError(
            "mine: captions given for one side only; give both unsafe_captions and "
            "safe_captions, or neither"
        )
    sides = (("unsafe_captions", unsafe), ("safe_captions", safe))
    found = []
    for texts, (name, rows) in zip(captions, sides, strict=True):
        if len(texts) != rows:
            raise InputError(f"{name}: {len(texts)} captions for {rows} rows")
        found.append(_text_keys(texts, skip))
    return TextKeys(unsafe=found[0], safe=found[1])


def _text_keys(captions: Sequence[str], skip: Duplicates) -> Keys:
    texts = (normalize(str(text)) for text in captions)
    if skip is Duplicates.NEAR_IDENTICAL:
        return np.fromiter((fold_key(text) for text in texts), np.uint64)
    return np.fromiter((int(content_id(text)[:TEXT_DIGITS], 16) for text in texts), np.uint64)
