"""What the heads of `mini` learn from: photographs, icon scenes, and ImageNet's classes.

Of ImageNet no picture is needed. Its class words meet, on the image side,

- prototypes: the classifier's row of a class as if it were an image feature, or a photograph's
  feature shifted from the classes that it shows to the class, along the covariance of features
  (for classes that are Gaussian with one covariance S, the classifier's rows are S^-1 times their
  means, so S times a difference of rows is the difference of means);
- the classifier's own opinion of each photograph, which the heads are to share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import open_clip
import torch

from nsfwcaps.encoders.mini.model import imagenet_classifier
from nsfwcaps.enums import Split
from nsfwcaps.progress import Progress
from nsfwcaps.world.world import World
from tools.mini.features import Towers

Tensor = torch.Tensor

TEMPLATES = (0, 1, 5, 9, 17, 22, 30, 35, 43, 45, 52, 58, 60, 66, 70, 75, 78, 79)
"""Of OpenAI's eighty, as many as are different enough; the bare class name comes beside them."""

_SHIFT = 9.0
"""Size of a prototype's shift at which the classifier is about as sure of it as of a photograph."""
_LARGEST = 6.0
"""ReLU6 lets no feature be larger."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pictures and captions that belong together."""

    images: Tensor  # [n, 1280]
    mirrored: Tensor | None  # [n, 1280]
    captions: Tensor  # [n, c, 384]

    def batch(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Rows `[b]`, features of their pictures, mirrored or not, and of one caption each."""
        rows = torch.randperm(len(self.images))[:size]
        images = self.images[rows]
        if self.mirrored is not None:
            flip = torch.rand(len(rows), 1) < 0.5
            images = torch.where(flip, self.mirrored[rows], images)
        which = torch.randint(0, self.captions.shape[1], (len(rows),))
        return rows, images, self.captions[rows, which]


@dataclass(frozen=True, kw_only=True)
class Classes:
    """ImageNet's classes in words, and the classifier that knows them by sight."""

    captions: Tensor  # [t, 1000, 384]
    rows: Tensor  # [1000, 1280]
    bias: Tensor  # [1000]
    shifts: Tensor  # [1000, 1280]: rows times the covariance of photographs' features

    def words(self) -> Tensor:
        """One wording `[1000, 384]` of every class."""
        which = torch.randint(0, len(self.captions), (self.captions.shape[1],))
        return self.captions[which, torch.arange(len(which))]

    def opinion(self, images: Tensor) -> Tensor:
        """The classifier's probabilities `[b, 1000]`."""
        return torch.softmax(images @ self.rows.T + self.bias, dim=-1)

    def prototypes(self, size: int, photographs: Tensor) -> tuple[Tensor, Tensor]:
        """Features `[b, 1280]` of made-up pictures and their classes `[b]`."""
        classes = torch.randint(0, len(self.rows), (size,))
        real = photographs[torch.randint(0, len(photographs), (size,))]
        as_rows = torch.nn.functional.normalize(self.rows[classes], dim=-1)
        as_rows = as_rows * photographs.norm(dim=-1).mean()
        away = self.shifts[classes] - self.opinion(real) @ self.shifts
        strength = _SHIFT * (0.7 + 0.6 * torch.rand(size, 1))
        shifted = (real + strength * away).clamp(0, _LARGEST)
        return torch.where(torch.rand(size, 1) < 0.5, as_rows, shifted), classes


def photographs(
    towers: Towers,
    jpegs: Sequence[bytes],
    captions: Sequence[Sequence[str]],
    progress: Progress,
    *,
    mirror: bool,
) -> Pairs:
    """Photographs `[n]` with an equal number of captions each, mirrored too if asked."""
    mirrored = towers.images("mirrored", jpegs, progress, mirrored=True) if mirror else None
    text = towers.captions("captions", [item for each in captions for item in each], progress)
    return Pairs(
        images=torch.from_numpy(towers.images("photographs", jpegs, progress)),
        mirrored=None if mirrored is None else torch.from_numpy(mirrored),
        captions=torch.from_numpy(text).view(len(jpegs), len(captions[0]), -1),
    )


def scenes(towers: Towers, split: Split, count: int, progress: Progress) -> Pairs:
    """Scenes of the icon world, half of them safe and half unsafe, safe ones first.

    Not mirrored: captions say what stands above what, and the icons have letters among them.
    """
    world = World(seed=0, split=split, looseness=2, safe_count=count // 2)
    with progress.task(f"draw {split}", count) as advance:
        drawn = []
        for draw in (world.safe, world.unsafe):
            for number in range(count // 2):
                drawn.append(draw(number))
                advance(1)
    images = towers.images(f"scenes, {split}", [item.image for item in drawn], progress)
    text = towers.captions(f"captions, {split}", [item.caption for item in drawn], progress)
    return Pairs(
        images=torch.from_numpy(images),
        mirrored=None,
        captions=torch.from_numpy(text)[:, None],
    )


def classes(towers: Towers, photographs: Tensor, progress: Progress) -> Classes:
    """ImageNet's classes, with shifts by the covariance of photographs `[n, 1280]`."""
    names: Sequence[str] = open_clip.IMAGENET_CLASSNAMES
    forms: list[Any] = [open_clip.OPENAI_IMAGENET_TEMPLATES[which] for which in TEMPLATES]
    wordings = [[form(name) for name in names] for form in forms] + [list(names)]
    text = towers.captions("class names", [item for each in wordings for item in each], progress)
    rows, bias = imagenet_classifier()
    centred = photographs - photographs.mean(dim=0)
    covariance = centred.T @ centred / len(photographs)
    return Classes(
        captions=torch.from_numpy(text).view(len(wordings), len(names), -1),
        rows=rows,
        bias=bias,
        shifts=(rows - rows.mean(dim=0)) @ covariance,
    )
