"""Kernels and waits of one fine-tuning step, by part: what a GPU is made to launch.

    python benchmarks/launches.py [--models ViT-B-32] [--precisions fp32 bf16] [--batch 2]

Runs the plain loop and our `Trainer` of `benchmarks/training.py` on the CPU and counts the
operators of the second step. Views and allocations are not counted: they launch nothing. The counts
do not depend on the batch. An operator over a list of tensors counts as one, though a GPU needs a
launch for every few dozen of them. "waits" are numbers that Python reads from a tensor: on a GPU
each waits for the device, but for those of Adam's own step counts (the plain loop's, one for each
tensor). "overhead" is the CPU time of a step of a tiny model, on one thread: nearly all of it is
spent between operators, as it is on a GPU that waits for launches.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import training as benchmark

_TINY = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "layers": 12, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 64,
        "heads": 2,
        "layers": 12,
    },
}
_PARTS = ("teacher", "text tower", "image tower", "losses", "backward", "clip", "optimiser")
_NO_KERNEL = {
    *("detach", "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"),
    *("resize_", "set_", "_unsafe_view", "_reshape_alias", "lift_fresh", "record_stream"),
}


def main() -> None:
    """Count the operators of both contenders, and print tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["ViT-B-32"])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--batch", type=int, default=2, help="Pairs per step.")
    parser.add_argument("--timed", type=int, default=10, help="Timed steps of the tiny model.")
    options = parser.parse_args()
    parts = " | ".join(_PARTS)
    print(f"| | | {parts} | all | waits | overhead, ms |")
    print("|---|---|" + "---|" * (len(_PARTS) + 3))
    for model in options.models:
        with tempfile.TemporaryDirectory() as scratch:
            job = _job(Path(scratch) / "model", model, options.batch, steps=1)
            tiny = _job(Path(scratch) / "tiny", _tiny(), options.batch, steps=options.timed)
            for precision in options.precisions:
                for name in (benchmark.PEER, benchmark.OURS):
                    counted, waits = _counts(name, _with(job, name, precision))
                    overhead = _overhead(_with(tiny, name, precision))
                    shown = " | ".join(f"{counted[part]:,}" for part in _PARTS)
                    total = sum(counted.values())
                    print(
                        f"| {model}, {precision} | {name} | {shown} | {total:,} | {waits:,} "
                        f"| {overhead:.1f} |",
                        flush=True,
                    )


def _job(folder: Path, model: str, batch: int, steps: int) -> benchmark.Job:
    """Make weights and pairs in a folder, and return a job on them."""
    (folder / "data").mkdir(parents=True)
    job = benchmark.Job(
        what="make",
        folder=str(folder),
        model=model,
        batch=batch,
        steps=steps,
        device="cpu",
        precision="fp32",
        threads=1,
        workers=1,
        decoded=True,
        partners=True,
    )
    benchmark.make(job)
    return job


def _with(job: benchmark.Job, what: str, precision: str) -> benchmark.Job:
    return benchmark.Job(**{**vars(job), "what": what, "precision": precision})


def _tiny() -> str:
    """Register the tiny model with open_clip, and return its name."""
    import open_clip

    open_clip.factory._MODEL_CONFIGS["launches-tiny"] = _TINY
    return "launches-tiny"


def _overhead(job: benchmark.Job) -> float:
    """Return the milliseconds of a step of the tiny model, the median of all but the first."""
    laps: list[float] = []

    class Laps(benchmark.Laps):
        def lap(self) -> None:
            super().lap()
            laps.append(self.cpu[-1])

    with _replaced(benchmark, "Laps", Laps):
        benchmark.CHILDREN[job.what](job)
    return 1e3 * statistics.median(laps[1:])


def _counts(name: str, job: benchmark.Job) -> tuple[Counter[str], int]:
    """Return the operators of the second step by part, and the number of waits."""
    import open_clip
    import torch
    from torch.optim.optimizer import (
        register_optimizer_step_post_hook,
        register_optimizer_step_pre_hook,
    )

    from nsfwcaps.encoders import text_tower

    counter = _counter()
    totals: list[tuple[Counter[str], int]] = []

    class Laps(benchmark.Laps):
        def lap(self) -> None:
            super().lap()
            totals.append((counter.counted, counter.waits))
            counter.counted, counter.waits = Counter(), 0

    within = functools.partial(_within, counter)
    clip = open_clip.model.CLIP
    with contextlib.ExitStack() as stack:
        for owner, attribute, part in (
            (clip, "encode_text", "text tower"),
            (text_tower, "_encode_causal", "text tower"),
            (clip, "encode_image", "image tower"),
            (torch.nn.utils, "clip_grad_norm_", "clip"),
        ):
            made = within(getattr(owner, attribute), part)
            stack.enter_context(_replaced(owner, attribute, made))
        stack.enter_context(_replaced(benchmark, "Laps", Laps))
        before = register_optimizer_step_pre_hook(lambda *_: counter.parts.append("optimiser"))
        after = register_optimizer_step_post_hook(lambda *_: counter.parts.pop())
        stack.callback(before.remove)
        stack.callback(after.remove)
        stack.enter_context(counter)
        benchmark.CHILDREN[name](job)
    return totals[1]


def _within(counter: Any, call: Callable[..., Any], part: str) -> Callable[..., Any]:
    """Return the function, whose operators count for the part (or the teacher's)."""
    import torch

    @functools.wraps(call)
    def counted(*args: Any, **kwargs: Any) -> Any:
        tower = part.endswith("tower")
        counter.parts.append("teacher" if tower and not torch.is_grad_enabled() else part)
        try:
            return call(*args, **kwargs)
        finally:
            counter.parts.pop()

    return counted


def _counter() -> Any:
    """Return a mode that counts operators with a kernel, by part."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Operators(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.counted: Counter[str] = Counter()
            self.waits = 0
            self.parts = ["losses"]

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            name = func._schema.name.removeprefix("aten::")
            if name == "_local_scalar_dense":
                self.waits += 1
            elif not (func.is_view or name in _NO_KERNEL):
                backward = torch._C._current_graph_task_id() != -1
                self.counted["backward" if backward else self.parts[-1]] += 1
            return func(*args, **(kwargs or {}))

    return Operators()


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


if __name__ == "__main__":
    main()
