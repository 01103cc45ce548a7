"""Who makes the shards of a run, as options of the commands that run stages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from nsfwcaps.config import STRICT_KEYS, setting
from nsfwcaps.enums import ExecutorKind
from nsfwcaps.sharing import Part

_PANEL = "sharing"
_PART = re.compile(r"([0-9]{1,7})/([0-9]{1,7})")
_MOST_PARTS = 100_000
_RAY_CPUS = 1.0


@dataclass(frozen=True, kw_only=True)
class ExecutionSettings:
    """Share the work among processes, machines or the parts of a job."""

    __pydantic_config__ = STRICT_KEYS

    executor: ExecutorKind = setting(
        ExecutorKind.LOCAL,
        "Who makes the shards: local, this process; processes, several on this machine; ray, a "
        "cluster.",
        panel=_PANEL,
    )
    processes: Annotated[int, Ge(1)] | None = setting(
        None,
        "Workers of an executor. Default: one for each GPU, or for each core without one.",
        panel=_PANEL,
    )
    part: str | None = setting(
        None,
        "Make part i of n, as in 3/8, of the missing shards; then run once without it.",
        panel=_PANEL,
    )
    ray_address: str | None = setting(
        None,
        "Ray cluster to join, such as auto or HEAD:6379. Default: that of RAY_ADDRESS, else one is "
        "started here.",
        panel=_PANEL,
    )
    ray_cpus: Annotated[float, Gt(0)] = setting(_RAY_CPUS, "CPUs of a Ray worker.", panel=_PANEL)
    ray_gpus: Annotated[float, Ge(0)] | None = setting(
        None, "GPUs of a Ray worker. Default: 1 if the cluster has any.", panel=_PANEL
    )

    def __post_init__(self) -> None:
        if self.part is not None:
            if self.executor is not ExecutorKind.LOCAL:
                raise ValueError("a part is made by this process: remove --executor or --part")
            parsed_part(self.part)
        if self.executor is not ExecutorKind.RAY and self.ray_address is not None:
            raise ValueError("ray_address needs --executor ray")
        if self.executor is not ExecutorKind.RAY and self.ray_gpus is not None:
            raise ValueError("ray_gpus needs --executor ray")
        if self.executor is not ExecutorKind.RAY and self.ray_cpus != _RAY_CPUS:
            raise ValueError("ray_cpus needs --executor ray")
        if self.executor is ExecutorKind.LOCAL and self.processes is not None:
            raise ValueError("processes needs --executor processes or --executor ray")


def parsed_part(text: str) -> Part:
    """Parse a part such as `3/8`, counted from one.

    Raises:
        ValueError: it is no part, or out of range.

    >>> parsed_part("3/8")
    Part(index=2, count=8)
    """
    match = _PART.fullmatch(text.strip())
    number, count = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= count:
        raise ValueError(f"part {text}: expected i/n with 1 ≤ i ≤ n, such as 1/8 to 8/8")
    if count > _MOST_PARTS:
        raise ValueError(f"part {text}: expected no more than {_MOST_PARTS:,} parts")
    return Part(number - 1, count)
