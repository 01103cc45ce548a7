"""How a painter of diffusers samples."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PainterSampling:
    """Steps, guidance, and size; None is the pipeline's own."""

    steps: int = 50
    guidance_scale: float = 7.5
    side_px: int | None = None
    """Width and height; of inpainting, the longer one."""
