"""Training data of the heads of `mini`: photographs, icon scenes and ImageNet's classes.

ImageNet is used without images. On the image side, its class names are paired with

- prototypes: the classifier's row of a class as an image feature, or a photograph's feature shifted
  from its own classes to the class, along the covariance of features (for Gaussian classes with a
  shared covariance S, the classifier's rows are S^-1 times the means, so S times a difference of
  rows is the difference of means);
- the classifier's probabilities for each photograph, which the heads learn to reproduce.
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
"""The sufficiently different ones of OpenAI's eighty templates, beside the bare class name."""

_SHIFT = 9.0
"""Shift size at which the classifier is about as sure of a prototype as of a photograph."""
_LARGEST = 6.0
"""ReLU6 caps all features."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Matching images and captions."""

    images: Tensor  # [n, 1280]
    mirrored: Tensor | None  # [n, 1280]
    captions: Tensor  # [n, c, 384]

    def batch(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw `[b]` rows: image features, mirrored or not, and those of one caption each."""
        rows = torch.randperm(len(self.images))[:size]
        images = self.images[rows]
        if self.mirrored is not None:
            flip = torch.rand(len(rows), 1) < 0.5
            images = torch.where(flip, self.mirrored[rows], images)
        which = torch.randint(0, self.captions.shape[1], (len(rows),))
        return rows, images, self.captions[rows, which]


@dataclass(frozen=True, kw_only=True)
class Classes:
    """ImageNet's class names, and the image classifier."""

    captions: Tensor  # [t, 1000, 384]
    rows: Tensor  # [1000, 1280]
    bias: Tensor  # [1000]
    shifts: Tensor  # [1000, 1280]: rows times the feature covariance of photographs

    def words(self) -> Tensor:
        """Draw one wording of every class `[1000, 384]`."""
        which = torch.randint(0, len(self.captions), (self.captions.shape[1],))
        return self.captions[which, torch.arange(len(which))]

    def opinion(self, images: Tensor) -> Tensor:
        """Return the classifier's probabilities `[b, 1000]`."""
        return torch.softmax(images @ self.rows.T + self.bias, dim=-1)

    def prototypes(self, size: int, photographs: Tensor) -> tuple[Tensor, Tensor]:
        """Return features `[b, 1280]` of synthetic images and their classes `[b]`."""
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
    """Load photographs `[n]` with an equal number of captions each, optionally mirrored."""
    mirrored = towers.images("mirrored", jpegs, progress, mirrored=True) if mirror else None
    text = towers.captions("captions", [item for each in captions for item in each], progress)
    return Pairs(
        images=torch.from_numpy(towers.images("photographs", jpegs, progress)),
        mirrored=None if mirrored is None else torch.from_numpy(mirrored),
        captions=torch.from_numpy(text).view(len(jpegs), len(captions[0]), -1),
    )


def scenes(towers: Towers, split: Split, count: int, progress: Progress) -> Pairs:
    """Draw icon scenes, half safe and half unsafe, safe ones first.

    They are not mirrored: captions describe positions, and some icons contain letters.
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
    """Build ImageNet's classes, with shifts by the covariance of photographs `[n, 1280]`."""
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
