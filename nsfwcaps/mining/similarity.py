"""What a search compares: captions, their pictures, or both side by side.

    text    captions                       cosine of the captions
    image   pictures, each a target once   cosine of the pictures
    both    captions with a picture        mean of the two cosines

With `image`, several safe captions may have one picture. It is one target, or it would take the
places of others. A pair then gets the caption of that picture that is nearest in text to the unsafe
one, not its own text; ties go by row. Unsafe captions without a picture have no pair, safe ones
are no candidates.

An unsafe caption's own picture may be in the safe pool too, under another caption. Its cosine of 1
would make it the target, but as a pair it teaches nothing: so `image` and `both` exclude it, as
every choice excludes the own text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from nsfwcaps.enums import Similarity
from nsfwcaps.errors import InputError
from nsfwcaps.mining.pair_block import PairBlock
from nsfwcaps.mining.picture_captions import PictureCaptions
from nsfwcaps.mining.ranking import Keys, OwnPictures, TextKeys
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.side_by_side import SideBySide
from nsfwcaps.vectors.source import VectorSource


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Vectors of pictures, and which one each caption has."""

    vectors: VectorSource
    unsafe: Rows
    """`[u]`, row of the picture of each unsafe caption; -1 without one."""
    safe: Rows
    """`[s]`"""


@dataclass(frozen=True, kw_only=True)
class Pools:
    """Captions of both sides, and their pictures if they have any."""

    unsafe: VectorSource
    safe: VectorSource
    keys: TextKeys | None
    pictures: Pictures | None
    picture_keys: Keys | None
    """`[s]`, equal for safe captions of one picture, 0 without one; None: there are no pictures."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Queries `[q, d]` and targets `[t, d]` of a search, and the captions that they are."""

    unsafe: VectorSource
    safe: VectorSource
    keys: TextKeys | None
    pictures: OwnPictures | None = None
    """None: pictures are not compared."""
    picture_keys: Keys | None = None
    queries: Rows | None = None
    """Unsafe caption `[q]` of each query; None: every caption is one."""
    targets: Rows | None = None
    """Safe caption `[t]` of each target; None: as above, or `captions` knows."""
    captions: PictureCaptions | None = None
    safe_captions: int
    """s"""
    without: Rows
    """Unsafe captions without a picture, where one is needed."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of which rows of captions and pictures the queries and targets are."""
        own = (None, None) if self.pictures is None else (self.pictures.unsafe, self.pictures.safe)
        whole = hashlib.sha256()
        for rows in (self.queries, self.targets, *own):
            data = b"every" if rows is None else rows.astype("<i8").tobytes()
            whole.update(b"%d:" % len(data) + data)
        return whole.hexdigest()

    def named(self, pairs: PairBlock) -> PairBlock:
        """Give pairs of queries and targets the rows of their captions."""
        rows, targets = pairs.rows, pairs.targets
        if self.queries is not None:
            rows = self.queries[rows]
        if self.captions is not None:
            targets = self.captions.nearest_in_text(rows[pairs.query], targets)
        elif self.targets is not None:
            targets = self.targets[targets]
        return replace(pairs, rows=rows, targets=targets)


def compared(by: Similarity, pools: Pools) -> Compared:
    """Choose what a search compares.

    Raises:
        InputError: a side has no pictures, and they are to be compared.
    """
    if by is Similarity.TEXT:
        return Compared(
            unsafe=pools.unsafe,
            safe=pools.safe,
            keys=pools.keys,
            picture_keys=pools.picture_keys,
            safe_captions=pools.safe.rows,
            without=np.empty(0, np.int64),
        )
    pictures = _needed(by, pools)
    queries = np.flatnonzero(pictures.unsafe >= 0)
    own = pictures.unsafe[queries]
    shared = {
        "queries": queries,
        "without": np.flatnonzero(pictures.unsafe < 0),
        "safe_captions": pools.safe.rows,
    }
    if by is Similarity.IMAGE:
        captions = PictureCaptions(pools.unsafe, pools.safe, pools.keys, pictures.safe)
        return Compared(
            unsafe=SideBySide([(pictures.vectors, own)]),
            safe=SideBySide([(pictures.vectors, captions.pictures)]),
            keys=captions.keys_of(queries),
            pictures=OwnPictures(unsafe=own, safe=captions.pictures),
            captions=captions,
            **shared,  # type: ignore[arg-type]
        )
    targets = np.flatnonzero(pictures.safe >= 0)
    keys, picture_keys = pools.keys, pools.picture_keys
    return Compared(
        unsafe=SideBySide([(pools.unsafe, queries), (pictures.vectors, own)]),
        safe=SideBySide([(pools.safe, targets), (pictures.vectors, pictures.safe[targets])]),
        keys=keys and TextKeys(unsafe=keys.unsafe[queries], safe=keys.safe[targets]),
        pictures=OwnPictures(unsafe=own, safe=pictures.safe[targets]),
        picture_keys=None if picture_keys is None else picture_keys[targets],
        targets=targets,
        **shared,  # type: ignore[arg-type]
    )


def _needed(by: Similarity, pools: Pools) -> Pictures:
    pictures = pools.pictures
    if pictures is None:
        raise InputError(
            f"mine: similarity={by.value} compares pictures, and none has a vector; use pools with "
            "pictures and a model that reads them (embed.images), or --similarity text"
        )
    for side, rows in (("unsafe", pictures.unsafe), ("safe", pictures.safe)):
        if not (rows >= 0).any():
            raise InputError(
                f"mine: similarity={by.value} compares pictures, and none of {len(rows)} {side} "
                f"captions has one; add pictures to the {side} pool, or use --similarity text"
            )
    return pictures
