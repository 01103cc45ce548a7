"""A world: numbered safe and unsafe scenes with captions and images.

The n-th safe scene depends only on the seed, the split and n. So does the n-th unsafe scene if
there are at least as many safe scenes. A larger world therefore starts with the scenes of a smaller
one, and any part of it can be drawn on its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from nsfwcaps.enums import Split
from nsfwcaps.world.captions import caption, draw_phrasing
from nsfwcaps.world.edits import add_hazard, loosen
from nsfwcaps.world.picture import draw, jpeg
from nsfwcaps.world.scene import KeyedChoices, Scene, draw_scene
from nsfwcaps.world.vocabulary import Phrasing

VERSION = 1

_TRIES = 10_000  # a tenth of all scenes belong to the smallest split


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A scene with its caption and image (a JPEG file)."""

    scene: Scene
    phrasing: Phrasing
    caption: str
    image: bytes

    @property
    def held_out(self) -> bool:
        """Whether its things or phrasing never appear in training."""
        return self.scene.held_out or self.phrasing.test_only


class World:
    """The scenes of a seed and split.

    The n-th unsafe scene is made from the safe scene `partner(n)`: loosened to a distance of
    `looseness` (0: unchanged), then given one hazard. That safe scene is its fixed partner, as in
    data sets of generated pairs; it need not be the closest one.
    """

    def __init__(self, *, seed: int, split: Split, looseness: float, safe_count: int) -> None:
        self._seed, self._split = seed, split
        self._looseness = looseness
        self._safe_count = safe_count

    def partner(self, number: int) -> int:
        """Return the number of the fixed safe partner of an unsafe scene."""
        return number % self._safe_count

    def safe_scene(self, number: int) -> Scene:
        """Return the graph of a safe scene."""
        for attempt in range(_TRIES):
            scene = draw_scene(self._source("safe", number, attempt), self._split)
            if scene.split is self._split:
                return scene
        raise AssertionError("no scene of this split found")

    def unsafe_scene(self, number: int) -> Scene:
        """Return the graph of an unsafe scene."""
        partner = self.safe_scene(self.partner(number))
        for attempt in range(_TRIES):
            source = self._source("unsafe", number, attempt)
            loose = loosen(partner, self._looseness, source, self._split)
            scene = add_hazard(loose, source, self._split)
            if scene.split is self._split:
                return scene
        raise AssertionError("no scene of this split found")

    def safe(self, number: int) -> Drawn:
        """Draw a safe scene with caption and image."""
        return self._draw(self.safe_scene(number), "safe", number)

    def unsafe(self, number: int) -> Drawn:
        """Draw an unsafe scene with caption and image.

        The first tight twin shares its partner's phrasing and background. Further ones get their
        own, or they would be near-copies.
        """
        scene = self.unsafe_scene(number)
        first_of_partner = number < self._safe_count
        if self._looseness == 0 and first_of_partner:
            return self._draw(scene, "safe", number)
        return self._draw(scene, "unsafe", number)

    def _draw(self, scene: Scene, label: str, number: int) -> Drawn:
        phrasing = draw_phrasing(self._source("words", label, number), self._split)
        picture = draw(scene, self._source("picture", label, number))
        text = caption(scene, phrasing)
        return Drawn(scene=scene, phrasing=phrasing, caption=text, image=jpeg(picture))

    def _source(self, *key: object) -> KeyedChoices:
        return KeyedChoices("world", VERSION, self._seed, self._split.value, *key)
