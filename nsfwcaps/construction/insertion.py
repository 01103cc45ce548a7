"""One place in a caption where an element can be inserted."""

from __future__ import annotations

from dataclasses import dataclass

from nsfwcaps.construction.hazard import Element, Placement
from nsfwcaps.construction.scenes import Trait


@dataclass(frozen=True, kw_only=True)
class Insertion:
    """A place in a caption, and the text to insert around an element."""

    template: str
    at: int
    before: str
    after: str
    place: Placement
    their: str = "their"
    """Possessive pronoun of the person at this place."""
    in_list: bool = False
    """Whether the element becomes one of several, so that it must be a single thing."""

    def takes(self, element: Element, scene: frozenset[Trait]) -> bool:
        """Tell whether an element can be inserted here."""
        single = not self.in_list or " and " not in element.phrase
        return single and element.fits(self.place, scene)

    def apply(self, caption: str, element: Element) -> str:
        """Insert the element into the caption."""
        detail = f" {element.detail.format(their=self.their)}" if element.detail else ""
        added = f"{self.before}{element.phrase}{detail}{self.after}"
        return caption[: self.at] + added + caption[self.at :]
