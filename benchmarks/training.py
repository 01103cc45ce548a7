"""Speed of one fine-tuning step: our `Trainer` compared with a typical research loop.

    python benchmarks/training.py [--models ViT-B-32 ViT-L-14] [--repeats 2]

Both train the same randomly initialised open_clip model with LoRA on the same layers, from the same
start, on the same batches, with the loss of safer-clip, Adam and a clipped gradient. Both decode
JPEGs and tokenise on the same number of threads ahead of the step (`--decoded` excludes that from
the timing). The plain loop runs a frozen copy of the model on the safe, the unsafe and the target
item in every step, pads captions to the context length like open_clip's tokenizer, and adapts
layers with stock `peft`. Ours looks up frozen rows; computing them once is timed separately, in
single precision, and in the precision of training ("in half") if that is another.

Each runs in its own process, in turn; the first step is not timed, nor, on a GPU, the steps whose
batches were prepared during it. "CPU s/pair" counts all threads: on a shared machine it is steadier
than wall time. Shares and the cost of the reference use it (on
a GPU, wall time). Peak memory is that of the whole process (on a GPU, of torch's allocator),
including loading and the reference. The losses of the first step must agree, or the benchmark
aborts. Later ones drift apart, because peft 0.21 adds the update of fused attention's output twice.
Captions and images come from the icon world. A pair has an unsafe scene, its partner, which is
preserved, and another safe scene as target, as in sets of generated pairs. `--without-partners`
makes the partner the target too, as for pairs mined from two pools; then the plain loop runs the
frozen model on two items.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

PEER, OURS = "plain loop", "nsfwcaps"
_CPU_PAIRS = {"ViT-B-32": 8, "ViT-L-14": 2}
_GPU_PAIRS = 48
_GPU_DISTINCT = 512
_TOLERANCE = 1e-4
"""Relative tolerance of the first loss in single precision; half precision rounds at 2^-9."""
_TOLERANCE_HALF = 2e-2
_RANK, _SEED, _SCALE = 16, 0, 100.0
_LEARNING_RATE, _WARMUP_SHARE = 1e-4, 0.05


def main() -> None:
    """Make pairs and weights, train both in turn, print tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["ViT-B-32", "ViT-L-14"])
    parser.add_argument("--batch", type=int, help="Pairs per step; 48 on a GPU, 8 or 2 elsewhere.")
    parser.add_argument("--steps", type=int, default=2, help="Timed steps.")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--precision", choices=["fp32", "bf16"], help="bf16 on a GPU, else fp32.")
    parser.add_argument("--threads", type=int, default=2, help="Torch threads on the CPU.")
    parser.add_argument("--workers", type=int, default=2, help="Decoding threads.")
    parser.add_argument("--decoded", action="store_true", help="Decode before timing starts.")
    parser.add_argument("--without-partners", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        job = Job(**json.loads(options.child))
        print(json.dumps(CHILDREN[job.what](job)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        results = {name: compare(name, options, Path(scratch)) for name in options.models}
    _print(results, options)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Work of one process."""

    what: str
    folder: str
    model: str
    batch: int
    steps: int
    device: str
    precision: str
    threads: int
    workers: int
    decoded: bool
    partners: bool
    untimed: int = 1
    """First steps, not timed: the device starts, and batches prepared ahead are used up."""

    @property
    def distinct(self) -> int:
        """Distinct pairs; on a GPU enough for its largest batches in the reference."""
        return 2 * self.batch if self.device == "cpu" else max(2 * self.batch, _GPU_DISTINCT)

    @property
    def checkpoint(self) -> Path:
        """File with the random weights."""
        return Path(self.folder) / "random.pt"

    @property
    def data(self) -> Path:
        """File with the pairs, as written by `publish`."""
        return Path(self.folder) / "data" / "pairs.parquet"


def compare(model: str, options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Return the results of all repeats by contender."""
    folder = scratch / model.replace("/", "-")
    (folder / "data").mkdir(parents=True)
    fields = {
        "folder": str(folder),
        "model": model,
        "steps": options.steps,
        "threads": options.threads,
        "workers": options.workers,
        "decoded": options.decoded,
        "partners": not options.without_partners,
    }
    defaults = {"device": options.device, "batch": options.batch or 0, "precision": "fp32"}
    on = _run({**fields, **defaults, "what": "device"})["device"]
    fields["device"] = on
    on_gpu = on == "cuda"
    fields["batch"] = options.batch or (_GPU_PAIRS if on_gpu else _CPU_PAIRS.get(model, 4))
    fields["precision"] = options.precision or ("bf16" if on_gpu else "fp32")
    # Both prepare about this many batches ahead, during the first step.
    fields["untimed"] = options.workers + 2 if on_gpu else 1
    _run({**fields, "what": "make"})
    found: dict[str, Any] = {PEER: [], OURS: []}
    for number in range(options.repeats):
        for name in (PEER, OURS) if number % 2 == 0 else (OURS, PEER):
            found[name].append(_run({**fields, "what": name}))
            print(f"{model}: {name}, {found[name][-1]}", file=sys.stderr, flush=True)
        _check(found[PEER][-1], found[OURS][-1], fields["precision"])
    (folder / "random.pt").unlink()
    return {**fields, "found": found}


def _check(peer: dict[str, Any], ours: dict[str, Any], precision: str) -> None:
    """Abort the benchmark if the two do not compute the same."""
    if peer["trained"] != ours["trained"]:
        raise SystemExit(
            f"the plain loop trains {peer['trained']:,} parameters, expected {ours['trained']:,}"
        )
    gap = abs(peer["losses"][0] / ours["losses"][0] - 1)
    if not gap <= (_TOLERANCE if precision == "fp32" else _TOLERANCE_HALF):
        raise SystemExit(f"first losses {peer['losses'][0]} and {ours['losses'][0]} differ")


def _run(fields: dict[str, Any]) -> dict[str, Any]:
    """Run a job in its own process, and return its result."""
    command = [sys.executable, __file__, "--child", json.dumps(fields)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{fields['what']} failed with exit code {done.returncode}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _print(results: dict[str, Any], options: argparse.Namespace) -> None:
    print("\n| | | pairs/s | ratio | CPU s/pair | ratio | peak memory, MiB | ratio | first loss |")
    print("|---|---|---|---|---|---|---|---|---|")
    for model, result in results.items():
        found, label = result["found"], f"{model}, {result['batch']} pairs, {result['precision']}"
        for name in (PEER, OURS):
            rate, cpu, peak = (
                statistics.median(run[key] for run in found[name])
                for key in ("rate", "cpu", "peak")
            )
            ratios = {key: _ratio(found, name, key) for key in ("rate", "cpu", "peak")}
            print(
                f"| {label} | {name} | {rate:.2f} | {ratios['rate']} | {cpu:.2f} | {ratios['cpu']} "
                f"| {peak / 2**20:,.0f} | {ratios['peak']} | {found[name][-1]['losses'][0]:.5f} |"
            )
    print(
        "\n| | teacher, of the plain step | padding of the student's captions "
        "| reference, s/pair | in half | plain step, s/pair | ours, s/pair "
        "| epochs that pay for it | in half |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for model, result in results.items():
        peer, ours = (result["found"][name] for name in (PEER, OURS))
        teacher, padding = (
            statistics.median(run[key] for run in peer) for key in ("teacher", "padding")
        )
        theirs, own = (statistics.median(run["cost"] for run in runs) for runs in (peer, ours))
        once, half = (statistics.median(run[key] for run in ours) for key in ("reference", "half"))
        pays, half_pays = (
            f"{cost / (theirs - own):.2f}" if theirs > own else "never" for cost in (once, half)
        )
        if not half:
            half_pays = ""
        print(
            f"| {model} | {teacher:.0%} | {padding:.0%} | {once:.4f} | {half:.4f} "
            f"| {theirs:.4f} | {own:.4f} | {pays} | {half_pays} |"
        )
    for model, result in results.items():
        peer, ours = (result["found"][name][-1] for name in (PEER, OURS))
        gaps = [abs(p / o - 1) for p, o in zip(peer["losses"], ours["losses"], strict=True)]
        print(
            f"\n{model} on {result['device']}: {ours['trained']:,} trained parameters; the longest "
            f"caption of a batch has {ours['longest']:.0f} tokens on average, and is padded to "
            f"{peer['longest']:.0f} in the plain loop. The losses differ by {gaps[0]:.1e} in the "
            f"first step, and by {max(gaps):.1e} at most in all {len(gaps)} (relative)"
        )


def _ratio(found: dict[str, Any], name: str, key: str) -> str:
    """Format the ratio to the plain loop: median, minimum and maximum over the rounds."""
    if name == PEER:
        return "1.00"
    rounds = zip(found[PEER], found[OURS], strict=True)
    ratios = [ours[key] / peer[key] for peer, ours in rounds]
    if max(ratios) - min(ratios) < 0.01:
        return f"**{ratios[0]:.2f}**"
    return f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"


# The rest runs in child processes. -----------------------------------------------------------


def _device(job: Job) -> dict[str, Any]:
    from nsfwcaps.enums import Device
    from nsfwcaps.runtime.device import torch_device

    return {"device": torch_device(Device(job.device))}


def make(job: Job) -> dict[str, Any]:
    """Write the weights, and a table of pairs that repeats two batches of distinct ones."""
    import hashlib

    import open_clip
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch

    from nsfwcaps.enums import Split
    from nsfwcaps.world.world import World

    torch.manual_seed(_SEED)
    torch.save(open_clip.create_model(job.model).state_dict(), job.checkpoint)
    distinct = job.distinct
    world = World(seed=_SEED, split=Split.TRAIN, looseness=2, safe_count=2 * distinct)

    def item(side: str, name: str, drawn: Any) -> dict[str, Any]:
        return {
            f"{side}_id": name,
            f"{side}_caption": drawn.caption,
            f"{side}_image_sha256": hashlib.sha256(drawn.image).hexdigest(),
            f"{side}_image": {"bytes": drawn.image, "path": None},
        }

    rows = []
    for number in range(distinct):
        # The target of a pair is no pair's partner.
        target = number + distinct if job.partners else number
        row = item("unsafe", f"unsafe-{number}", world.unsafe(number))
        row |= item("safe", f"safe-{target}", world.safe(target))
        if job.partners:
            row |= item("partner", f"safe-{number}", world.safe(number))
        rows.append({"stage": "easy", "split": "train", **row})
    count = job.batch * (job.steps + job.untimed)
    rows = [{"pair_id": f"pair-{n}", **rows[n % distinct]} for n in range(count)]
    pq.write_table(pa.Table.from_pylist(rows), job.data)
    return {}


def _ours(job: Job) -> dict[str, Any]:
    """Time what `train` does: its reference, batches and trainer."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch

    from nsfwcaps.artifacts import StageFolder
    from nsfwcaps.encoders.options import EncoderOptions
    from nsfwcaps.enums import Device, Precision
    from nsfwcaps.models.create import load_dual
    from nsfwcaps.progress import Silent
    from nsfwcaps.runtime.allocator import kept_memory
    from nsfwcaps.runtime.device import torch_dtype
    from nsfwcaps.stages.train.pairs import training_pairs
    from nsfwcaps.stages.train.reference import embed_reference, load_reference
    from nsfwcaps.training.adapters import Adaptation, adapt
    from nsfwcaps.training.inputs import Encoders, preparation
    from nsfwcaps.training.loop import Optimisation, Trainer
    from nsfwcaps.training.methods import METHODS

    _start(job)
    encoder = load_dual(
        f"open_clip:{job.model}/{job.checkpoint}",
        EncoderOptions(device=Device(job.device), precision=Precision.FP32, workers=job.workers),
    )
    _warm(job, encoder)
    with tempfile.TemporaryDirectory() as scratch:
        folder = StageFolder(Path(scratch))
        folder.prepare()
        started = _spent(job)
        shards = embed_reference([job.data], encoder, folder, Silent())
        reference_s = _spent(job) - started
        reference = load_reference(folder, shards)
    half_s = _half_reference(job, encoder)
    table = pq.read_table(job.data)
    for name in ("partner_id", "partner_caption", "partner_image_sha256"):
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), pa.string()))
    method = METHODS["safer-clip"]
    pairs = training_pairs(table, reference, method.targets)
    adapt(encoder.model, Adaptation(rank=_RANK))
    trained = {name: t for name, t in encoder.model.named_parameters() if t.requires_grad}
    _same_start(trained)
    sampler = _sampler(job, pairs.levels, pairs.target_captions)
    dtype = torch_dtype(Precision(job.precision))
    prepare, longest = preparation(encoder, pairs, reference.picture, dtype), []

    def noting(rows: Any, each: Any = map) -> Any:
        inputs = prepare(rows, each)
        longest.append(inputs.tokens.shape[1])
        return inputs

    encoders = Encoders(
        model=encoder.model,
        encode_text=encoder.tower.encode,
        prepare=_decoded(noting, sampler.epoch(1)) if job.decoded else noting,
        device=encoder.device,
        dtype=dtype,
        normalise=encoder.picture_input.normalise,
    )
    how = Optimisation(
        epochs=1,
        learning_rate=_LEARNING_RATE,
        warmup_share=_WARMUP_SHARE,
        weight_decay=0.0,
        clip_norm=1.0,
        scale=_SCALE,
        seed=_SEED,
        workers=job.workers,
    )
    vectors = torch.from_numpy(reference.text), torch.from_numpy(reference.image)
    trainer = Trainer(encoders, pairs, vectors, method, sampler, how)
    losses = []
    with kept_memory(job.device):
        laps = Laps(job)
        for step in trainer.epoch(1, 0):
            losses.append(step.loss)
            laps.lap()
    return {
        **_measured(job, laps, losses, trained, longest),
        "reference": reference_s / job.distinct,
        "half": half_s / job.distinct,
    }


def _warm(job: Job, encoder: Any) -> None:
    """On a GPU, load kernels and reserve memory before the reference is timed."""
    if job.device == "cpu":
        return
    import pyarrow.parquet as pq

    table = pq.ParquetFile(job.data).read_row_group(0).slice(0, 4).to_pylist()
    captions = [row["unsafe_caption"] for row in table]
    images = [
        (row["unsafe_image_sha256"], partial(bytes, row["unsafe_image"]["bytes"])) for row in table
    ]
    encoder.encode_text(captions, lambda done: None)
    encoder.encode_images(images, lambda done: None)


def _half_reference(job: Job, encoder: Any) -> float:
    """Return the seconds of the reference in half precision; 0 if training is in single."""
    from nsfwcaps.artifacts import StageFolder
    from nsfwcaps.enums import Precision
    from nsfwcaps.progress import Silent
    from nsfwcaps.stages.train.reference import embed_reference

    if job.precision == "fp32":
        return 0.0
    half = encoder.in_precision(Precision(job.precision))
    _warm(job, half)
    with tempfile.TemporaryDirectory() as scratch:
        folder = StageFolder(Path(scratch))
        folder.prepare()
        started = _spent(job)
        embed_reference([job.data], half, folder, Silent())
        return _spent(job) - started


def _peer(job: Job) -> dict[str, Any]:
    """The plain loop."""
    import copy
    import io
    import math

    import open_clip
    import pyarrow.parquet as pq
    import torch
    from peft import LoraConfig, inject_adapter_in_model
    from PIL import Image
    from torch.nn.functional import normalize

    from nsfwcaps.training.methods import METHODS, BatchRows

    _start(job)
    model, _, preprocess = open_clip.create_model_and_transforms(
        job.model, pretrained=str(job.checkpoint), device=job.device
    )
    tokenizer = open_clip.get_tokenizer(job.model)
    model.eval()  # disables dropout
    teacher = copy.deepcopy(model).requires_grad_(False)
    model.requires_grad_(False)
    config = LoraConfig(
        r=_RANK, lora_alpha=_RANK, target_modules=r"visual\.conv1|.*\.(attn|c_fc|c_proj)"
    )
    inject_adapter_in_model(config, model)
    trained = {name: item for name, item in model.named_parameters() if item.requires_grad}
    _same_start(trained)
    optimizer = torch.optim.Adam(trained.values(), lr=_LEARNING_RATE)
    pairs = pq.read_table(job.data).to_pylist()
    sampler = _sampler(job, [pair["stage"] for pair in pairs], [pair["safe_id"] for pair in pairs])
    sides = ("unsafe", "partner", "safe") if job.partners else ("unsafe", "safe")
    batches, longest = sampler.epoch(1), []

    def load(rows: Any) -> Any:
        items = [(pairs[row], side) for side in sides for row in rows]
        tokens = tokenizer([pair[f"{side}_caption"] for pair, side in items])
        files = [io.BytesIO(pair[f"{side}_image"]["bytes"]) for pair, side in items]
        pixels = torch.stack([preprocess(Image.open(file).convert("RGB")) for file in files])
        longest.append(tokens.shape[1])
        return tokens, pixels

    if job.decoded:
        load = _decoded(load, batches)
    bf16 = job.precision == "bf16"
    autocast = torch.autocast(job.device, dtype=torch.bfloat16, enabled=bf16)
    spent = {"teacher": 0.0}

    def teach(tokens: Any, pixels: Any) -> Any:
        clock = _spent(job)
        with torch.no_grad(), autocast:
            text, image = teacher.encode_text(tokens), teacher.encode_image(pixels)
        rows = [normalize(part.float(), dim=-1).chunk(len(sides)) for part in (text, image)]
        spent["teacher"] += _spent(job) - clock
        return rows

    total = len(batches)
    warm = max(1, round(_WARMUP_SHARE * total))

    def rate(step: int) -> float:
        if step < warm:
            return _LEARNING_RATE * (step + 1) / warm
        return _LEARNING_RATE * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm))) / 2

    losses, laps = [], Laps(job)
    for step, (tokens, pixels) in enumerate(_ahead(load, batches, job.workers)):
        tokens, pixels = tokens.to(job.device), pixels.to(job.device)
        optimizer.param_groups[0]["lr"] = rate(step)
        text_reference, image_reference = teach(tokens, pixels)
        both = 2 * job.batch
        with autocast:
            text, image = model.encode_text(tokens[:both]), model.encode_image(pixels[:both])
        unsafe_text, safe_text = normalize(text.float(), dim=-1).chunk(2)
        unsafe_image, safe_image = normalize(image.float(), dim=-1).chunk(2)
        rows = BatchRows(
            safe_text=safe_text,
            safe_image=safe_image,
            unsafe_text=unsafe_text,
            unsafe_image=unsafe_image,
            safe_text_reference=text_reference[1],
            safe_image_reference=image_reference[1],
            unsafe_text_reference=text_reference[0],
            unsafe_image_reference=image_reference[0],
            target_text=text_reference[-1],
            target_image=image_reference[-1],
        )
        loss, _ = METHODS["safer-clip"].loss(rows, _SCALE)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        laps.lap()
        if step == 0:
            spent["teacher"] = 0.0
    result = _measured(job, laps, losses, trained, longest)
    pairs = job.batch * (len(losses) - 1)
    shares = {
        "teacher": spent["teacher"] / pairs,
        "padding": _padding(model, tokens[:both], autocast, job) / job.batch,
    }
    return {**result, **{name: each / result["cost"] for name, each in shares.items()}}


def _padding(model: Any, tokens: Any, autocast: Any, job: Job) -> float:
    """Return the extra seconds of the student's text tower for full-length captions."""
    from nsfwcaps.encoders.text_tower import text_tower

    tower = text_tower(model)
    short = tokens[:, : int(tower.lengths(tokens).max())]

    def seconds(encode: Callable[[Any], Any], tokens: Any) -> float:
        clock = _spent(job)
        with autocast:
            rows = encode(tokens)
        rows.float().sum().backward()
        return _spent(job) - clock

    return statistics.median(
        seconds(model.encode_text, tokens) - seconds(tower.encode, short) for _ in range(5)
    )


def _sampler(job: Job, levels: Sequence[str], targets: Sequence[str]) -> Any:
    """Return batches, identical for both."""
    from nsfwcaps.training.curriculum import Sampler, parse_schedule

    return Sampler(
        levels,
        schedule=parse_schedule("all"),
        batch_size=job.batch,
        seed=_SEED,
        avoid_repeats=[targets],
    )


def _start(job: Job) -> None:
    import torch

    torch.set_num_threads(job.threads)
    torch.manual_seed(_SEED)


def _same_start(trained: dict[str, Any]) -> None:
    """Give both the same initial factors: names are equal, shapes up to a reshape."""
    import torch

    generator = torch.Generator().manual_seed(_SEED)
    with torch.no_grad():
        for name in sorted(trained):
            if ".lora_A." in name:
                start = torch.randn(trained[name].numel(), generator=generator) / 32
                trained[name].copy_(start.view(trained[name].shape))


def _ahead(load: Any, batches: Sequence[Any], workers: int) -> Iterator[Any]:
    """Load the next batches on threads while this one is used, as our loop does."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        pending: list[Any] = []
        for batch in batches:
            pending.append(pool.submit(load, batch))
            if len(pending) > workers:
                yield pending.pop(0).result()
        for future in pending:
            yield future.result()


def _decoded(load: Any, batches: Sequence[Any]) -> Callable[[Any], Any]:
    """Return preloaded batches by their rows."""
    made = {tuple(rows.tolist()): load(rows) for rows in batches}
    return lambda rows, *_: made[tuple(rows.tolist())]


class Laps:
    """Seconds of every step: wall time, and CPU time of all threads."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self._last = _now(job), time.process_time()

    def lap(self) -> None:
        """End a step and start the next."""
        now = _now(self._job), time.process_time()
        self.wall.append(now[0] - self._last[0])
        self.cpu.append(now[1] - self._last[1])
        self._last = now


def _now(job: Job) -> float:
    """Return the time once the device has finished all work."""
    import torch

    if job.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _spent(job: Job) -> float:
    """Return wall seconds on a GPU, CPU seconds of all threads otherwise (machines are shared)."""
    return _now(job) if job.device == "cuda" else time.process_time()


def _measured(
    job: Job, laps: Laps, losses: list[float], trained: dict[str, Any], longest: list[int]
) -> dict[str, Any]:
    import torch

    if job.device == "cuda":
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    pairs = job.batch * (len(losses) - job.untimed)
    cpu, wall = (sum(taken[job.untimed :]) / pairs for taken in (laps.cpu, laps.wall))
    return {
        "rate": 1 / wall,
        "cpu": cpu,
        "cost": wall if job.device == "cuda" else cpu,
        "peak": peak,
        "losses": losses,
        "trained": sum(item.numel() for item in trained.values()),
        "longest": statistics.mean(longest),
    }


CHILDREN: dict[str, Callable[[Job], dict[str, Any]]] = {
    "device": _device,
    "make": make,
    PEER: _peer,
    OURS: _ours,
}


if __name__ == "__main__":
    main()
