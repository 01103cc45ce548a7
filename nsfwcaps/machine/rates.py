"""All rates of this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nsfwcaps.enums import Device, Precision


@dataclass(frozen=True, kw_only=True)
class MachineRates:
    """Per second; FLOP are floating-point operations."""

    device: str
    single_flops: float
    half_flops: float
    captions: float
    """Tokenised."""
    pictures: float
    """Decoded and resized from a JPEG of 640 x 480."""
    workers: int
    """Threads that decode."""
    disk_write_bytes: float | None
    disk_read_bytes: float | None
    disk: str | None = None
    """Why the disk could not be measured, and then its rates are None."""
    to_device_bytes: float | None
    """None for a CPU."""

    @property
    def flops(self) -> float:
        """Operations in the precision that `auto` chooses."""
        return self.single_flops if self.device == "cpu" else self.half_flops


def measure(folder: Path, *, device: Device = Device.AUTO) -> MachineRates:
    """Measure this machine and the disk of a folder, in less than ten seconds.

    Raises:
        DeviceError: CUDA was requested and there is none.
    """
    from nsfwcaps.machine.decoding import decoding
    from nsfwcaps.machine.disk import disk
    from nsfwcaps.machine.products import copying, products
    from nsfwcaps.machine.tokenising import tokenising
    from nsfwcaps.runtime.cores import cores
    from nsfwcaps.runtime.device import resolve_precision, torch_device

    name, workers = torch_device(device), cores()
    half = Precision.BF16 if name == "cpu" else resolve_precision(Precision.AUTO, name)
    writing, reading, why = _of_folder(disk, folder)
    return MachineRates(
        device=name,
        single_flops=products(name, Precision.FP32),
        half_flops=products(name, half),
        captions=tokenising(),
        pictures=decoding(workers, exact=name == "cpu"),
        workers=workers,
        disk_write_bytes=writing,
        disk_read_bytes=reading,
        disk=why,
        to_device_bytes=copying(name),
    )


def _of_folder(
    disk: Callable[[Path], tuple[float, float]], folder: Path
) -> tuple[float | None, float | None, str | None]:
    """Rates of writing and reading, or why there are none."""
    try:
        return *disk(folder), None
    except OSError as error:
        why = (
            f"not measured: {folder} cannot be written to ({error.strerror}); "
            "run doctor --measure in another folder"
        )
        return None, None, why
