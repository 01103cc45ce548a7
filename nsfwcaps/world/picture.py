"""Rendering of scenes: Font Awesome Free icons on a soft background, drawn with Pillow.

The font comes from the package `fontawesomefree` (icons CC BY 4.0, font SIL OFL 1.1).
"""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from nsfwcaps import extras
from nsfwcaps.errors import ModelError
from nsfwcaps.world.scene import MOST_THINGS, KeyedChoices, Scene
from nsfwcaps.world.vocabulary import ABOVE, BELOW, BESIDE, COLOURS, KINDS, PLACES, Place, Rgb

SIZE_PX = 224

_JPEG_QUALITY = 90
_ICON_PX = {1: 120, 2: 92, 3: 66}
_STEP_PX = {1: 0, 2: 104, 3: 73}
_ASIDE_PX = {1: 20, 2: 5, 3: 4}
_MOST_GRAIN = 12  # brightness levels
_BRIGHT = 420  # sum of the three channels
_DIRECTION = {BESIDE: (1, 0), ABOVE: (0, 1), BELOW: (0, -1)}
"""Offset of the next thing, in steps right and down."""
_PACKAGE = "fontawesomefree"
_FOLDER = "static/fontawesomefree"


@dataclass(frozen=True, kw_only=True)
class _Look:
    """Appearance not given by the scene: shade, size, tilt and offset."""

    light: float
    scale: float
    tilt: float
    aside: tuple[float, float]


def draw(scene: Scene, source: KeyedChoices) -> Image.Image:
    """Draw the scene; `source` decides what the scene leaves open.

    With the same source, an edited scene keeps its background and the look of each thing. How much
    grain there is varies: icons of hazards have other outlines than those of objects, and neither
    the energy of edges nor the size of the file may tell them apart.
    """
    picture = _background(PLACES[scene.place], source)
    looks = [_draw_look(source) for _ in range(MOST_THINGS)]
    count = len(scene.things)
    for thing, (x, y), look in zip(scene.things, _centres(scene), looks, strict=False):
        colour = _shade(COLOURS[thing.colour], look.light)
        icon = _icon(thing.kind.icon, colour, round(_ICON_PX[count] * look.scale))
        icon = icon.rotate(look.tilt, resample=Image.Resampling.BILINEAR)
        x, y = x + look.aside[0] * _ASIDE_PX[count], y + look.aside[1] * _ASIDE_PX[count]
        picture.paste(icon, _inside(x - icon.width / 2, y - icon.height / 2, icon), icon)
    return picture


def _inside(x: float, y: float, icon: Image.Image) -> tuple[int, int]:
    """Return the corner to paste an icon at: the nearest at which nothing of it is cut off."""
    left, top, right, bottom = icon.getchannel("A").getbbox() or (0, 0, 0, 0)
    return (
        min(max(round(x), -left), SIZE_PX - right),
        min(max(round(y), -top), SIZE_PX - bottom),
    )


def jpeg(picture: Image.Image) -> bytes:
    """Encode an image as a JPEG file."""
    data = io.BytesIO()
    picture.save(data, format="JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return data.getvalue()


def drawn_with() -> dict[str, str]:
    """Return the package versions that determine the bytes; equal versions draw equal images."""
    _package_folder()
    return {name: metadata.version(name) for name in ("pillow", _PACKAGE)}


def _draw_look(source: KeyedChoices) -> _Look:
    return _Look(
        light=source.between(0.88, 1.08),
        scale=source.between(0.92, 1.06),
        tilt=source.between(-9, 9),
        aside=(source.between(-1, 1), source.between(-1, 1)),
    )


def _centres(scene: Scene) -> list[tuple[float, float]]:
    """Return the centre of each thing: a chain of steps, centred in the image."""
    spots = [(0, 0)]
    for relation in scene.relations:
        right, down = _DIRECTION[relation]
        spot = (spots[-1][0] + right, spots[-1][1] + down)
        # Two things can both be above the third: shift the later one.
        spots.append((spot[0] + 1, spot[1]) if spot in spots else spot)
    step = _STEP_PX[len(scene.things)]
    middle_x = (min(x for x, _ in spots) + max(x for x, _ in spots)) / 2
    middle_y = (min(y for _, y in spots) + max(y for _, y in spots)) / 2
    return [
        (SIZE_PX / 2 + (x - middle_x) * step, SIZE_PX / 2 + (y - middle_y) * step) for x, y in spots
    ]


def _background(place: Place, source: KeyedChoices) -> Image.Image:
    """Draw two soft shaded colours, a horizon between them and a little or more grain."""
    horizon = round(SIZE_PX * (place.horizon + source.between(-0.06, 0.06)))
    light = source.between(0.94, 1.04)
    rows = np.linspace(1.05, 0.95, SIZE_PX)[:, None, None]
    below = (np.arange(SIZE_PX) >= horizon)[:, None, None]
    colours = np.where(below, place.below, place.above) * light * rows  # [h, 1, 3]
    grain = np.random.Generator(np.random.PCG64(int(source.number() * 2**53)))
    levels = 1 + int(source.number() * _MOST_GRAIN)
    noise = grain.integers(0, 256, size=(SIZE_PX, SIZE_PX, 1), dtype=np.uint8) % levels  # [h, w, 1]
    pixels = np.minimum(colours, 256 - levels).astype(np.uint8) + noise
    return Image.fromarray(pixels, "RGB")


def _shade(colour: Rgb, light: float) -> Rgb:
    red, green, blue = (min(255, round(part * light)) for part in colour)
    return red, green, blue


def _icon(name: str, colour: Rgb, size: int) -> Image.Image:
    """Draw an icon in its colour, with a thin edge that sets it off from the background."""
    mask, edge = _masks(name, size)
    bright = sum(colour) > _BRIGHT
    picture = Image.new("RGBA", mask.size, (60, 60, 60, 0) if bright else (235, 235, 235, 0))
    picture.putalpha(edge)
    picture.paste(colour, (0, 0), mask)
    return picture


@functools.lru_cache(maxsize=8192)
def _masks(icon: str, size: int) -> tuple[Image.Image, Image.Image]:
    """Return the icon as a mask `[s, s]`, as large as fits, and a wider, paler copy."""
    glyph = chr(_codepoints()[icon])
    font = _font(size)
    left, top, right, bottom = font.getbbox(glyph)
    if max(right - left, bottom - top) > size:
        font = _font(int(size * size / max(right - left, bottom - top)))
        left, top, right, bottom = font.getbbox(glyph)
    side = round(size * 1.2)  # room for the edge and the tilt
    mask = Image.new("L", (side, side), 0)
    spot = ((side - right - left) / 2, (side - bottom - top) / 2)
    ImageDraw.Draw(mask).text(spot, glyph, fill=255, font=font)
    edge = mask.filter(ImageFilter.MaxFilter(3)).point([value * 3 // 5 for value in range(256)])
    return mask, edge


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_package_folder() / "webfonts" / "fa-solid-900.ttf"), size)


@functools.cache
def _codepoints() -> dict[str, int]:
    """Return the codepoints of all icons in the vocabulary.

    Raises:
        ModelError: the installed font lacks an icon.
    """
    known = json.loads((_package_folder() / "metadata" / "icons.json").read_bytes())
    missing = [
        kind.icon for kind in KINDS if "solid" not in known.get(kind.icon, {}).get("free", ())
    ]
    if missing:
        raise ModelError(
            f"the installed {_PACKAGE} has no icon {', '.join(missing)}; "
            f"run 'pip install --upgrade {_PACKAGE}'"
        )
    return {kind.icon: int(known[kind.icon]["unicode"], 16) for kind in KINDS}


@functools.cache
def _package_folder() -> Path:
    try:
        return Path(str(resources.files(_PACKAGE))) / _FOLDER
    except ModuleNotFoundError:
        raise ModelError(extras.lacking("world", _PACKAGE, "the icon world")) from None


def sheet(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return a contact sheet (JPEG) of image pairs, the second below the first."""
    gap = 6
    width, height = len(pairs) * (SIZE_PX + gap) + gap, 2 * (SIZE_PX + gap) + gap
    whole = Image.new("RGB", (width, height), (255, 255, 255))
    for column, pair in enumerate(pairs):
        for row, data in enumerate(pair):
            spot = (gap + column * (SIZE_PX + gap), gap + row * (SIZE_PX + gap))
            whole.paste(Image.open(io.BytesIO(data)), spot)
    return jpeg(whole)
