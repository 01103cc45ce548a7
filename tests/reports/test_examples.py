from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.small_evaluation import DATASET, UNSAFE, example, small

from nsfwcaps.reports.examples import examples
from nsfwcaps.reports.read import read


def test_queries_are_unsafe_and_neighbours_are_what_the_data_says(tmp_path: Path) -> None:
    found, problems = examples(read(small(tmp_path).write()))
    assert (len(found), problems) == (3, [])
    assert found[0].query.unsafe
    assert list(found[0].nearest) == ["base", "ours"]
    assert [item.unsafe for item in found[0].nearest["ours"]] == [False, False, True]


@pytest.mark.parametrize("said", [None, "", 0, "no"])
def test_what_does_not_say_that_it_is_safe_counts_as_unsafe(tmp_path: Path, said: object) -> None:
    writer = small(tmp_path)
    query = example(0)
    query["nearest"]["ours"][0]["unsafe"] = said
    del query["nearest"]["ours"][1]["unsafe"]
    writer.examples = {DATASET: {"queries": [query]}}
    found, _ = examples(read(writer.write()))
    assert [item.unsafe for item in found[0].nearest["ours"]] == [True, True, True]


@pytest.mark.parametrize("picture", ["https://example.org/x.jpg", 'A"onerror="x', "", None])
def test_only_base64_is_a_picture(tmp_path: Path, picture: object) -> None:
    writer = small(tmp_path)
    writer.examples = {DATASET: {"queries": [{**example(0), "thumbnail": picture}]}}
    found, _ = examples(read(writer.write()))
    assert found[0].query.picture == ""


@pytest.mark.parametrize("content", [[], {"queries": 3}, {"queries": [{"id": "a"}]}, "x", None])
def test_other_content_is_named_and_never_quoted(tmp_path: Path, content: Any) -> None:
    writer = small(tmp_path)
    writer.examples = {DATASET: content}
    evaluation = read(writer.write())
    found, damaged = examples(evaluation)
    problems = [*evaluation.problems, *damaged]
    assert not found
    assert (len(problems), f"results/{DATASET}/examples.json" in problems[0]) == (1, True)


def test_damage_quotes_no_caption(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.examples = {DATASET: {"queries": [{"caption": UNSAFE, "nearest": {"base": UNSAFE}}]}}
    _, problems = examples(read(writer.write()))
    assert UNSAFE not in "".join(problems)
    assert len(problems) == 1
