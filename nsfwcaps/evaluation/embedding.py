"""Task inputs from a data set and a model: vectors of the items that could be encoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from nsfwcaps.encoders.encoder import Vectors
from nsfwcaps.evaluation.datasets.class_sets import ClassSet
from nsfwcaps.evaluation.datasets.image_sets import ImageSet
from nsfwcaps.evaluation.datasets.pair_set import PairSet
from nsfwcaps.evaluation.datasets.pictures import PictureSet
from nsfwcaps.evaluation.datasets.templates import prompts
from nsfwcaps.evaluation.equivalents import Equivalents
from nsfwcaps.evaluation.inputs import MISSING, MixedVectors, PairVectors, ZeroShotVectors
from nsfwcaps.evaluation.models import Model
from nsfwcaps.evaluation.units import units_of
from nsfwcaps.evaluation.vectors import VectorFolder
from nsfwcaps.metrics.answer_sets import Rows, sets_of
from nsfwcaps.metrics.zero_shot import class_vectors


@dataclass(frozen=True, kw_only=True)
class KeptPictures:
    """Vectors of the images that could be encoded."""

    rows: Vectors
    new_row: Rows
    """Row `[n]` of each image in `rows`; `MISSING` where it failed."""
    failed: Mapping[int, str]
    """Original row -> reason, for the images that could not be encoded."""

    @property
    def kept(self) -> Rows:
        """Original rows of the images that were encoded."""
        return np.flatnonzero(self.new_row != MISSING).astype(np.int64)

    def renumbered(self, rows: Rows) -> Rows:
        """Map original rows to rows of `rows`; `MISSING` stays `MISSING`."""
        return np.where(rows == MISSING, MISSING, self.new_row[rows]).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class GatheredPairs:
    """Vectors of a pair set, and the image behind each image vector."""

    vectors: PairVectors
    safe_pictures: Rows
    """Row in the set's safe images of each row of `vectors.safe_image`."""
    unsafe_pictures: Rows
    left_out: Mapping[str, int]
    """Number of images without a vector, by reason."""

    def with_equivalents(self, found: Equivalents) -> PairVectors:
        """Return the vectors with right answers beyond each pair's own."""
        image = None
        if found.image is not None and self.vectors.safe_image is not None:
            owners, rows = found.image.owners, found.image.rows
            there = np.isin(rows, self.safe_pictures)  # the others have no vector
            places = np.searchsorted(self.safe_pictures, rows[there])
            image = sets_of(owners[there], places, len(found.image))
        return replace(self.vectors, equivalent_text=found.text, equivalent_image=image)


def gather_pairs(pairs: PairSet, model: Model, folder: VectorFolder) -> GatheredPairs:
    """Encode a pair set; for a text-only model, its captions alone."""
    safe = _side(pairs.safe_pictures, model, folder, f"{pairs.name} safe")
    unsafe = _side(pairs.unsafe_pictures, model, folder, f"{pairs.name} unsafe")
    has_partners = bool((pairs.partner_text_of != MISSING).any())
    partner = pairs.partner_text_of if has_partners else None
    vectors = PairVectors(
        safe_text=folder.texts(model, pairs.safe_captions, f"{pairs.name} safe"),
        unsafe_text=folder.texts(model, pairs.unsafe_captions, f"{pairs.name} unsafe"),
        safe_text_of=pairs.safe_text_of,
        unsafe_text_of=pairs.unsafe_text_of,
        safe_image=safe.rows if safe else None,
        unsafe_image=unsafe.rows if unsafe else None,
        safe_image_of=safe.renumbered(pairs.safe_image_of) if safe else None,
        unsafe_image_of=unsafe.renumbered(pairs.unsafe_image_of) if unsafe else None,
        partner_text_of=partner,
        partner_image_of=safe.renumbered(pairs.partner_image_of) if safe and has_partners else None,
        categories=pairs.categories,
    )
    return GatheredPairs(
        vectors=vectors,
        safe_pictures=safe.kept if safe else np.empty(0, dtype=np.int64),
        unsafe_pictures=unsafe.kept if unsafe else np.empty(0, dtype=np.int64),
        left_out=_counts(side.failed for side in (safe, unsafe) if side),
    )


def _side(
    pictures: PictureSet, model: Model, folder: VectorFolder, what: str
) -> KeptPictures | None:
    """Encode the images of one side; None without images or with a text-only model."""
    if model.identity.image_width is None or not len(pictures):
        return None
    kept = kept_pictures(pictures, model, folder, what)
    return kept if len(kept.rows) else None


def kinds(vectors: PairVectors) -> dict[str, Vectors]:
    """Vectors of each kind of item in a pair set, by the kind's name in figures."""
    found: Mapping[str, Vectors | None] = {
        "safe text": vectors.safe_text,
        "unsafe text": vectors.unsafe_text,
        "safe image": vectors.safe_image,
        "unsafe image": vectors.unsafe_image,
    }
    return {name: rows for name, rows in found.items() if rows is not None}


def zero_shot_vectors(
    classes: ClassSet, model: Model, folder: VectorFolder
) -> tuple[ZeroShotVectors, dict[str, int]]:
    """Encode labelled images and their classes; also count what is left out."""
    kept = kept_pictures(classes.pictures, model, folder, classes.name)
    rows = kept.renumbered(classes.image_of)
    there = rows != MISSING
    texts = prompts(classes.class_names, classes.templates)
    encoded = folder.texts(model, texts, f"{classes.name} class")
    of_class = encoded.reshape(len(classes.class_names), len(classes.templates), -1)  # [c, t, d]
    lost = [kept.failed[row] for row in classes.image_of[~there].tolist()]
    return ZeroShotVectors(
        images=kept.rows[rows[there]],
        classes=class_vectors(of_class),
        labels=classes.labels[there],
        picture_of=rows[there],
    ), dict(sorted(Counter(lost).items()))


def mixed_vectors(
    unsafe: ImageSet, safe: PictureSet, pairs: PairSet, model: Model, folder: VectorFolder
) -> tuple[MixedVectors, dict[str, int]]:
    """Encode real unsafe images, safe images and the captions of a pair set."""
    bad = kept_pictures(unsafe.pictures, model, folder, unsafe.name)
    good = kept_pictures(safe, model, folder, "safe")
    return MixedVectors(
        unsafe_image=bad.rows,
        safe_image=good.rows,
        unsafe_text=folder.texts(model, pairs.unsafe_captions, f"{pairs.name} unsafe"),
        safe_text=folder.texts(model, pairs.safe_captions, f"{pairs.name} safe"),
        image_categories=None
        if unsafe.categories is None
        else unsafe.categories[bad.new_row != MISSING],
        text_categories=None
        if pairs.categories is None
        else pairs.categories[first_pairs(pairs.unsafe_text_of)],
        text_units=units_of(pairs.unsafe_text_of, pairs.unsafe_image_of)[
            first_pairs(pairs.unsafe_text_of)
        ],
    ), _counts((bad.failed, good.failed))


def kept_pictures(
    pictures: PictureSet, model: Model, folder: VectorFolder, what: str
) -> KeptPictures:
    """Encode images, leaving out those that do not decode."""
    embedded = folder.pictures(model, pictures.images, what)
    there = np.ones(len(pictures), dtype=np.bool_)
    there[list(embedded.failed)] = False
    new_row = np.where(there, np.cumsum(there) - 1, MISSING).astype(np.int64)
    return KeptPictures(rows=embedded.rows[there], new_row=new_row, failed=embedded.failed)


def first_pairs(item_of: Rows) -> Rows:
    """First pair `[n]` of each distinct item; items are numbered from 0 without gaps."""
    return np.unique(item_of, return_index=True)[1].astype(np.int64)


def _counts(failed: Iterable[Mapping[int, str]]) -> dict[str, int]:
    return dict(sorted(Counter(why for one in failed for why in one.values()).items()))
