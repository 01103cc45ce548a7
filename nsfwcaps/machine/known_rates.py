"""How fast this machine did each kind of work, remembered for estimates of time.

    rates.json   {"<machine>": {"<kind of work>": [amount, seconds]}}

It lies in the user's cache folder, or in `NSFWCAPS_CACHE`. Every finished stage adds to it. A file
that is damaged or cannot be written is ignored: there is then no estimate.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nsfwcaps.cache import cache_folder
from nsfwcaps.config import digest
from nsfwcaps.runtime.cores import cores

Work = Mapping[str, float]
"""Amount of each kind of work."""
Measured = Mapping[str, tuple[float, float]]
"""Amount and seconds of each kind of work."""

_FARTHEST = 100
"""How many times more work than was measured may be estimated: small runs are all overhead."""


def rates_file() -> Path:
    """Return the path of the file."""
    return cache_folder() / "rates.json"


def remember(measured: Measured) -> None:
    """Add measurements to those of this machine."""
    if not measured:
        return
    known, machine = _read(), machine_name()
    of_machine = _valid(known.get(machine))
    for kind, new in measured.items():
        if _is_rate(new):
            of_machine[kind] = _joined(of_machine.get(kind), new)
    with contextlib.suppress(OSError):
        _write(rates_file(), {**known, machine: of_machine})


def remembered() -> dict[str, tuple[float, float]]:
    """Return what was measured on this machine."""
    return _valid(_read().get(machine_name()))


def estimate(work: Work, *known: Measured) -> float | None:
    """Return the seconds that work takes; None if a rate is unknown, or measured on too little.

    Of several measurements of a kind, the first that is enough counts.

    >>> estimate({"captions": 300, "pictures": 0}, {"captions": (100, 2.0)})
    6.0
    """
    seconds = 0.0
    for kind, amount in work.items():
        if not amount:
            continue
        enough = [found[kind] for found in known if kind in found and _is_rate(found[kind])]
        near = [found for found in enough if amount <= _FARTHEST * found[0]]
        if not near:
            return None
        measured, spent = near[0]
        seconds += spent * amount / measured
    return seconds


def machine_name() -> str:
    """Return a name of this kind of machine: its processor and the number of cores.

    Names of hosts change from one container to the next, and a home folder may be shared.
    """
    return digest([platform.machine(), _processor(), cores()])[:12]


def device_name(device: str) -> str:
    """Return the device's name in kinds of work: `cpu`, or that of the GPU."""
    if device == "cpu":
        return device
    import torch

    return str(torch.cuda.get_device_name())


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _joined(old: tuple[float, float] | None, new: tuple[float, float]) -> tuple[float, float]:
    """Return the mean of two measurements, or the one of far more work."""
    if old is None or new[0] > 4 * old[0]:
        return new
    if old[0] > 4 * new[0]:
        return old
    return new[0], (new[1] + old[1] * new[0] / old[0]) / 2


def _is_rate(value: Any) -> bool:
    try:
        amount, seconds = value
        return all(math.isfinite(item) and item > 0 for item in (amount, seconds))
    except (TypeError, ValueError):
        return False


def _valid(values: Any) -> dict[str, tuple[float, float]]:
    found = values.items() if isinstance(values, dict) else ()
    return {kind: (value[0], value[1]) for kind, value in found if _is_rate(value)}


def _read() -> dict[str, Any]:
    try:
        values = json.loads(rates_file().read_bytes())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _write(path: Path, values: Mapping[str, Any]) -> None:
    """Replace the file at once, with a temporary name of its own: two runs may end together."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(values, file, indent=1, sort_keys=True)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
