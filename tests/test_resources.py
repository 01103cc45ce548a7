from __future__ import annotations

from pathlib import Path

import pytest

from nsfwcaps import resources
from nsfwcaps.captions import sources
from nsfwcaps.errors import ConfigError, InputError


def test_top_level_folder_is_found_in_a_clone() -> None:
    assert (resources.folder("pipelines") / "mine.yaml").is_file()
    assert (resources.folder("data_cards") / "dataset.md.j2").is_file()


def test_folder_inside_the_wheel_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "nsfwcaps")
    assert resources.folder("pipelines") == tmp_path / "pipelines"
    inside = tmp_path / "nsfwcaps" / "_bundled" / "pipelines"
    inside.mkdir(parents=True)
    assert resources.folder("pipelines") == inside


@pytest.mark.parametrize("name", ["demo", "demo.yaml", "pipelines/demo.yaml", "pipelines/demo"])
def test_bundled_recipe_by_any_of_its_names(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resources.recipe(name) == resources.folder("pipelines") / "demo.yaml"


def test_file_goes_before_a_bundled_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.yaml").write_text("mine:\n")
    assert resources.recipe("demo.yaml") == Path("demo.yaml")


@pytest.mark.parametrize("name", ["nowhere", "", ".", "../errors"])
def test_unknown_recipe_lists_the_bundled_ones(name: str) -> None:
    with pytest.raises(
        ConfigError, match=r"no such file or bundled recipe.*demo, finetune, mine, paper, safe-clip"
    ):
        resources.recipe(name)


def test_demo_pools_are_there_and_mild() -> None:
    assert sources.expand("bundled:safe.jsonl") == [str(resources.demo_pool("safe.jsonl"))]
    assert resources.demo_pool("unsafe.csv").read_text().startswith("caption,category\n")


def test_unknown_demo_pool_lists_the_others() -> None:
    with pytest.raises(InputError) as error:
        resources.demo_pool("x.csv")
    assert str(error.value) == (
        "bundled:x.csv: no such bundled pool; available: safe.jsonl, unsafe.csv"
    )
