"""Settings of the stage illustrate: recipe keys and command-line options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, MultipleOf

from nsfwcaps.config import STRICT_KEYS, setting
from nsfwcaps.enums import Device, Precision


@dataclass(frozen=True, kw_only=True)
class IllustrateSettings:
    """Draw an image for each unsafe caption that construct wrote, and let detectors judge it."""

    __pydantic_config__ = STRICT_KEYS

    painter: str | None = setting(
        None,
        "Painter of the unsafe captions: diffusers:FOLDER (text-to-image); "
        "diffusers-inpaint:FOLDER (repaints part of the safe image); world (captions of the icon "
        "world).",
    )
    image_detector: tuple[str, ...] = setting(
        (), "Image detector that decides which images are unsafe, such as opennsfw."
    )
    image_tries: Annotated[int, Ge(1)] = setting(
        4, "Maximum seeds to try until a detector rates the image unsafe."
    )
    only_unsafe: bool = setting(
        False,
        "Set aside pairs whose image no detector rates unsafe; by default they stay, labelled so.",
    )
    image_hashes: tuple[str, ...] = setting(
        (), "File of SHA-256 digests, one per line, of images to exclude."
    )
    image_size: Annotated[int, Ge(8), MultipleOf(8)] | None = setting(
        None, "Side in pixels, the longer one when inpainting. Default: that of the pipeline."
    )
    image_steps: Annotated[int, Ge(1)] = setting(50, "Scheduler steps.")
    image_guidance: Annotated[float, Ge(0)] = setting(7.5, "Guidance scale.")
    precision: Precision = setting(
        Precision.AUTO, "auto: half precision if the device supports it."
    )
    seed: Annotated[int, Ge(0)] = setting(0, "Seed of the images.")
    shard_rows: Annotated[int, Ge(1)] = setting(512, "Images per Parquet file.")
    image_batch: Annotated[int, Ge(1)] = setting(1, "Images drawn at once.", affects_output=False)
    device: Device = setting(Device.AUTO, "auto: the GPU if there is one.", affects_output=False)

    def __post_init__(self) -> None:
        if self.only_unsafe and not self.image_detector and self.painter != "world":
            raise ValueError(
                "only_unsafe needs an image_detector to decide which images are unsafe"
            )
