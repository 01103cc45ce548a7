"""Settings of the stage embed: recipe keys and command-line options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from nsfwcaps.config import STRICT_KEYS, Fraction, setting
from nsfwcaps.enums import Device, Precision
from nsfwcaps.models import names


@dataclass(frozen=True, kw_only=True)
class EmbedSettings:
    """Turn every caption (and image) into a unit vector."""

    __pydantic_config__ = STRICT_KEYS

    model: str | None = setting(
        None,
        "minilm; mini; open_clip:NAME/TAG (or a checkpoint path as TAG); hf-hub:ORG/NAME; "
        "hf:FOLDER-OR-ID; folder "
        "of a trained run. Default: mini for pools with images, minilm for captions alone.",
    )
    source: str | None = setting(
        None, "Import embeddings from this folder (clip-retrieval layout) instead of using a model."
    )
    images: bool = setting(
        True, "Embed images too, if the pool has them and the model supports it."
    )
    precision: Precision = setting(
        Precision.AUTO, "auto: half precision if the device supports it."
    )
    max_reject_share: Fraction = setting(
        0.05, "Stop if more than this share of the rows cannot be embedded."
    )
    device: Device = setting(Device.AUTO, "auto: the GPU if there is one.", affects_output=False)
    batch_tokens: Annotated[int, Ge(1)] | None = setting(
        None,
        "Padded tokens per text batch. Default: as many as fit on a GPU; 4096 on a CPU.",
        affects_output=False,
    )
    batch_images: Annotated[int, Ge(1)] | None = setting(
        None,
        "Images per batch. Default: as many as fit on a GPU; 32 on a CPU.",
        affects_output=False,
    )
    workers: Annotated[int, Ge(1)] | None = setting(
        None,
        "Threads that decode images and tokenise text. Default: one a core.",
        affects_output=False,
    )

    def __post_init__(self) -> None:
        if self.model is not None and (wrong := names.problem(self.model)):
            raise ValueError(wrong)
