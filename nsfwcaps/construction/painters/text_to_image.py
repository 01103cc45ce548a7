"""`diffusers:FOLDER`: draws the unsafe caption with a text-to-image pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nsfwcaps.config import digest
from nsfwcaps.construction.painters.painter import TEXT, DrawRequest, PainterStatement, Subject
from nsfwcaps.construction.painters.sampling import PainterSampling
from nsfwcaps.enums import Device, Precision
from nsfwcaps.generation import text_to_image
from nsfwcaps.generation.prompts import Prompt
from nsfwcaps.generation.text_to_image import Drawing, TextToImage


class TextPainter:
    """Prompts a pipeline with the caption; its safety checker is disabled."""

    ending = ".png"
    needs_safe_image = False

    def __init__(
        self, folder: Path, sampling: PainterSampling, device: Device, precision: Precision
    ) -> None:
        own = text_to_image.TextToImageSampling(
            steps=sampling.steps, guidance_scale=sampling.guidance_scale
        )
        self._side_px = sampling.side_px
        self._pipeline = TextToImage(str(folder), own, device, precision)
        settings = {**self._pipeline.settings, "side_px": self._side_px}
        self.statement = PainterStatement(
            name=f"{TEXT}{folder.name}",
            how="text-to-image with the unsafe caption as the prompt, without a safety checker",
            licence=f"that of {folder.name}",
            settings=settings,
        )
        self.identity = digest([TEXT, self._pipeline.identity, self._side_px])

    def refusal(self, subject: Subject, safe_image: bytes | None) -> str | None:
        """Refuse no subject."""
        return None

    def paint(self, wanted: Sequence[DrawRequest]) -> list[bytes]:
        """Draw n images."""
        return self._pipeline.draw([self._drawing(item) for item in wanted])

    def _drawing(self, wanted: DrawRequest) -> Drawing:
        prompt = Prompt(
            text=wanted.subject.caption,
            categories=(),
            seed=wanted.seed,
            guidance_scale=None,
            width=self._side_px,
            height=self._side_px,
        )
        return Drawing(prompt=prompt, seed=wanted.seed)
