"""Q16: classify an image by the nearer of two soft prompts (Schramowski et al. 2022)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nsfwcaps.config import digest
from nsfwcaps.detectors.detector import DetectorStatement, Modality, Scores
from nsfwcaps.detectors.soft_prompts import read_soft_prompts
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device
from nsfwcaps.errors import InputError, ModelError
from nsfwcaps.files import sha256_file
from nsfwcaps.models import create
from nsfwcaps.version import __version__

NAME = "q16"
_SCALE = 100.0
"""Scale of the cosines in the softmax, as published: CLIP's."""


class Q16:
    """Compares images with two soft prompts, the safe one first, in an encoder's space."""

    def __init__(
        self, prompts: Path, model: str, device: Device = Device.AUTO, threshold: float = 0.5
    ) -> None:
        self._prompts = read_soft_prompts(prompts)
        self._encoder = create.load(model, EncoderOptions(device=device))
        identity = self._encoder.identity
        if identity.image_width != self._prompts.shape[1]:
            raise ModelError(
                f"{prompts}: soft prompts have width {self._prompts.shape[1]}, images of "
                f"{identity.name} have {identity.image_width or 'no vectors'}; "
                f"give the model they were tuned for as {NAME}:FILE#MODEL"
            )
        self.statement = DetectorStatement(
            name=NAME,
            kind=Modality.IMAGE,
            licence=f"that of the soft prompts' file and of {identity.name}",
            trained_for=(
                f"images that the soft prompts of {prompts.name} tell apart by {identity.name}; "
                "the published ones were tuned on ratings of moral offence (SMID)"
            ),
            version=f"nsfwcaps {__version__}",
            weights_sha256=digest([sha256_file(prompts), identity.digest]),
            threshold=threshold,
        )

    def score(self, items: Sequence[bytes]) -> Scores:
        """Return the softmax `[n]` of the unsafe prompt; above 0.5 it is the nearer one."""
        images = [(hashlib.sha256(data).hexdigest(), lambda data=data: data) for data in items]
        encoded = self._encoder.encode_images(images, lambda rows: None)
        if encoded.failed:
            raise InputError(
                f"{NAME} could not decode {len(encoded.failed)} images; remove them and run again"
            )
        safe, unsafe = (encoded.rows @ self._prompts.T).astype(np.float64).T
        probabilities: Scores = 1 / (1 + np.exp(_SCALE * (safe - unsafe)))
        return probabilities
