"""A pair set: distinct captions and images of both sides, and the pairs between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nsfwcaps.captions.overlap import Overlap
from nsfwcaps.config import digest
from nsfwcaps.evaluation.datasets.pictures import PictureSet
from nsfwcaps.evaluation.outcome import Names
from nsfwcaps.metrics.answer_sets import Rows, Sets

NO_CATEGORY = "none"


@dataclass(frozen=True, kw_only=True)
class PairSet:
    """Distinct captions and images of both sides, and the rows of each pair in them."""

    name: str
    safe_captions: Sequence[str]
    unsafe_captions: Sequence[str]
    safe_pictures: PictureSet
    unsafe_pictures: PictureSet
    ids: Sequence[str]
    """Id `[p]` of the unsafe item of each pair."""
    safe_text_of: Rows
    unsafe_text_of: Rows
    safe_image_of: Rows
    """`MISSING` if a pair's image is absent or unreadable; likewise `unsafe_image_of`."""
    unsafe_image_of: Rows
    partner_text_of: Rows
    """Row of the partner's caption in `safe_captions`; `MISSING` for a pair without a partner."""
    partner_image_of: Rows
    """Row of the partner's image in `safe_pictures`, or `MISSING`."""
    categories: Names | None
    equivalent_text: Sets | None
    """Set i: rows of `safe_captions` that the data names as right for pair i as its own."""
    equivalent_image: Sets | None
    safe_items: Rows
    """Caption and image `[m, 2]` of each distinct safe item; the image may be `MISSING`."""
    origins: Mapping[str, int]
    """How the pairs were made, as the data says (column `provenance`), and how many."""
    left_out: dict[str, int]
    """Unusable rows and images, by reason."""
    overlap: Overlap | None = None
    """What held-out pairs share with training pairs, where the data set tells and this is not its
    training split."""

    @cached_property
    def digest(self) -> str:
        """Digest of everything the figures depend on."""
        sets = [self.equivalent_text, self.equivalent_image]
        return digest(
            [
                [self.safe_captions, self.unsafe_captions],
                [[sha256 for sha256, _ in side.images] for side in self._pictures],
                [rows.tolist() for rows in self._rows],
                [self.ids, None if self.categories is None else self.categories.tolist()],
                [one and [one.rows.tolist(), one.offsets.tolist()] for one in sets],
                [self.safe_items.tolist(), sorted(self.origins.items())],
                *([self.overlap.as_dict()] if self.overlap else []),  # it is in the notes
            ]
        )

    @property
    def captions_alone(self) -> bool:
        """Whether no pair refers to an image, readable or not."""
        return not any(len(side) or side.missing for side in self._pictures)

    @property
    def counts(self) -> dict[str, int]:
        """Sizes, for display."""
        return {
            "pairs": len(self.ids),
            "safe captions": len(self.safe_captions),
            "unsafe captions": len(self.unsafe_captions),
            "safe images": len(self.safe_pictures),
            "unsafe images": len(self.unsafe_pictures),
            "pairs with a partner": int((self.partner_text_of >= 0).sum()),
        }

    @property
    def _pictures(self) -> tuple[PictureSet, PictureSet]:
        return self.safe_pictures, self.unsafe_pictures

    @property
    def _rows(self) -> tuple[Rows, ...]:
        own = self.safe_text_of, self.unsafe_text_of, self.safe_image_of, self.unsafe_image_of
        return *own, self.partner_text_of, self.partner_image_of
