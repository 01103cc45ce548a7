"""Sampling settings of diffusers painters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PainterSampling:
    """Steps, guidance and size; None for the pipeline's default size."""

    steps: int = 50
    guidance_scale: float = 7.5
    side_px: int | None = None
    """Width and height; for inpainting, the longer side."""
