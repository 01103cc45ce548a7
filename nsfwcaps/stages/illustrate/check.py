"""illustrate, pre-flight check: whether the painter can draw the captions of construct."""

from __future__ import annotations

import dataclasses

from nsfwcaps.construction.editors.rules import NAME as RULES
from nsfwcaps.construction.painters.painter import INPAINT, TEXT, WORLD
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.stages.construct.read import clean_items
from nsfwcaps.stages.construct.settings import ConstructSettings
from nsfwcaps.world.reading import read_caption


def check_fits(painter: str, construct: ConstructSettings, *, reading: bool) -> None:
    """Refuse a painter that would reject every caption; `reading` checks the pool too.

    The pool is read up to the first caption that the painter can draw.

    Raises:
        ConfigError: the painter is incompatible with the settings of construct.
        InputError: the painter can draw no caption of the pool, or the pool cannot be read.
    """
    reading = reading and bool(construct.pool)  # construct reports a missing pool
    if painter == WORLD:
        _check_world(construct, reading=reading)
    elif painter.startswith(INPAINT):
        _check_inpaint(construct, reading=reading)


def _check_world(construct: ConstructSettings, *, reading: bool) -> None:
    if construct.editor == RULES:
        raise ConfigError(
            "illustrate: --painter world draws icon-world captions only, and --editor rules writes "
            f"none; use --editor world, or --painter {TEXT}FOLDER"
        )
    captions = dataclasses.replace(construct, images=False)
    if reading and not any(read_caption(item.caption) for item in clean_items(captions)):
        raise InputError(
            "illustrate: --painter world draws icon-world captions only, and the pool has none; "
            f"use a pool written by 'nsfwcaps world', or --painter {TEXT}FOLDER"
        )


def _check_inpaint(construct: ConstructSettings, *, reading: bool) -> None:
    needs = f"illustrate: --painter {INPAINT}FOLDER edits the images of the pool"
    if not construct.images:
        raise ConfigError(f"{needs}, but --no-images skips them; remove --no-images")
    if reading and not any(item.image_sha256 is not None for item in clean_items(construct)):
        raise InputError(
            f"{needs}, but no caption has a local image; use a pool with images "
            f"(set their column with --image-column), or --painter {TEXT}FOLDER"
        )
