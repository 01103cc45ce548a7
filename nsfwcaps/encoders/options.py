"""How an encoder works: where, in which number format, and in batches of what size."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from nsfwcaps.enums import Device, Precision


@dataclass(frozen=True, kw_only=True)
class EncoderOptions:
    """Options of every encoder; one that takes no pictures ignores those of pictures."""

    device: Device = Device.AUTO
    precision: Precision = Precision.AUTO
    batch_tokens: int = 4096
    """Padded tokens per text batch."""
    batch_images: int = 32
    workers: int = 2
    """Threads that decode pictures and tokenise text."""

    @classmethod
    def of(cls, settings: Any) -> EncoderOptions:
        """Take the options that a settings object has by the same names."""
        names = [field.name for field in dataclasses.fields(cls) if hasattr(settings, field.name)]
        return cls(**{name: getattr(settings, name) for name in names})
