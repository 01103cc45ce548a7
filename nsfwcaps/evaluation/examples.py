"""Example queries of a pair set: unsafe captions and their nearest items under every model.

    results/<dataset>/examples.json
        {"direction": "T*→V", "queries": [{"id", "category", "caption", "thumbnail",
            "nearest": {MODEL: [{"id", "unsafe", "caption", "thumbnail", "cosine"}, …]}}, …]}

The file holds captions and images (base64 JPEG) of the user's data; no message ever quotes them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nsfwcaps.encoders.encoder import Vectors
from nsfwcaps.evaluation.datasets.pair_set import NO_CATEGORY, PairSet
from nsfwcaps.evaluation.datasets.pictures import MISSING, PictureSet
from nsfwcaps.evaluation.embedding import GatheredPairs
from nsfwcaps.metrics.answer_sets import Rows
from nsfwcaps.metrics.retrieval import ranks
from nsfwcaps.pictures import decode

VERSION = 1
COUNT = 24
ASKED = 2000
"""Upper bound on the queries to choose from: ranking all would double the cost of large sets."""
NEAREST = 3

_THUMBNAIL = 96

Gather = Callable[[str], GatheredPairs]
"""Name of a model -> its vectors of the pair set."""


def examples(
    pairs: PairSet, models: Sequence[str], gather: Gather, *, device: str = "cpu"
) -> dict[str, Any]:
    """Choose queries spread evenly over the change in rank of their safe item, and rank neighbours.

    The change is from the first model to the second; with a single model it is that model's rank.
    Ranks are found on `cpu` or `cuda`, and do not depend on it.
    """
    space = _space(pairs, gather(models[0]))
    moved = _ranks(pairs, space, gather(models[0]), device)
    if len(models) > 1:
        moved = moved - _ranks(pairs, space, gather(models[1]), device)
    chosen = _evenly(moved, space.asks, pairs)
    queries = [_query(pairs, pair) for pair in chosen]
    for model in models:
        for query, nearest in zip(
            queries, _nearest(pairs, space, gather(model), chosen), strict=True
        ):
            query["nearest"][model] = nearest
    return {"direction": "T*→V" if space.of_pictures else "T*→T", "queries": queries}


@dataclass(frozen=True, kw_only=True)
class _Space:
    """Queries and kind of candidates, the same for every model."""

    of_pictures: bool
    """Whether candidates are images; they are captions unless both sides have images."""
    asks: Rows
    """Pairs `[q]` whose unsafe caption is a query, one pair per caption."""


def _space(pairs: PairSet, gathered: GatheredPairs) -> _Space:
    of_pictures = len(gathered.safe_pictures) > 0 and len(gathered.unsafe_pictures) > 0
    first = np.unique(pairs.unsafe_text_of, return_index=True)[1]
    if of_pictures:
        kept = np.isin(pairs.safe_image_of, gathered.safe_pictures)
        first = first[kept[first]]
    by_id = np.array(sorted(first.tolist(), key=lambda pair: pairs.ids[pair]), dtype=np.int64)
    # Ids are hashes: the first ones are a random sample.
    return _Space(of_pictures=of_pictures, asks=by_id[:ASKED])


def _candidates(space: _Space, gathered: GatheredPairs) -> tuple[Vectors, int]:
    """Vectors of all candidates, safe ones first, and the number of safe ones."""
    vectors = gathered.vectors
    safe, unsafe = vectors.safe_text, vectors.unsafe_text
    if space.of_pictures:
        assert vectors.safe_image is not None, "candidates are images"
        assert vectors.unsafe_image is not None, "candidates are images"
        safe, unsafe = vectors.safe_image, vectors.unsafe_image
    return np.concatenate([safe, unsafe]), len(safe)


def _ranks(pairs: PairSet, space: _Space, gathered: GatheredPairs, device: str) -> Rows:
    """Rank `[q]` of each query's safe item; among captions the query itself always counts."""
    vectors, asks = gathered.vectors, space.asks
    targets = vectors.safe_image_of if space.of_pictures else vectors.safe_text_of
    assert targets is not None, "candidates are images"
    candidates, _ = _candidates(space, gathered)
    queries = vectors.unsafe_text[pairs.unsafe_text_of[asks]]
    return ranks(queries, candidates, targets[asks], device=device)


def _evenly(moved: Rows, asks: Rows, pairs: PairSet) -> list[int]:
    changes = zip(moved.tolist(), asks.tolist(), strict=True)
    order = sorted(changes, key=lambda one: (one[0], pairs.ids[one[1]]))
    places = np.unique(np.linspace(0, len(order) - 1, min(COUNT, len(order))).round())
    return [order[int(place)][1] for place in places]


def _query(pairs: PairSet, pair: int) -> dict[str, Any]:
    picture = int(pairs.unsafe_image_of[pair])
    return {
        "id": pairs.ids[pair],
        "category": NO_CATEGORY if pairs.categories is None else str(pairs.categories[pair]),
        "caption": pairs.unsafe_captions[pairs.unsafe_text_of[pair]],
        "thumbnail": _thumbnail(pairs.unsafe_pictures, picture),
        "nearest": {},
    }


def _nearest(
    pairs: PairSet, space: _Space, gathered: GatheredPairs, chosen: Sequence[int]
) -> list[list[dict[str, Any]]]:
    """Nearest candidates of each chosen pair's unsafe caption, without that caption itself."""
    own = pairs.unsafe_text_of[np.array(chosen, dtype=np.int64)]
    candidates, safe = _candidates(space, gathered)
    sims = gathered.vectors.unsafe_text[own] @ candidates.T  # [c, n]
    if not space.of_pictures:
        sims[np.arange(len(own)), safe + own] = -np.inf
    order = np.argsort(-sims, axis=1, kind="stable")[:, :NEAREST]
    describe = _Describer(pairs, space, gathered, safe)
    return [
        [describe(int(row), float(sims[number, row])) for row in rows if sims[number, row] > -1.5]
        for number, rows in enumerate(order)
    ]


class _Describer:
    """Describes a candidate: id, side, caption, thumbnail."""

    def __init__(self, pairs: PairSet, space: _Space, gathered: GatheredPairs, safe: int) -> None:
        self._pairs, self._space, self._gathered, self._safe = pairs, space, gathered, safe
        self._caption_of = {
            "safe": _captions(pairs.safe_image_of, pairs.safe_text_of),
            "unsafe": _captions(pairs.unsafe_image_of, pairs.unsafe_text_of),
        }

    def __call__(self, row: int, cosine: float) -> dict[str, Any]:
        unsafe = row >= self._safe
        row = row - self._safe if unsafe else row
        pairs = self._pairs
        captions = pairs.unsafe_captions if unsafe else pairs.safe_captions
        thumbnail = None
        name, text = f"caption {row}", row
        if self._space.of_pictures:
            kept = self._gathered.unsafe_pictures if unsafe else self._gathered.safe_pictures
            pictures = pairs.unsafe_pictures if unsafe else pairs.safe_pictures
            picture = int(kept[row])
            thumbnail = _thumbnail(pictures, picture)
            name = pictures.images[picture][0][:32]
            text = self._caption_of["unsafe" if unsafe else "safe"].get(picture, MISSING)
        return {
            "id": name,
            "unsafe": unsafe,
            "caption": captions[text] if text != MISSING else "",
            "thumbnail": thumbnail,
            "cosine": round(cosine, 4),
        }


def _captions(image_of: Rows, text_of: Rows) -> Mapping[int, int]:
    """Map each image to one of its captions."""
    return dict(zip(image_of.tolist(), text_of.tolist(), strict=True))


def _thumbnail(pictures: PictureSet, row: int) -> str | None:
    """Return a small base64 JPEG; None if there is no image or it is no longer readable."""
    if row == MISSING:
        return None
    try:
        small = decode(pictures.images[row][1]())
    except OSError:
        return None
    if isinstance(small, str):
        return None
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    return base64.b64encode(file.getvalue()).decode()
