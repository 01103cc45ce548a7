"""Pictures prepared per second: decoded, resized and cropped, ahead of the device."""

from __future__ import annotations

import io

from nsfwcaps.machine.timing import rate

WIDTH, HEIGHT = 640, 480
SIDE = 224
"""Pixels of a side at the model's input."""


def decoding(workers: int, *, exact: bool, images: int = 64) -> float:
    """Measure JPEGs of 640 x 480 on this many threads, by the preprocessing of CLIP models.

    `exact` keeps Pillow's resizing, as encoders do in single precision.
    """
    from open_clip.transform import image_transform

    from nsfwcaps.encoders.picture_batches import PictureReader
    from nsfwcaps.encoders.picture_input import PictureInput
    from nsfwcaps.work import WorkSplit

    data = photograph()
    inputs = PictureInput(image_transform(SIDE, is_train=False), exact=exact)
    reader = PictureReader(inputs, workers=workers, pinned=False)
    pictures = [("", lambda: data)] * images

    def read() -> None:
        for batch in reader.batches(pictures, lambda: images, WorkSplit()):
            assert not batch.failed, "the picture was just made"

    return rate(read, images)


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
