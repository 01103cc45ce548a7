"""Pictures are drawn once: a run that stops goes on, and more seeds only add some."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nsfwcaps.errors import ConfigError
from nsfwcaps.generation.drawing import DrawPrompts
from nsfwcaps.generation.prompts import Prompt, PromptSet
from nsfwcaps.generation.text_to_image import Drawing
from nsfwcaps.progress import Silent


class Drawer:
    """Stands in for a pipeline: remembers what it drew, and stops where it is told to."""

    def __init__(self, stops_after: int = 99) -> None:
        self.drawn: list[str] = []
        self._left = stops_after
        self.identity = self.settings = {"pipeline": "some"}

    def put(self, clip: Any) -> None:
        pass

    def draw(self, batch: Sequence[Drawing]) -> list[bytes]:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        self.drawn += [item.item for item in batch]
        return [item.item.encode() for item in batch]


def prompts(*texts: str) -> PromptSet:
    return PromptSet(
        name="some",
        prompts=tuple(
            Prompt(text=t, categories=(), seed=5, guidance_scale=None, width=None, height=None)
            for t in texts
        ),
    )


def make(drawer: Drawer, folder: Path, texts: Sequence[str], seeds: int = 2) -> Any:
    generator = DrawPrompts(drawer, prompts(*texts), seeds, 2)  # type: ignore[arg-type]
    return generator.make(folder, Silent())


def test_items_of_each_prompt_by_seed(tmp_path: Path) -> None:
    drawer = Drawer()
    made = make(drawer, tmp_path, ["a", "b", "c"])
    assert [len(row) for row in made.items] == [2, 2, 2]
    assert len(drawer.drawn) == len({*drawer.drawn}) == 6
    for row in made.items:
        for item, seed in zip(row, (5, 6), strict=True):
            data = item.read()
            assert data.decode().endswith(f"-{seed}")
            assert hashlib.sha256(data).hexdigest() == item.sha256
    assert make(Drawer(stops_after=0), tmp_path, ["a", "b", "c"]).items[2][1].read() == data


def test_a_run_that_stops_goes_on(tmp_path: Path) -> None:
    first, second = Drawer(stops_after=1), Drawer()
    with pytest.raises(KeyboardInterrupt):
        make(first, tmp_path, ["a", "b", "c"])
    make(second, tmp_path, ["a", "b", "c"])
    assert len(first.drawn) == 2
    assert len(second.drawn) == 4
    assert not {*first.drawn} & {*second.drawn}


def test_more_prompts_and_seeds_add_pictures(tmp_path: Path) -> None:
    make(Drawer(), tmp_path, ["a"], seeds=1)
    drawer = Drawer()
    make(drawer, tmp_path, ["b", "a"], seeds=2)
    assert len(drawer.drawn) == 3


def test_a_prompt_that_is_there_twice_is_drawn_once(tmp_path: Path) -> None:
    drawer = Drawer()
    made = make(drawer, tmp_path, ["a", "a"], seeds=1)
    assert len(drawer.drawn) == 1
    assert len(made.items) == 2


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_picture_that_is_gone_is_drawn_again(damage: str, tmp_path: Path) -> None:
    make(Drawer(), tmp_path, ["a", "b"], seeds=1)
    picture = sorted(tmp_path.glob("*.png"))[0]
    picture.unlink() if damage == "missing" else picture.write_bytes(b"x")
    drawer = Drawer()
    make(drawer, tmp_path, ["a", "b"], seeds=1)
    assert drawer.drawn == [picture.stem]


def test_a_file_without_its_row_does_not_count(tmp_path: Path) -> None:
    make(Drawer(), tmp_path, ["a", "b"], seeds=1)
    (tmp_path / "images.jsonl").unlink()
    drawer = Drawer()
    make(drawer, tmp_path, ["a", "b"], seeds=1)
    assert len(drawer.drawn) == 2


def test_wrong_numbers() -> None:
    for seeds, batch in ((0, 1), (1, 0)):
        with pytest.raises(ConfigError, match="at least 1"):
            DrawPrompts(Drawer(), prompts("a"), seeds, batch)  # type: ignore[arg-type]
