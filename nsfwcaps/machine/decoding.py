"""Pictures prepared per second: decoded, resized and cropped, ahead of the device."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

from nsfwcaps import pictures
from nsfwcaps.machine.timing import rate

WIDTH, HEIGHT = 640, 480
SIDE = 224
"""Pixels of a side at the model's input."""


def decoding(workers: int, *, images: int = 32) -> float:
    """Measure JPEGs of 640 x 480 on this many threads, by the preprocessing of CLIP models."""
    import torch
    from open_clip.transform import image_transform

    prepare = image_transform(SIDE, is_train=False)
    data = photograph()

    def decode(_: int) -> None:
        picture = pictures.decode(data)
        assert not isinstance(picture, str), "it was just made"
        prepare(picture)

    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return rate(lambda: list(pool.map(decode, range(images))).clear(), images)
    finally:
        torch.set_num_threads(before)


def photograph() -> bytes:
    """Make a JPEG with about as many bytes as a photograph of its size: 640 x 480 pixels."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (HEIGHT // 16, WIDTH // 16, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    grain = random.normal(0, 8, (HEIGHT, WIDTH, 1))
    pixels = np.clip(np.asarray(smooth) + grain, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()
