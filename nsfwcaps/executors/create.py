"""The executor that settings name."""

from __future__ import annotations

from nsfwcaps.enums import Device, ExecutorKind
from nsfwcaps.executors.executor import Executor
from nsfwcaps.executors.settings import ExecutionSettings
from nsfwcaps.progress import Progress
from nsfwcaps.runtime.cores import cores


def executor_of(settings: ExecutionSettings, device: Device, progress: Progress) -> Executor | None:
    """Return the executor; None if this process does all the work.

    Raises:
        ModelError: Ray is not installed.
    """
    if settings.executor is ExecutorKind.PROCESSES:
        from nsfwcaps.executors.processes import ProcessExecutor

        gpus = _gpus(device)
        return ProcessExecutor(settings.processes or gpus or cores(), gpus)
    if settings.executor is ExecutorKind.RAY:
        from nsfwcaps.executors.ray_cluster import RayExecutor

        return RayExecutor(settings, device, progress.note)
    return None


def _gpus(device: Device) -> int:
    if device is Device.CPU:
        return 0
    import torch

    return int(torch.cuda.device_count())
