"""Names of models and data sets."""

from __future__ import annotations

import pytest

from nsfwcaps.errors import ConfigError
from nsfwcaps.evaluation.named_options import named


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ("base=mini", "base", "mini"),
        ("mini", "mini", "mini"),
        ("runs/safer/", "safer", "runs/safer/"),
        ("runs/a/dataset", "a", "runs/a/dataset"),
        ("dataset", "dataset", "dataset"),
        ("pairs/visu.test.parquet", "visu", "pairs/visu.test.parquet"),
        ("open_clip:ViT-B-32/openai", "openai", "open_clip:ViT-B-32/openai"),
        ("hf-hub:org/CLIP-B", "CLIP-B", "hf-hub:org/CLIP-B"),
        ("a=runs/x=1/model", "a", "runs/x=1/model"),
        ("runs/x=1/safer", "safer", "runs/x=1/safer"),
    ],
)
def test_a_name_is_given_or_the_last_part_that_says_something(
    given: str, name: str, value: str
) -> None:
    assert named("--model", [given]) == [(name, value)]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["a b=mini"], "invalid name 'a b'"),
        (["a="], "the value is empty"),
        (["..=mini"], "invalid name"),
        (["one=mini", "One=minilm"], "the name 'One' occurs twice"),
    ],
)
def test_names_that_cannot_be_files_are_refused(given: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        named("--model", given)
