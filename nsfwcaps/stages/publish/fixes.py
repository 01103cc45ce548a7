"""publish, fixed captions: their new ids, and their cosines by the encoder of embed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nsfwcaps import config
from nsfwcaps.artifacts import StageRecord
from nsfwcaps.captions.normalize import content_id, pair_id
from nsfwcaps.stages.embed import run as embedding
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.vectors.unit import as_cosines

_OTHER_ENCODER = "other_encoder"


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """A pair with the captions fixed in a review."""

    unsafe_caption: str
    safe_caption: str
    unsafe_image_sha256: str | None
    safe_image_sha256: str | None
    unsafe_changed: bool = False
    safe_changed: bool = False
    sim_text: float | None = None

    @property
    def unsafe_id(self) -> str:
        """Content id of the unsafe caption and its image."""
        return content_id(self.unsafe_caption, self.unsafe_image_sha256)

    @property
    def safe_id(self) -> str:
        """Content id of the safe caption and its image."""
        return content_id(self.safe_caption, self.safe_image_sha256)

    @property
    def pair_id(self) -> str:
        """Content id of the pair."""
        return pair_id(self.unsafe_id, self.safe_id)

    def again(self, unsafe: str | None, safe: str | None) -> Fixed:
        """Return a copy with new captions, already normalised; None keeps a caption."""
        return replace(
            self,
            unsafe_caption=unsafe or self.unsafe_caption,
            safe_caption=safe or self.safe_caption,
            unsafe_changed=self.unsafe_changed or unsafe is not None,
            safe_changed=self.safe_changed or safe is not None,
        )


def with_cosines(
    fixed: Mapping[str, Fixed], ingest: StageRecord, embed: StageRecord
) -> tuple[dict[str, Fixed], dict[str, int]]:
    """Return the pairs with `sim_text`, and the number of pairs without one by reason.

    No pair gets one if the encoder differs from that of the vectors, for example in precision on
    another device: cosines of two encoders are not comparable.
    """
    if not fixed:
        return {}, {}
    settings = config.parse(EmbedSettings, embed.settings, where="embed")
    encoder = embedding.encoder_of(
        settings, with_images=settings.images and ingest.rows("images") > 0
    )
    if encoder.identity.digest != embed.facts["encoder"]["digest"]:
        return dict(fixed), {_OTHER_ENCODER: len(fixed)}
    texts = sorted({text for pair in fixed.values() for text in _texts(pair)})
    encoded = encoder.encode_text(texts, lambda done: None)
    known = (text for number, text in enumerate(texts) if number not in encoded.failed)
    # Rounded to half precision, as stored vectors are.
    stored = encoded.rows.astype(np.float16).astype(np.float64)
    row_of = dict(zip(known, stored, strict=True))
    failed = {texts[number]: reason for number, reason in encoded.failed.items()}
    out, lacking = {}, dict[str, int]()
    for key, pair in fixed.items():
        unsafe, safe = (row_of.get(text) for text in _texts(pair))
        if unsafe is None or safe is None:
            reason = next(failed[text] for text in _texts(pair) if text in failed)
            lacking[reason] = lacking.get(reason, 0) + 1
            out[key] = pair
        else:
            out[key] = replace(pair, sim_text=float(as_cosines(unsafe @ safe)))
    return out, lacking


def _texts(pair: Fixed) -> Sequence[str]:
    return pair.unsafe_caption, pair.safe_caption
