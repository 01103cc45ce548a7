"""The closed sets of words that settings and columns take. A leaf: it imports nothing of ours."""

from __future__ import annotations

import enum


class Category(enum.StrEnum):
    """A concept of I2P; a hyphen may stand for a space, as in `illegal-activity`."""

    HATE = "hate"
    HARASSMENT = "harassment"
    VIOLENCE = "violence"
    SELF_HARM = "self-harm"
    SEXUAL_CONTENT = "sexual content"
    SHOCKING = "shocking"
    ILLEGAL_ACTIVITY = "illegal activity"

    @classmethod
    def _missing_(cls, value: object) -> Category | None:
        folded = str(value).casefold().replace("-", " ")
        return next((item for item in cls if item.value.replace("-", " ") == folded), None)


class Split(enum.StrEnum):
    """Parts of a data set, by the names that `datasets` knows."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class DifficultyLevel(enum.StrEnum):
    """A third, or another share, of the pairs by difficulty."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


class Pairing(enum.StrEnum):
    """Which safe captions an unsafe one is paired with."""

    NEAREST = "nearest"
    """The closest ones."""
    PARTNER = "partner"
    """The one that it came with."""


class Rank(enum.StrEnum):
    """How the candidates of an unsafe caption are ordered."""

    COSINE = "cosine"
    CSLS = "csls"
    INVERTED_SOFTMAX = "inverted-softmax"


class Duplicates(enum.StrEnum):
    """Which copies of the unsafe caption's own text may not be its target."""

    IDENTICAL = "identical"
    NEAR_IDENTICAL = "near-identical"


class ColumnNames(enum.StrEnum):
    """Names of the columns of a data set."""

    OURS = "ours"
    NSFWCAPS = "nsfwcaps"
    """Those of NSFWCaps in front, ours after them."""


class Tower(enum.StrEnum):
    """The halves of a dual encoder."""

    IMAGE = "image"
    TEXT = "text"


class TrainMethod(enum.StrEnum):
    """Methods of safety fine-tuning."""

    SAFER_CLIP = "safer-clip"
    SAFE_CLIP = "safe-clip"
    SAFE_ONLY = "safe-only"
    SUBSPACE = "subspace"


class Targets(enum.StrEnum):
    """Which safe item an unsafe one is sent to."""

    NEAREST = "nearest"
    FIXED = "fixed"


class AdapterInputs(enum.StrEnum):
    """What adapters read of a layer's input."""

    ANY = "any"
    """Whatever training makes of it."""
    DIFFERENCE = "difference"
    """Only the directions in which unsafe inputs differ from their targets."""


class Device(enum.StrEnum):
    """Where arrays are computed."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Precision(enum.StrEnum):
    """Number format of the encoder's arithmetic; embeddings are stored in half precision."""

    AUTO = "auto"
    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
