"""A small release with pictures and partners."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from PIL import Image
from support.small_release import WIDTH, Item, World

from nsfwcaps.captions.normalize import content_id


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8 + number, 8), (number * 20, 90, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def pictured() -> World:
    """Four safe captions, of which two are one text under two pictures; partners in the pool."""
    random = np.random.default_rng(3)
    spoon = "a spoon in drawer 0"

    def item(label: str, number: int, caption: str, partner: str | None = None) -> Item:
        return Item(
            caption=caption,
            vector=random.normal(size=WIDTH).astype(np.float32),
            source=f"{label}.jsonl",
            partner=partner,
            image_path=f"{label}/{number}.png",
            image=png(number + 4 * (label == "safe")),
            image_vector=random.normal(size=WIDTH).astype(np.float32),
        )

    safe = [item("safe", number, f"a spoon in drawer {max(0, number - 1)}") for number in range(4)]
    by_id = content_id(safe[3].caption, hashlib.sha256(safe[3].image or b"").hexdigest())
    unsafe = [
        item("unsafe", number, f"a handgun in drawer {number}", partner)
        for number, partner in enumerate((spoon, by_id, None))
    ]
    return World(unsafe=unsafe, safe=safe)
