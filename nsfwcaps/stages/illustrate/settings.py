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
        "What draws images of the unsafe captions: diffusers:FOLDER (text-to-image); "
        "diffusers-inpaint: and a FOLDER (part of the safe image anew); world (its own captions).",
    )
    image_detector: tuple[str, ...] = setting(
        (), "Image detector that says which of the images are unsafe, such as opennsfw."
    )
    image_tries: Annotated[int, Ge(1)] = setting(
        4, "Seeds to draw with, at most, until a detector finds an image unsafe."
    )
    only_unsafe: bool = setting(
        False, "Set pairs aside whose image no detector finds unsafe; else they stay, so labelled."
    )
    image_hashes: tuple[str, ...] = setting(
        (), "File of sha256 digests, one a line, of images to leave out."
    )
    image_size: Annotated[int, Ge(8), MultipleOf(8)] | None = setting(
        None, "Pixels of a side, of inpainting the longer one; default: the pipeline's own."
    )
    image_steps: Annotated[int, Ge(1)] = setting(50, "Steps of the scheduler.")
    image_guidance: Annotated[float, Ge(0)] = setting(7.5, "Guidance scale.")
    precision: Precision = setting(Precision.AUTO, "auto: half where the device has it.")
    seed: Annotated[int, Ge(0)] = setting(0, "Seed of the images.")
    shard_rows: Annotated[int, Ge(1)] = setting(512, "Images per Parquet file.")
    image_batch: Annotated[int, Ge(1)] = setting(1, "Images drawn at once.", affects_output=False)
    device: Device = setting(Device.AUTO, "auto: the GPU when there is one.", affects_output=False)

    def __post_init__(self) -> None:
        if self.only_unsafe and not self.image_detector and self.painter != "world":
            raise ValueError("only_unsafe needs an image_detector that says which are")
