"""`world`: draws captions of the bundled icon world and refuses others."""

from __future__ import annotations

from collections.abc import Sequence

from nsfwcaps.config import digest
from nsfwcaps.construction.editors.world import NOT_OF_THE_WORLD
from nsfwcaps.construction.painters.painter import WORLD, DrawRequest, PainterStatement, Subject
from nsfwcaps.detectors import detector
from nsfwcaps.detectors.detector import Modality
from nsfwcaps.version import __version__
from nsfwcaps.world.picture import draw, drawn_with, jpeg
from nsfwcaps.world.reading import read_caption
from nsfwcaps.world.scene import KeyedChoices
from nsfwcaps.world.world import VERSION as WORLD_VERSION

VERSION = 1


class WorldPainter:
    """Draws the whole scene from the caption: things, colours, relations and place.

    What the caption leaves open (shades, sizes, tilts) comes from the seed, not the safe image.
    """

    ending = ".jpg"
    needs_safe_image = False

    @property
    def statement(self) -> PainterStatement:
        """Its description, including what it draws with."""
        return PainterStatement(
            name=WORLD,
            how="icons on a soft background, drawn from the scene in the caption",
            licence="icons CC BY 4.0 (Font Awesome Free)",
            settings=drawn_with(),
        )

    @property
    def identity(self) -> str:
        """Digest of the versions of the drawing code."""
        return digest([WORLD, VERSION, WORLD_VERSION, drawn_with()])

    @property
    def judge(self) -> detector.DetectorStatement:
        """Its description as a judge: it knows what it drew."""
        return detector.DetectorStatement(
            name=WORLD,
            kind=Modality.IMAGE,
            licence="Apache-2.0",
            trained_for="no training: it reads from the drawn scene whether it has a hazard",
            version=f"nsfwcaps {__version__}",
            weights_sha256="",
            threshold=0.5,
        )

    def truth(self, subject: Subject) -> float:
        """Return 1.0 if the scene has a hazard, else 0.0."""
        found = read_caption(subject.caption)
        return float(found is not None and found[0].hazard is not None)

    def refusal(self, subject: Subject, safe_image: bytes | None) -> str | None:
        """Refuse captions that the world cannot express in full."""
        return NOT_OF_THE_WORLD if read_caption(subject.caption) is None else None

    def paint(self, wanted: Sequence[DrawRequest]) -> list[bytes]:
        """Draw n images of 224 by 224 pixels."""
        return [self._picture(item) for item in wanted]

    def _picture(self, wanted: DrawRequest) -> bytes:
        found = read_caption(wanted.subject.caption)
        assert found is not None, "other captions are refused"
        return jpeg(draw(found[0], KeyedChoices("illustrated", VERSION, wanted.seed)))
