"""Options of an encoder: device, number format and batch sizes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from nsfwcaps.enums import Device, Precision


@dataclass(frozen=True, kw_only=True)
class EncoderOptions:
    """Options common to all encoders; image options are ignored by text-only ones."""

    device: Device = Device.AUTO
    precision: Precision = Precision.AUTO
    batch_tokens: int | None = None
    """Padded tokens per text batch; None: see `runtime.batch_size`."""
    batch_images: int | None = None
    workers: int | None = None
    """Threads for decoding images and tokenising text; None: the cores of this process."""

    @classmethod
    def of(cls, settings: Any) -> EncoderOptions:
        """Take the options from the fields of the same name in a settings object."""
        names = [field.name for field in dataclasses.fields(cls) if hasattr(settings, field.name)]
        return cls(**{name: getattr(settings, name) for name in names})
