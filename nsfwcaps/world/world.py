"""A world: numbered safe and unsafe scenes with captions and images.

The n-th safe scene depends only on the seed, the split and n. So does the n-th unsafe scene if
there are at least as many safe scenes. A larger world therefore starts with the scenes of a smaller
one, and any part of it can be drawn on its own.

Only the hazard should tell safe from unsafe scenes. Their number of things must not, but an added hazard
is one thing more than its partner has. So scenes come in blocks of two, a pair of things and a
trio, on either side:

    number     safe scene    unsafe scene
    2k         a pair        safe scene 2k, a thing replaced
    2k + 1     a trio        half of them: safe scene 2k + 1, a thing replaced
                             half of them: safe scene 2k, a hazard added

Either side then has as many pairs as trios, a quarter of unsafe scenes have an added hazard, and a
quarter of safe scenes are the partner of none. A scene of one thing would have to become a lone
hazard, with nothing left of its partner; there is none. Relations, colours and places are drawn
evenly on both sides, the hazard is equally often at each place in the scene (`edits`), and no two
pictures share their grain, light or tilt (`picture`). `benchmarks/audit/shortcuts.py` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nsfwcaps.enums import Split
from nsfwcaps.world.captions import caption, draw_phrasing
from nsfwcaps.world.edits import HazardEdit, loosen, replaceable, set_hazard
from nsfwcaps.world.picture import draw, jpeg
from nsfwcaps.world.scene import MOST_THINGS, KeyedChoices, Scene, draw_scene
from nsfwcaps.world.vocabulary import Phrasing

VERSION = 2

_TRIES = 10_000  # a tenth of all scenes belong to the smallest split
_ADDED = 0.5  # of the trios; `edits` places hazards accordingly


def _count(number: int) -> int:
    """Number of things of scene `number`, safe or unsafe: two, then three, in turn."""
    return 2 + number % 2


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A scene with its caption and image (a JPEG file)."""

    scene: Scene
    phrasing: Phrasing
    caption: str
    image: bytes
    edit: HazardEdit | None = None
    """How its hazard came in; None for a safe scene."""

    @property
    def held_out(self) -> bool:
        """Whether its things or phrasing never appear in training."""
        return self.scene.held_out or self.phrasing.test_only


class World:
    """The scenes of a seed and split.

    The n-th unsafe scene is made from the safe scene `partner(n)`: loosened to a distance of
    `looseness` (0: unchanged), then given one hazard. That safe scene is its fixed partner, as in
    data sets of generated pairs; it need not be the closest one. With more unsafe scenes than safe
    ones, partners are used again in turn.
    """

    def __init__(self, *, seed: int, split: Split, looseness: float, safe_count: int) -> None:
        self._seed, self._split = seed, split
        self._looseness = looseness
        self._safe_count = safe_count

    def partner(self, number: int) -> int:
        """Return the number of the fixed safe partner of an unsafe scene."""
        place = number % self._safe_count
        return place - 1 if self.edit(number) is HazardEdit.ADDED else place

    def edit(self, number: int) -> HazardEdit:
        """Return how the hazard of an unsafe scene comes in."""
        trio = _count(number % self._safe_count) == MOST_THINGS
        added = trio and self._source("edit", number).number() < _ADDED
        return HazardEdit.ADDED if added else HazardEdit.REPLACED

    def safe_scene(self, number: int) -> Scene:
        """Return the graph of a safe scene."""
        for attempt in range(_TRIES):
            source = self._source("safe", number, attempt)
            scene = draw_scene(source, self._split, _count(number))
            if scene.split is self._split and replaceable(scene, self._split):
                return scene
        raise AssertionError("no scene of this split found")

    def unsafe_scene(self, number: int) -> Scene:
        """Return the graph of an unsafe scene."""
        partner, edit = self.safe_scene(self.partner(number)), self.edit(number)
        for attempt in range(_TRIES):
            source = self._source("unsafe", number, attempt)
            loose = loosen(partner, self._looseness, source, self._split)
            scene = set_hazard(loose, edit, source, self._split)
            if scene.split is self._split:
                return scene
        raise AssertionError("no scene of this split found")

    def safe(self, number: int) -> Drawn:
        """Draw a safe scene with caption and image."""
        return self._draw(self.safe_scene(number), "safe", number, ("safe", number))

    def unsafe(self, number: int) -> Drawn:
        """Draw an unsafe scene with caption and image.

        Tight twins share their partner's phrasing, up to the number of safe scenes; further ones
        get their own, or there would be many of one caption.
        """
        scene = self.unsafe_scene(number)
        tight = self._looseness == 0 and number < self._safe_count
        words = ("safe", self.partner(number)) if tight else ("unsafe", number)
        drawn = self._draw(scene, "unsafe", number, words)
        return replace(drawn, edit=self.edit(number))

    def _draw(self, scene: Scene, label: str, number: int, words: tuple[str, int]) -> Drawn:
        phrasing = draw_phrasing(self._source("words", *words), self._split)
        picture = draw(scene, self._source("picture", label, number))
        text = caption(scene, phrasing)
        return Drawn(scene=scene, phrasing=phrasing, caption=text, image=jpeg(picture))

    def _source(self, *key: object) -> KeyedChoices:
        return KeyedChoices("world", VERSION, self._seed, self._split.value, *key)
