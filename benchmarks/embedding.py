"""Text throughput: ours against open_clip's own `encode_text`, on real captions.

    python benchmarks/embedding.py CAPTIONS.parquet [--model ViT-B-32] [--captions 2000]

Both use the same randomly initialised model, the same captions and the same threads. open_clip pads
every caption to 77 tokens, like its tokenizer; ours trims length-sorted batches. They take turns,
and ratios are taken within a round. The last column is the largest difference between the two sets
of unit vectors. Time outside the model is measured on a whole `embed` stage: wall time minus the
model's forward passes and its loading.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.stages import STAGE


def main() -> None:
    """Compare throughput, then profile the stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("captions_file", type=Path)
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--captions", type=int, default=2_000)
    parser.add_argument("--stage-captions", type=int, default=8_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = Path(scratch) / "random.pt"
        _save_random(options.model, checkpoint)
        _compare(options, checkpoint)
        for model in (f"open_clip:{options.model}/{checkpoint}", "minilm"):
            _stage(options, model, Path(scratch) / model[:6])


def _save_random(model: str, path: Path) -> None:
    import open_clip
    import torch

    torch.manual_seed(0)
    torch.save(open_clip.create_model(model).state_dict(), path)


def _captions(path: Path, count: int) -> list[str]:
    import pyarrow.parquet as pq

    captions: list[str] = pq.read_table(path, columns=["caption"])["caption"].to_pylist()
    return captions[:count]


def _compare(options: argparse.Namespace, checkpoint: Path) -> None:
    import numpy as np
    import open_clip
    import torch

    from nsfwcaps.models.create import load

    captions = _captions(options.captions_file, options.captions)
    model = open_clip.create_model(options.model, pretrained=str(checkpoint)).eval()
    tokenizer = open_clip.get_tokenizer(options.model)
    encoder = load(f"open_clip:{options.model}/{checkpoint}")

    def theirs() -> Any:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(captions), 64):
                tokens = tokenizer(captions[start : start + 64])
                parts.append(model.encode_text(tokens, normalize=True).numpy())
        return np.concatenate(parts)

    def ours() -> Any:
        return encoder.encode_text(captions, lambda count: None).rows

    seconds: dict[str, list[float]] = {"open_clip encode_text": [], "nsfwcaps": []}
    rows: dict[str, Any] = {}
    for _ in range(options.rounds):
        for name, run in (("open_clip encode_text", theirs), ("nsfwcaps", ours)):
            started = time.perf_counter()
            rows[name] = run()
            seconds[name].append(time.perf_counter() - started)
    gap = np.abs(rows["nsfwcaps"] - rows["open_clip encode_text"]).max()
    print(f"\n{options.model}, {len(captions):,} captions of {options.captions_file.name}")
    print("| | captions/s (median) | ratio | largest difference |\n|---|---|---|---|")
    base = seconds["open_clip encode_text"]
    for name, times in seconds.items():
        ratio = statistics.median(b / t for b, t in zip(base, times, strict=True))
        rate = len(captions) / statistics.median(times)
        print(f"| {name} | {rate:,.0f} | {ratio:.2f} | {gap if name == 'nsfwcaps' else 0:.1e} |")


def _stage(options: argparse.Namespace, model: str, workdir: Path) -> None:
    """Time a whole embed stage, and the model's share of it."""
    import torch

    from nsfwcaps import pipeline
    from nsfwcaps.models import create
    from nsfwcaps.progress import Silent
    from nsfwcaps.stages.embed import run as embed
    from nsfwcaps.stages.embed.settings import EmbedSettings
    from nsfwcaps.stages.ingest.settings import IngestSettings

    pool = workdir.with_suffix(".txt")
    pool.write_text("\n".join(_captions(options.captions_file, options.stage_captions)))
    ingest = IngestSettings(safe=(str(pool),))
    pipeline.run_stage(STAGE["ingest"], ingest, workdir, Silent())
    spent = {"model": 0.0, "load": 0.0}

    def timed_load(settings: EmbedSettings) -> Any:
        started = time.perf_counter()
        encoder = create.load(str(settings.model), EncoderOptions.of(settings))
        spent["load"] = time.perf_counter() - started
        _time_calls(encoder, spent)
        return encoder

    embed._encoder = timed_load
    with torch.inference_mode():
        started = time.perf_counter()
        pipeline.run_stage(STAGE["embed"], EmbedSettings(model=model), workdir, Silent())
        wall = time.perf_counter() - started - spent["load"]
    print(
        f"\nembed stage, {model.split('/')[0]}, {options.stage_captions:,} captions: "
        f"{wall:.2f} s after loading, "
        f"{1 - spent['model'] / wall:.1%} of it outside the model"
    )


def _time_calls(encoder: Any, spent: dict[str, float]) -> None:
    """Add the time of every forward pass to `spent`."""
    owner, name = (
        (encoder, "_encode") if hasattr(encoder, "_encode") else (encoder._tower, "encode")
    )
    forward = getattr(owner, name)

    def timed(*arguments: Any) -> Any:
        started = time.perf_counter()
        result = forward(*arguments)
        spent["model"] += time.perf_counter() - started
        return result

    object.__setattr__(owner, name, timed)


if __name__ == "__main__":
    main()
