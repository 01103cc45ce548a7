"""Options that say who makes the shards, and how parts divide them."""

from __future__ import annotations

from typing import Any

import pytest

from nsfwcaps.enums import ExecutorKind
from nsfwcaps.executors.settings import ExecutionSettings, parsed_part
from nsfwcaps.sharing import Part, Phase


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2", ""])
def test_part_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected i/n with 1 ≤ i ≤ n, such as 1/8 to 8/8"):
        parsed_part(text)


@pytest.mark.parametrize(("text", "why"), [("1/100001", "100,000"), ("1/99999999", "1 ≤ i")])
def test_too_many_parts(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parsed_part(text)


@pytest.mark.parametrize("values", [{"ray_cpus": 2.0}, {"ray_gpus": 1.0}, {"ray_address": "h:1"}])
@pytest.mark.parametrize("executor", [ExecutorKind.LOCAL, ExecutorKind.PROCESSES])
def test_options_of_ray_without_ray(executor: ExecutorKind, values: dict[str, Any]) -> None:
    (name,) = values
    with pytest.raises(ValueError, match=f"{name} needs --executor ray"):
        ExecutionSettings(executor=executor, **values)


def test_rows_of_a_part_are_those_of_its_shards() -> None:
    phase = Phase(name="captions", shards=10, rows=450)
    assert [phase.rows_of(Part(n, 3)) for n in range(3)] == [180, 135, 135]
    assert [phase.rows_of(Part(n, 20)) for n in (9, 10)] == [45, 0]
    assert Phase(name="read", shards=2, rows=None).rows_of(Part(0, 2)) is None


def test_parts_cover_every_shard_once() -> None:
    found = sorted(item for index in range(4) for item in Part(index, 4).of(range(11)))
    assert found == list(range(11))
