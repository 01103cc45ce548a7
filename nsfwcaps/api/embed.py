"""Embedding from Python: captions or images to unit-length vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from nsfwcaps import config
from nsfwcaps.api.columns import captions_of
from nsfwcaps.captions.images import read_image
from nsfwcaps.encoders.encoder import Encoded, Images
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.errors import InputError, ModelError
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.vectors.source import Half

_FEW = 5


class EmbedOptions(TypedDict, total=False):
    """Further options of `embed`, with the command's defaults."""

    precision: str
    """`auto` (default): half precision if the device supports it, else single; or `fp32`, `fp16`,
    `bf16`."""
    device: str
    """`auto` (default), `cpu` or `cuda`."""
    batch_tokens: int
    """Padded tokens per text batch; default: as many as fit on a GPU, 4096 on a CPU."""
    batch_images: int
    """Images per batch; default: as many as fit on a GPU, 32 on a CPU."""
    workers: int
    """Threads that decode images and tokenise text; default: one a core."""


def embed(inputs: Any, *, model: str | None = None, **options: Unpack[EmbedOptions]) -> Half:
    """Embed captions or images as unit-length vectors, like the command `nsfwcaps embed`.

    Captions are encoded verbatim; in the pipeline, `ingest` cleans them first.

    Args:
        inputs: Captions: a list of `str`, or a pandas, pyarrow or `datasets` column. Or images: a
            list of `pathlib.Path`, or of `bytes` with the content of an image file.
        model: `minilm` (the default for captions), `mini` (the default for images),
            `open_clip:NAME/TAG`, `hf-hub:ORG/NAME`, `hf:FOLDER` or
            `hf:ORG/NAME` of transformers, or the folder of a trained run.
        **options: See `EmbedOptions`.

    Returns:
        Unit-length vectors `[n, d]` in half precision, in the order of the inputs.

    Raises:
        InputError: an input is neither a caption nor an image, or cannot be encoded. No input is
            skipped silently.
        ConfigError: an option is invalid.
        ModelError: the model cannot be loaded, or does not accept images.
        DeviceError: the device is not available.

    >>> import nsfwcaps
    >>> rows = nsfwcaps.embed(["A vase on a table.", "A man at a bus stop."], model="minilm")
    >>> rows.shape, rows.dtype.name
    ((2, 384), 'float16')
    """
    from nsfwcaps.models import create, names

    settings = config.parse(EmbedSettings, {"model": model, **options}, where="embed")
    images = _images(inputs)
    captions = captions_of(inputs, where="embed") if images is None else []
    name = settings.model or names.DEFAULTS[images is not None]
    encoder = create.load(name, EncoderOptions.of(settings))
    if images is None:
        return _whole(encoder.encode_text(captions, _unheard), len(captions))
    if encoder.identity.image_width is None:
        raise ModelError(f"embed: {name} does not accept images; use mini or an open_clip model")
    return _whole(encoder.encode_images(images, _unheard), len(images))


def _images(inputs: Any) -> Images | None:
    """The inputs as images, or None if they are not images."""
    if not isinstance(inputs, list | tuple) or not inputs:
        return None
    if not all(isinstance(item, Path | bytes) for item in inputs):
        return None
    # The digest, a cache key, is not needed here.
    return [("", _getter(item)) for item in inputs]


def _getter(image: Path | bytes) -> Callable[[], bytes]:
    if isinstance(image, bytes):
        return lambda: image
    return lambda: read_image(str(image))


def _whole(encoded: Encoded, inputs: int) -> Half:
    """Vectors of all inputs in half precision.

    Raises:
        InputError: some inputs could not be encoded.
    """
    if encoded.failed:
        named = ", ".join(f"{at} ({why})" for at, why in sorted(encoded.failed.items())[:_FEW])
        raise InputError(
            f"embed: {len(encoded.failed)} of {inputs} inputs cannot be embedded: {named}"
            + (", …" if len(encoded.failed) > _FEW else "")
        )
    return encoded.rows.astype(np.float16)


def _unheard(rows: int) -> None:
    """Ignore progress."""
