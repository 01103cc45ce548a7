"""The encoder protocol, and the identity of an encoder's vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from nsfwcaps import pictures
from nsfwcaps.config import digest
from nsfwcaps.encoders.languages import Languages
from nsfwcaps.encoders.text_tower import TextTower
from nsfwcaps.encoders.window import Mask
from nsfwcaps.work import WorkSplit

if TYPE_CHECKING:  # text-only encoding needs no Pillow; reading needs no torch
    import torch
    from PIL import Image

    from nsfwcaps.encoders.keeping import Keeper
    from nsfwcaps.encoders.picture_input import PictureInput
    from nsfwcaps.enums import Precision

Vectors = npt.NDArray[np.float32]

Images = Sequence[tuple[str, Callable[[], bytes]]]
"""Images: sha256 of their bytes, and a function that reads them (may raise OSError)."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Everything that determines an encoder's numbers. Never compare vectors of two identities.

    It includes the activation, because the same weights with another activation load without
    error and give wrong numbers (open_clip issues 771 and 915).
    """

    name: str
    weights_sha256: str
    activation: str
    preprocessing: Mapping[str, Any]
    precision: str
    context_length: int
    width: int
    image_width: int | None
    padding: str
    """How captions are padded, and why: `trimmed …` or `full …`. Does not affect the numbers."""
    languages: Languages = Languages.ENGLISH
    """What it reads, by name and vocabulary; English if unknown. Does not affect the numbers."""
    resize: str = "pillow"
    """What resizes pictures: `torch` for half precision, a level of 255 apart (`PictureInput`)."""

    @property
    def digest(self) -> str:
        """Return the SHA-256 (hex) of what determines the numbers, including the image decoder."""
        facts = asdict(self)
        del facts["name"], facts["padding"], facts["languages"]
        if self.image_width is not None and self.preprocessing:  # imported vectors have none
            facts["decoder"] = pictures.VERSION
        if self.resize == "pillow":  # digests without it are as old as the first vectors
            del facts["resize"]
        return digest(facts)


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Rows `[m, d]` of the m inputs that could be encoded, in order, and reasons for the rest."""

    rows: Vectors
    failed: Mapping[int, str]
    """Input position to reason."""


class Encoder(Protocol):
    """Turns captions, and images if `image_width` is set, into unit rows."""

    @property
    def identity(self) -> Identity:
        """Identity of the vectors."""
        ...

    @property
    def device(self) -> str:
        """Device, for display."""
        ...

    def prepared(self, captions: Sequence[str]) -> Sequence[str]:
        """Do what needs no device, on any thread: `encode_text` then starts at once."""
        ...

    def encode_text(self, captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        """Encode n captions; calls `advance` with the number done."""
        ...

    def started(
        self,
        captions: Sequence[str],
        advance: Callable[[int], None],
        keeper: Keeper | None = None,
    ) -> Callable[[], Encoded]:
        """Begin to encode n captions; any thread may then wait for them.

        Several may be begun, by one thread, before the first is waited for. Either thread calls
        `advance`. The `keeper` gets rows from time to time, and gives those of a killed run.
        """
        ...

    def encode_images(
        self,
        images: Images,
        advance: Callable[[int], None],
        split: WorkSplit | None = None,
        keeper: Keeper | None = None,
    ) -> Encoded:
        """Encode n images; counts the time of each kind of work in `split`."""
        ...

    def truncated(self, captions: Sequence[str]) -> Mask | None:
        """Return a mask `[n]` of the captions longer than its window; None if it cannot know."""
        ...


class DualEncoder(Encoder, Protocol):
    """A trainable encoder of captions and images, with towers that are torch modules."""

    @property
    def model(self) -> torch.nn.Module:
        """The open_clip model of both towers, on the device."""
        ...

    def in_precision(self, precision: Precision) -> DualEncoder:
        """Return an encoder in another precision, with the same model in memory."""
        ...

    @property
    def tower(self) -> TextTower:
        """Its text tower."""
        ...

    @property
    def preprocess(self) -> Callable[[Image.Image], torch.Tensor]:
        """Maps an RGB image to pixels `[3, h, w]`."""
        ...

    @property
    def picture_input(self) -> PictureInput:
        """The same in two halves, as the encoder uses it."""
        ...

    @property
    def tokenizer(self) -> Callable[[list[str]], torch.Tensor]:
        """Maps captions `[n]` to tokens `[n, t]`."""
        ...


def activations(model: Any) -> str:
    """List the activation modules and functions of a torch model."""
    found = set()
    for module in model.modules():
        name = type(module).__name__
        if "gelu" in name.lower() or name in ("ReLU", "ReLU6", "SiLU", "Hardswish", "Tanh"):
            found.add(name)
    return "+".join(sorted(found)) or "none"


def finite(rows: Vectors) -> Encoded:
    """Keep finite rows `[n, d]` of unit length; report the others as failed."""
    length = np.einsum("nd,nd->n", rows, rows)
    bad = np.flatnonzero(~(np.abs(length - 1) < 0.01))
    if len(bad) == 0:
        return Encoded(rows=rows, failed={})
    return Encoded(
        rows=np.delete(rows, bad, axis=0), failed=dict.fromkeys(bad.tolist(), "not_finite")
    )


def unit_rows(rows: torch.Tensor) -> torch.Tensor:
    """Normalise rows `[n, d]` in single precision, on their device."""
    from torch.nn.functional import normalize

    return normalize(rows.float(), dim=-1)
