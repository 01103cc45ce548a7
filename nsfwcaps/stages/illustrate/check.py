"""illustrate, before anything: whether a painter can draw what construct will write."""

from __future__ import annotations

import dataclasses

from nsfwcaps.construction.editors.rules import NAME as RULES
from nsfwcaps.construction.painters.painter import INPAINT, TEXT, WORLD
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.stages.construct.read import clean_items
from nsfwcaps.stages.construct.settings import ConstructSettings
from nsfwcaps.world.reading import read_caption


def check_fits(painter: str, construct: ConstructSettings, *, reading: bool) -> None:
    """Refuse a painter that would set every caption aside; with `reading`, look into the pool too.

    The pool is read up to the first caption that the painter can do something with.

    Raises:
        ConfigError: the painter does not fit construct's settings.
        InputError: no caption of the pool is for this painter, or the pool cannot be read.
    """
    reading = reading and bool(construct.pool)  # construct says that none is named
    if painter == WORLD:
        _check_world(construct, reading=reading)
    elif painter.startswith(INPAINT):
        _check_inpaint(construct, reading=reading)


def _check_world(construct: ConstructSettings, *, reading: bool) -> None:
    if construct.editor == RULES:
        raise ConfigError(
            "illustrate: --painter world draws captions of the world, and the editor rules writes "
            f"none; give --editor world, or --painter {TEXT}FOLDER"
        )
    captions = dataclasses.replace(construct, images=False)
    if reading and not any(read_caption(item.caption) for item in clean_items(captions)):
        raise InputError(
            "illustrate: --painter world draws captions of the world, and the pool holds none; "
            f"give a pool that 'nsfwcaps world' wrote, or --painter {TEXT}FOLDER"
        )


def _check_inpaint(construct: ConstructSettings, *, reading: bool) -> None:
    needs = f"illustrate: --painter {INPAINT}FOLDER draws into the images of the pool"
    if not construct.images:
        raise ConfigError(f"{needs}, and --no-images leaves them; take it back")
    if reading and not any(item.image_sha256 is not None for item in clean_items(construct)):
        raise InputError(
            f"{needs}, and no caption of it has one at hand; give a pool with images "
            f"(--image-column names theirs), or --painter {TEXT}FOLDER"
        )
