from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support import tiny_generators as tiny
from support.odd_pictures import claiming

from nsfwcaps.evaluation.datasets.image_sets import ImageSet, read_images
from nsfwcaps.generation.describing import DescribePictures
from nsfwcaps.progress import Silent


class Writer:
    """Stands in for a LLaVA: remembers how many it described, and stops where it is told to."""

    def __init__(self, stops_after: int = 99) -> None:
        self.count = 0
        self._left = stops_after
        self.identity = self.settings = {"model": "some"}

    def put(self, clip: Any) -> None:
        pass

    def caption(self, pictures: Sequence[bytes]) -> list[str]:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        self.count += len(pictures)
        return [f"of {len(data)} bytes" for data in pictures]


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    """Five pictures in two folders, a file that is none, and one that claims to be enormous."""
    for number in range(5):
        path = tmp_path / "set" / ("kites" if number < 2 else "cups") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiny.picture(number))
    (tmp_path / "set" / "cups" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "set" / "cups" / "large.png").write_bytes(claiming(20_000, 20_000))
    return read_images("set", str(tmp_path / "set"), Silent())


def make(writer: Writer, images: ImageSet, folder: Path) -> Any:
    return DescribePictures(writer, images, 2).make(folder, Silent())  # type: ignore[arg-type]


def test_a_caption_of_each_picture_that_decodes(images: ImageSet, tmp_path: Path) -> None:
    writer = Writer()
    generator = DescribePictures(writer, images, 2)  # type: ignore[arg-type]
    made = generator.make(tmp_path / "out", Silent())
    assert writer.count == len(made.items) == 5
    assert sorted(made.left_out.values()) == ["image_too_large", "image_undecodable"]
    kept = [n for n in range(7) if n not in made.left_out]
    sizes = [len(images.pictures.images[n][1]()) for n in kept]
    assert [row[0].read() for row in made.items] == [f"of {size} bytes" for size in sizes]
    assert sorted(generator.queries.categories) == [("cups",)] * 5 + [("kites",)] * 2


def test_a_run_that_stops_goes_on(images: ImageSet, tmp_path: Path) -> None:
    first, second, third = Writer(stops_after=1), Writer(), Writer(stops_after=0)
    with pytest.raises(KeyboardInterrupt):
        make(first, images, tmp_path / "out")
    made = make(second, images, tmp_path / "out")
    assert first.count + second.count == 5
    again = make(third, images, tmp_path / "out")
    assert [row[0].read() for row in again.items] == [row[0].read() for row in made.items]
    assert again.left_out == made.left_out
