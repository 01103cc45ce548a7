"""A world whose captions share photographs, some of them encoded again."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from support.small_release import WIDTH, Item, World


def photograph(number: int, *, again: bool = False) -> bytes:
    """Smooth random patches; `again` is another file of the same, smaller."""
    cells = np.random.default_rng(1000 + number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    side = 90 if again else 120
    image = Image.fromarray(cells).resize((side, side), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=60 if again else 90)
    return out.getvalue()


def photographed_world(
    seed: int,
    *,
    photographs: int = 40,
    unsafe: int = 60,
    safe: int = 120,
    copies: bool = True,
    partners: bool = True,
) -> World:
    """Safe captions with one of the photographs each; some unsafe ones too, some with a partner."""
    random = np.random.default_rng(seed)

    def row() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return np.asarray(random.normal(size=WIDTH), dtype=np.float32)

    def item(label: str, number: int, which: int | None, partner: str | None = None) -> Item:
        again = copies and which is not None and bool(random.random() < 0.3)
        name = None if which is None else f"photographs/{which}{'-again' if again else ''}.jpg"
        return Item(
            caption=f"a {'handgun' if label == 'unsafe' else 'spoon'} in drawer {number}",
            vector=row(),
            source=f"{label}.jsonl",
            partner=partner,
            image_path=name,
            image=None if which is None else photograph(which, again=again),
            photograph=None if which is None else f"photo-{which}",
        )

    safe_items = [item("safe", n, int(random.integers(photographs))) for n in range(safe)]
    unsafe_items = []
    for number in range(unsafe):
        which = photographs + number // 2 if random.random() < 0.4 else None
        partner = safe_items[int(random.integers(safe))].caption if partners else None
        unsafe_items.append(item("unsafe", number, which, partner))
    return World(unsafe=unsafe_items, safe=safe_items)
