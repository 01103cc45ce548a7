"""Enumerations used by settings and columns. A leaf module: it imports nothing of ours."""

from __future__ import annotations

import enum
from collections.abc import Mapping


class Category(enum.StrEnum):
    """Concept of I2P; hyphens and spaces are equivalent, as in `illegal-activity`."""

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
    """Parts of a data set, as named by `datasets`."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class DifficultyLevel(enum.StrEnum):
    """Share of the pairs by difficulty, a third by default."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


class ExecutorKind(enum.StrEnum):
    """Who makes the shards of a run."""

    LOCAL = "local"
    PROCESSES = "processes"
    RAY = "ray"


class Pairing(enum.StrEnum):
    """Which safe captions an unsafe one is paired with."""

    NEAREST = "nearest"
    """The closest ones."""
    PARTNER = "partner"
    """The one it came with."""


class Screen(enum.StrEnum):
    """What happens to a safe caption that looks unsafe by its words."""

    FLAG = "flag"
    """It stays, with a flag."""
    DROP = "drop"
    OFF = "off"


class Rank(enum.StrEnum):
    """How the candidates of an unsafe caption are ranked."""

    COSINE = "cosine"
    CSLS = "csls"
    INVERTED_SOFTMAX = "inverted-softmax"


class Similarity(enum.StrEnum):
    """What decides how near an unsafe and a safe caption are."""

    TEXT = "text"
    """The captions."""
    IMAGE = "image"
    """Their pictures."""
    BOTH = "both"
    """The mean of both cosines."""


class Duplicates(enum.StrEnum):
    """Which copies of the unsafe caption's text are excluded as targets."""

    IDENTICAL = "identical"
    NEAR_IDENTICAL = "near-identical"


class Quoting(enum.StrEnum):
    """Meaning of quotes in delimited text."""

    AUTO = "auto"
    """As in CSV, but in TSV only cells that are quoted whole."""
    CSV = "csv"
    """Cells may be quoted, and then hold delimiters and line breaks."""
    NONE = "none"
    """Quotes are ordinary characters."""


class ColumnNames(enum.StrEnum):
    """Column naming of a data set."""

    OURS = "ours"
    NSFWCAPS = "nsfwcaps"
    """NSFWCaps' columns first, then ours."""


class Tower(enum.StrEnum):
    """Tower of a dual encoder."""

    IMAGE = "image"
    TEXT = "text"


class TrainMethod(enum.StrEnum):
    """Method of safety fine-tuning."""

    SAFER_CLIP = "safer-clip"
    SAFE_CLIP = "safe-clip"
    SAFE_ONLY = "safe-only"
    CONTRASTIVE_SUBSPACE = "contrastive-subspace"


class Targets(enum.StrEnum):
    """Which safe item an unsafe item is redirected to."""

    NEAREST = "nearest"
    FIXED = "fixed"


class RateDecay(enum.StrEnum):
    """How the learning rate falls after warm-up."""

    COSINE = "cosine"
    """To zero, along a cosine."""
    NONE = "none"


class AdapterInputs(enum.StrEnum):
    """Which part of a layer's input adapters see."""

    ANY = "any"
    """The whole input."""
    CONTRAST = "contrast"
    """Only the directions that unsafe inputs use more than safe ones."""


RENAMED: Mapping[type[enum.Enum], Mapping[str, str]] = {
    TrainMethod: {"subspace": TrainMethod.CONTRASTIVE_SUBSPACE.value},
    AdapterInputs: {"difference": AdapterInputs.CONTRAST.value},
}
"""Former values of settings, and what they are called now."""


class Device(enum.StrEnum):
    """Compute device."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Precision(enum.StrEnum):
    """Number format of the encoder; vectors are stored in half precision."""

    AUTO = "auto"
    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
