from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from support.icon_scenes import CHAINS, random_scenes, scene, thing

from nsfwcaps.enums import Split
from nsfwcaps.errors import ModelError
from nsfwcaps.world import picture
from nsfwcaps.world.edits import HazardEdit, set_hazard
from nsfwcaps.world.picture import draw, drawn_with, jpeg, sheet
from nsfwcaps.world.scene import KeyedChoices, Scene, Thing, draw_scene
from nsfwcaps.world.vocabulary import KINDS, ObjectKind

TRIO = scene("snow", "red cat", "beside", "blue bus", "above", "green egg")

Pixels = npt.NDArray[np.uint8]


def pixels(of: Scene, key: object = 0) -> Pixels:
    return np.asarray(draw(of, KeyedChoices("picture", key)))


def boxed(mask: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Height and width of what is set."""
    rows, columns = np.nonzero(mask)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


@pytest.fixture
def pasted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[int, int], Image.Image]]:
    """Collect the spot and the icon of every thing that is drawn."""
    calls: list[tuple[tuple[int, int], Image.Image]] = []
    paste = Image.Image.paste

    def collect(whole: Any, part: Any, box: Any = None, mask: Any = None) -> None:
        if part is mask:
            calls.append((box, part))
        paste(whole, part, box, mask)

    monkeypatch.setattr(Image.Image, "paste", collect)
    return calls


@pytest.fixture
def unread() -> Iterator[None]:
    """Forget what was read of the font, before and after."""
    cached = (picture._package_folder, picture._codepoints, picture._font, picture._masks)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


def stencil(spot: tuple[int, int], icon: Image.Image) -> npt.NDArray[np.bool_]:
    """Where a thing can be seen, on a canvas that is larger than the picture all around."""
    canvas = Image.new("L", (424, 424))
    canvas.paste(icon.getchannel("A"), (spot[0] + 100, spot[1] + 100))
    return np.asarray(canvas) > 64


def test_size_and_colours() -> None:
    drawn = draw(TRIO, KeyedChoices("a"))
    assert (drawn.size, drawn.mode) == ((224, 224), "RGB")
    file = Image.open(io.BytesIO(jpeg(drawn)))
    assert (file.format, file.size, file.mode) == ("JPEG", (224, 224), "RGB")


def test_same_source_same_picture() -> None:
    assert jpeg(draw(TRIO, KeyedChoices("a"))) == jpeg(draw(TRIO, KeyedChoices("a")))
    assert jpeg(draw(TRIO, KeyedChoices("a"))) != jpeg(draw(TRIO, KeyedChoices("b")))


def test_file_is_close_to_the_picture() -> None:
    drawn = draw(TRIO, KeyedChoices("a"))
    read = np.asarray(Image.open(io.BytesIO(jpeg(drawn)))).astype(int)
    assert np.abs(read - np.asarray(drawn)).mean() < 4


def test_icons_are_in_the_font_and_told_apart() -> None:
    files = {picture._masks(kind.icon, 66)[0].tobytes(): kind.icon for kind in KINDS}
    assert len(files) == len(KINDS)
    for data, icon in files.items():
        ink = np.frombuffer(data, dtype=np.uint8) > 128
        assert 0.05 < ink.mean() < 0.8, icon
    font = picture._font(66)
    blank = bytes(font.getmask("\uf8ff"))  # what the font draws where it has nothing
    for code in picture._codepoints().values():
        assert bytes(font.getmask(chr(code))) != blank


@pytest.mark.parametrize("size", [61, 70, 85, 98, 110, 127])
def test_icons_fit_their_room(size: int) -> None:
    """No icon touches the border of its mask, which has room for the edge and the tilt."""
    for kind in KINDS:
        mask, edge = picture._masks(kind.icon, size)
        assert mask.size == edge.size == (round(size * 1.2),) * 2
        left, top, right, bottom = mask.getbbox() or (0, 0, 0, 0)
        assert min(left, top) > 1, kind.icon
        assert max(right, bottom) < mask.width - 1, kind.icon
        assert max(right - left, bottom - top) > 0.6 * size, kind.icon


@pytest.mark.parametrize("chain", CHAINS, ids="-".join)
def test_things_stand_as_the_relations_say(chain: tuple[str, ...]) -> None:
    names = ("red cat", "blue bus", "green egg")[: len(chain) + 1]
    one = Scene(things=tuple(map(thing, names)), relations=chain, place="snow")
    spots = picture._centres(one)
    for relation, ((x, y), (next_x, next_y)) in zip(chain, pairwise(spots), strict=True):
        if relation == "beside":
            assert y == next_y
            assert x != next_x
        else:
            assert (y < next_y) == (relation == "above")
            assert y != next_y
    least = {2: 100, 3: 70}
    for one_spot, other_spot in combinations(spots, 2):
        assert np.hypot(*np.subtract(one_spot, other_spot)) >= least[len(spots)]


def test_relation_is_seen_in_the_picture() -> None:
    """Red above blue, by the colours of the pixels alone."""
    for number, (first, relation, second) in enumerate(
        [
            ("red cat", "above", "blue bus"),
            ("red cat", "below", "blue bus"),
            ("red cat", "beside", "blue bus"),
            ("red hammer", "above", "blue tree"),
        ]
    ):
        shown = pixels(scene("snow", first, relation, second), number).astype(int)
        excess = shown[:, :, 0] - shown[:, :, 2]
        red, blue = np.argwhere(excess > 90), np.argwhere(excess < -90)
        assert min(len(red), len(blue)) > 500
        down, right = blue.mean(axis=0) - red.mean(axis=0)
        if relation == "beside":
            assert abs(down) < 30
            assert abs(right) > 75
        else:
            assert abs(right) < 30
            assert (down > 75) if relation == "above" else (down < -75)


@pytest.mark.parametrize("chain", CHAINS, ids="-".join)
def test_things_stay_inside_and_apart(
    chain: tuple[str, ...], pasted: list[tuple[tuple[int, int], Image.Image]]
) -> None:
    nouns = [kind.noun for kind in KINDS]
    for start in range(0, len(nouns), 9):
        things = [Thing(noun=nouns[(start + i) % len(nouns)], colour="red") for i in range(3)]
        pasted.clear()
        draw(
            Scene(things=tuple(things[: len(chain) + 1]), relations=chain, place="sea"),
            KeyedChoices("inside", chain, start),
        )
        assert len(pasted) == len(chain) + 1
        stencils = [stencil(*call) for call in pasted]
        for one in stencils:
            assert one[100:324, 100:324].sum() == one.sum() > 0
        for one, other in combinations(stencils, 2):
            assert (one & other).sum() <= 0.02 * min(one.sum(), other.sum())


def test_substitute_changes_its_own_spot_only() -> None:
    for number, hazard in enumerate(("gun", "skull", "fire")):
        for spot in range(3):
            things = list(TRIO.things)
            things[spot] = replace(things[spot], noun=hazard)
            twin = replace(TRIO, things=tuple(things))
            changed = (pixels(TRIO, number) != pixels(twin, number)).any(axis=2)
            assert changed.sum() > 200
            assert max(boxed(changed)) <= 66 * 1.06 * 1.2
            assert changed.mean() < 0.12


def test_twin_of_the_same_source_keeps_the_background() -> None:
    """Where neither scene has a thing, no pixel differs."""
    for number in range(20):
        safe = draw_scene(KeyedChoices("twin", number), Split.TRAIN, 2)
        twin = set_hazard(safe, HazardEdit.REPLACED, KeyedChoices("twin", number), Split.TRAIN)
        same = (pixels(safe, number) == pixels(twin, number)).all(axis=2)
        assert same.mean() > 0.45
        assert not same.all()
        # The corners are of the background in nearly every scene.
        assert sum(same[y, x] for y in (0, 223) for x in (0, 223)) >= 3


def test_other_place_is_seen() -> None:
    night, snow = (pixels(replace(TRIO, place=place)).mean() for place in ("night", "snow"))
    assert snow - night > 80


@pytest.mark.parametrize("colour", ["red", "orange", "green", "blue", "purple", "black", "white"])
def test_things_have_their_colour(colour: str) -> None:
    shown = pixels(scene("forest", f"{colour} house")).astype(int)
    wanted = np.array(picture.COLOURS[colour])
    close = np.abs(shown - wanted).max(axis=2) <= 33  # the lightest and darkest shade
    assert close.sum() > 1500


def test_no_colour_is_lost_in_a_place() -> None:
    """A thing, or its edge, differs from every background."""
    for place in picture.PLACES:
        for colour in picture.COLOURS:
            with_thing = pixels(scene(place, f"{colour} house")).astype(int)
            other = pixels(scene(place, f"{'white' if colour != 'white' else 'black'} house"))
            assert (np.abs(with_thing - other).max(axis=2) > 8).sum() > 1000
            middle = with_thing[60:164, 60:164].reshape(-1, 3)
            assert middle.std(axis=0).max() > 12


def test_sheet_shows_each_pair_in_a_column() -> None:
    pairs = [
        (jpeg(draw(one, KeyedChoices("up"))), jpeg(draw(one, KeyedChoices("down"))))
        for one in random_scenes(3, seed=1)
    ]
    whole = Image.open(io.BytesIO(sheet(pairs)))
    assert whole.size == (3 * 230 + 6, 2 * 230 + 6)
    for column, pair in enumerate(pairs):
        for row, data in enumerate(pair):
            spot = (6 + 230 * column, 6 + 230 * row)
            shown = whole.crop((*spot, spot[0] + 224, spot[1] + 224))
            expected = np.asarray(Image.open(io.BytesIO(data))).astype(int)
            assert np.abs(np.asarray(shown) - expected).mean() < 4


def test_sheet_of_no_pair() -> None:
    assert Image.open(io.BytesIO(sheet([]))).format == "JPEG"


def test_drawn_with() -> None:
    assert drawn_with() == {name: metadata.version(name) for name in ("pillow", "fontawesomefree")}


@pytest.mark.usefixtures("unread")
def test_package_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "_PACKAGE", "fontawesomefree_absent")
    for act in (drawn_with, lambda: draw(TRIO, KeyedChoices("a"))):
        with pytest.raises(ModelError, match=r"'fontawesomefree_absent'.*nsfwcaps\[world\]"):
            act()


@pytest.mark.usefixtures("unread")
def test_icon_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = ObjectKind(noun="cat", icon="no-such-icon", category="animal")
    monkeypatch.setattr(picture, "KINDS", (*KINDS, absent))
    with pytest.raises(ModelError, match=r"no icon no-such-icon; .*pip install --upgrade"):
        draw(TRIO, KeyedChoices("a"))


@pytest.mark.usefixtures("unread")
def test_icon_that_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package also lists icons of which it ships brands only."""
    brand = ObjectKind(noun="cat", icon="github", category="animal")
    monkeypatch.setattr(picture, "KINDS", (*KINDS, brand))
    with pytest.raises(ModelError, match="no icon github;"):
        draw(TRIO, KeyedChoices("a"))
