"""Categories of unsafe content: the seven concepts of I2P (arXiv 2211.05105)."""

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
