"""Text throughput: ours against open_clip's own `encode_text`, on real captions.

    python benchmarks/embedding.py CAPTIONS.parquet [--model ViT-B-32] [--captions 2000]
        [--device cuda --precision bf16]

- Tokenising: open_clip's tokenizer, and ours with and without words it has seen, on one and on two
  threads. The tokens are compared.
- Encoding: the same randomly initialised model and captions. open_clip pads every caption to 77
  tokens, like its tokenizer; its loop runs with batches of 64 and of 256. They take turns, and
  ratios are taken within a round. The last column is the largest difference of unit vectors.
- A whole `embed` stage after loading: the share of its time that is not the model's. On a CPU that
  is wall time without the forward passes; on a GPU, wall time without that of encoding alone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.stages import STAGE

PEERS = (64, 256)
"""Batch sizes of open_clip's loop."""


def main() -> None:
    """Compare tokenisers and throughput, then profile the stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("captions_file", type=Path)
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--captions", type=int, default=2_000)
    parser.add_argument("--tokenised", type=int, default=25_014)
    parser.add_argument("--stage-captions", type=int, default=8_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", type=Device, default=Device.CPU)
    parser.add_argument("--precision", type=Precision, default=Precision.FP32)
    options = parser.parse_args()
    how = EncoderOptions(device=options.device, precision=options.precision)
    print_rates("Tokenising", tokenising(read(options.captions_file, options.tokenised)))
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = save_random(options.model, Path(scratch) / "random.pt")
        captions = read(options.captions_file, options.captions)
        title = f"Encoding, {options.model}, {options.device}, {options.precision}"
        print_rates(title, encoding(captions, options.model, checkpoint, how, options.rounds))
        captions = read(options.captions_file, options.stage_captions)
        for model in (f"open_clip:{options.model}/{checkpoint}", "minilm"):
            wall, outside = stage(captions, model, how, Path(scratch) / model[:6])
            print(
                f"\nembed stage, {model.split('/')[0]}, {len(captions):,} captions: {wall:.2f} s "
                f"after loading, {outside:.1%} of it outside the model"
            )


def read(path: Path, count: int) -> list[str]:
    """Read the first captions of a file."""
    import pyarrow.parquet as pq

    captions: list[str] = pq.read_table(path, columns=["caption"])["caption"].to_pylist()
    return captions[:count]


def save_random(model: str, path: Path) -> Path:
    """Save a checkpoint of random weights."""
    import open_clip
    import torch

    torch.manual_seed(0)
    torch.save(open_clip.create_model(model).state_dict(), path)
    return path


def print_rates(title: str, rates: dict[str, tuple[float, float, float]]) -> None:
    """Print captions/s, the ratio to the first row, and the largest difference."""
    print(f"\n{title}\n| | captions/s (median) | ratio | largest difference |\n|---|---|---|---|")
    for name, (rate, ratio, gap) in rates.items():
        print(f"| {name} | {rate:,.0f} | {ratio:.2f} | {gap:.1e} |")


def tokenising(captions: Sequence[str]) -> dict[str, tuple[float, float, float]]:
    """Return captions/s, the ratio to open_clip's, and the number of tokens that differ."""
    import open_clip
    import torch

    from nsfwcaps.encoders.word_tokenizer import fast

    theirs, texts = open_clip.get_tokenizer("ViT-B-32"), list(captions)
    ours = fast(open_clip.get_tokenizer("ViT-B-32"))
    half = len(texts) // 2

    def on_two() -> Any:
        with ThreadPoolExecutor(2) as pool:
            return torch.cat(list(pool.map(ours, [texts[:half], texts[half:]])))

    runs: dict[str, Callable[[], Any]] = {
        "open_clip": lambda: theirs(texts),
        "nsfwcaps, first call": lambda: ours(texts),
        "nsfwcaps, words known": lambda: ours(texts),
        "nsfwcaps, words known, 2 threads": on_two,
    }
    found: dict[str, tuple[float, float, float]] = {}
    first = wanted = None
    for name, run in runs.items():
        started = time.perf_counter()
        tokens = run()
        seconds = time.perf_counter() - started
        first = first or seconds
        wanted = tokens if wanted is None else wanted
        found[name] = (len(texts) / seconds, first / seconds, float((tokens != wanted).sum()))
    return found


def encoding(
    captions: Sequence[str],
    model: str,
    checkpoint: Path,
    how: EncoderOptions,
    rounds: int,
    peers: Sequence[int] = PEERS,
) -> dict[str, tuple[float, float, float]]:
    """Return captions/s, the ratio to open_clip's loop, and the largest difference from it."""
    import numpy as np
    import open_clip

    from nsfwcaps.models.create import load

    device = "cpu" if how.device is Device.CPU else "cuda"
    peer = open_clip.create_model(
        model, pretrained=str(checkpoint), precision=how.precision.value, device=device
    ).eval()
    tokenizer = open_clip.get_tokenizer(model)
    encoder = load(f"open_clip:{model}/{checkpoint}", how)
    runs: dict[str, Callable[[], Any]] = {
        f"open_clip, batches of {size}": lambda size=size: _loop(
            peer, tokenizer, captions, size, device
        )
        for size in peers
    }
    runs["nsfwcaps"] = lambda: encoder.encode_text(captions, _unheard).rows
    if device == "cuda":  # kernels are chosen, and memory is reserved, on the first call
        for run in runs.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    rows: dict[str, Any] = {}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            rows[name] = run()
            seconds[name].append(time.perf_counter() - started)
    base = next(iter(runs))
    return {
        name: (
            len(captions) / statistics.median(times),
            statistics.median(b / t for b, t in zip(seconds[base], times, strict=True)),
            float(np.abs(rows[name] - rows[base]).max()),
        )
        for name, times in seconds.items()
    }


def _loop(model: Any, tokenizer: Any, captions: Sequence[str], size: int, device: str) -> Any:
    """Encode as open_clip's users do."""
    import numpy as np
    import torch

    parts = []
    with torch.inference_mode():
        for start in range(0, len(captions), size):
            tokens = tokenizer(list(captions[start : start + size])).to(device)
            parts.append(model.encode_text(tokens, normalize=True).float().cpu().numpy())
    return np.concatenate(parts)


def stage(
    captions: Sequence[str], model: str, how: EncoderOptions, workdir: Path
) -> tuple[float, float]:
    """Run a whole embed stage; return its seconds after loading, and the share of other work."""
    from nsfwcaps import pipeline
    from nsfwcaps.models import create
    from nsfwcaps.progress import Silent
    from nsfwcaps.stages.embed import run as embed
    from nsfwcaps.stages.embed.settings import EmbedSettings
    from nsfwcaps.stages.ingest.settings import IngestSettings

    pool = workdir.with_suffix(".txt")
    pool.write_text("\n".join(captions))
    ingest = IngestSettings(safe=(str(pool),))
    pipeline.run_stage(STAGE["ingest"], ingest, workdir, Silent())
    spent = {"model": 0.0, "load": 0.0}
    encoders: list[Any] = []

    def timed_load(settings: EmbedSettings, *, with_images: bool) -> Any:
        started = time.perf_counter()
        encoders.append(create.load(str(settings.model), EncoderOptions.of(settings)))
        if encoders[0].device == "cpu":
            _time_calls(encoders[0], spent)
        else:
            encoders[0].encode_text(captions, _unheard)  # finds the sizes of batches
        spent["load"] = time.perf_counter() - started
        return encoders[0]

    real, embed.encoder_of = embed.encoder_of, timed_load
    settings = EmbedSettings(model=model, device=how.device, precision=how.precision)
    started = time.perf_counter()
    pipeline.run_stage(STAGE["embed"], settings, workdir, Silent())
    wall = time.perf_counter() - started - spent["load"]
    embed.encoder_of = real
    if encoders[0].device != "cpu":
        work = encoders[0].prepared(captions)
        started = time.perf_counter()
        encoders[0].encode_text(work, _unheard)
        spent["model"] = time.perf_counter() - started
    return wall, 1 - spent["model"] / wall


def _time_calls(encoder: Any, spent: dict[str, float]) -> None:
    """Add the time of every forward pass to `spent`."""
    owner, name = (encoder, "_encode") if hasattr(encoder, "_encode") else (encoder.tower, "encode")
    forward = getattr(owner, name)

    def timed(*arguments: Any) -> Any:
        started = time.perf_counter()
        result = forward(*arguments)
        spent["model"] += time.perf_counter() - started
        return result

    object.__setattr__(owner, name, timed)


def _unheard(rows: int) -> None:
    """Ignore progress."""


if __name__ == "__main__":
    main()
