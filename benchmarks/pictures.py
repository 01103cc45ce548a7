"""Picture throughput: ours against a DataLoader with as many worker processes.

    python benchmarks/pictures.py PICTURES.parquet [--model ViT-B-32] [--pictures 512]

Both use the same randomly initialised model, and JPEGs of 640 x 480 pixels made from the files in
a column of bytes. The peer is torch's DataLoader with the model's own preprocessing: its processes
keep running, and one round before the measurement starts them. They take turns, and ratios are
taken within a round: to unit vectors, and to prepared batches only. Then: prepared pictures/s by
number of threads, and what half precision and torch's resizing each do to the unit vectors.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision

SIZE = (640, 480)
PEER_BATCH = 256
_QUALITY = 90


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Pictures/s of one way in every round."""

    name: str
    vectors: list[float]
    prepared: list[float]


def main() -> None:
    """Compare, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("pictures_file", type=Path)
    parser.add_argument("--column", default="jpeg")
    parser.add_argument("--model", default="ViT-B-32", help="of open_clip, or mini")
    parser.add_argument("--device", type=Device, default=Device.AUTO)
    parser.add_argument("--precision", type=Precision, default=Precision.AUTO)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--apart", type=int, default=256, help="pictures for the last table")
    given = parser.parse_args()
    files = jpegs(given.pictures_file, given.pictures, given.column)
    options = EncoderOptions(device=given.device, precision=given.precision, workers=given.workers)
    encoder = loaded(given.model, options)
    print(
        f"{given.model}, {encoder.identity.precision} on {encoder.device}, resized by "
        f"{encoder.identity.resize}, {len(files):,} pictures of "
        f"{sum(map(len, files)) / len(files) / 1e3:.0f} KB, {given.workers} workers\n"
    )
    show(compare(encoder, files, given.workers, given.rounds))
    print("\n| threads | prepared pictures/s |\n|---|---|")
    for threads in given.threads:
        print(f"| {threads} | {prepared_rate(encoder, files, threads):,.0f} |")
    show_apart(given.model, files[: given.apart], given.device)


def jpegs(path: Path, count: int, column: str = "jpeg") -> list[bytes]:
    """JPEG files of 640 x 480 pixels, from the first pictures of a Parquet file's column."""
    import pyarrow.parquet as pq
    from PIL import Image

    batches = pq.ParquetFile(path).iter_batches(batch_size=256, columns=[column])
    files: list[bytes] = []
    while len(files) < count:
        for value in next(batches)[column].to_pylist():
            data = value["bytes"] if isinstance(value, dict) else value
            with Image.open(io.BytesIO(data)) as picture:
                large = picture.convert("RGB").resize(SIZE, Image.Resampling.BICUBIC)
            file = io.BytesIO()
            large.save(file, "JPEG", quality=_QUALITY)
            files.append(file.getvalue())
    return files[:count]


def loaded(model: str, options: EncoderOptions) -> Any:
    """Load `mini`, or a model of open_clip with random weights."""
    import open_clip
    import torch

    from nsfwcaps.encoders.clip import ClipEncoder
    from nsfwcaps.models.create import load
    from nsfwcaps.runtime.device import resolve_precision, torch_device

    if model == "mini":
        return load(model, options)
    torch.manual_seed(0)
    made, _, preprocess = open_clip.create_model_and_transforms(model)
    device = torch_device(options.device)
    return ClipEncoder(
        made,
        preprocess,
        open_clip.get_tokenizer(model),
        label=model,
        device=device,
        precision=resolve_precision(options.precision, device),
        options=options,
    )


def compare(encoder: Any, files: Sequence[bytes], workers: int, rounds: int) -> tuple[Rates, Rates]:
    """Rates of the peer and of ours, which take turns."""
    batches = _peer_loader(encoder, files, workers)
    ways: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "DataLoader": (
            lambda: _peer_vectors(encoder, batches),
            lambda: [len(batch) for batch in batches],
        ),
        "nsfwcaps": (
            lambda: encoder.encode_images(_named(files), lambda done: None).rows,
            lambda: _prepare(encoder, files, workers),
        ),
    }
    found = {name: Rates(name=name, vectors=[], prepared=[]) for name in ways}
    for number in range(rounds + 1):  # one round more: processes start, memory is allocated
        for name, (vectors, prepared) in ways.items():
            rates = _rate(vectors, len(files)), _rate(prepared, len(files))
            if number:
                found[name].vectors.append(rates[0])
                found[name].prepared.append(rates[1])
    return found["DataLoader"], found["nsfwcaps"]


def prepared_rate(encoder: Any, files: Sequence[bytes], threads: int) -> float:
    """Pictures/s from files to batches in memory, on this many threads: the best of three."""
    return max(_rate(lambda: _prepare(encoder, files, threads), len(files)) for _ in range(3))


def apart(model: str, files: Sequence[bytes], device: Device) -> dict[str, list[float]]:
    """1 - cosine of unit vectors in two precisions, and with two ways of resizing in one."""
    import numpy as np

    from nsfwcaps.encoders.picture_batches import PictureReader
    from nsfwcaps.encoders.picture_input import PictureInput

    def rows(precision: Precision, *, exact: bool) -> Any:
        encoder = loaded(model, EncoderOptions(device=device, precision=precision, workers=2))
        inputs = PictureInput(encoder.preprocess, exact=exact)
        encoder.picture_input = inputs
        encoder._reader = PictureReader(inputs, workers=2, pinned=False)
        found = encoder.encode_images(_named(files), lambda done: None).rows
        return found.astype(np.float64)

    def gap(one: Any, other: Any) -> list[float]:
        # From the difference: 1 - cosine of nearly equal rows would round to nothing.
        lengths = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
        halves = one / lengths[0][:, None] - other / lengths[1][:, None]
        gaps: list[float] = ((halves**2).sum(axis=1) / 2).tolist()
        return gaps

    half, single = rows(Precision.BF16, exact=True), rows(Precision.FP32, exact=True)
    return {
        "bf16 against fp32, both resized by Pillow": gap(half, single),
        "resized by torch against Pillow, both bf16": gap(rows(Precision.BF16, exact=False), half),
        "resized by torch against Pillow, both fp32": gap(
            rows(Precision.FP32, exact=False), single
        ),
    }


def show(rates: tuple[Rates, Rates]) -> None:
    """Print a table of medians and ratios within rounds."""
    base = rates[0]
    print(
        "| | pictures/s to vectors | ratio | prepared pictures/s | ratio |\n|---|---|---|---|---|"
    )
    for one in rates:
        cells = []
        for mine, theirs in ((one.vectors, base.vectors), (one.prepared, base.prepared)):
            ratio = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
            cells.append(f"{statistics.median(mine):,.0f} | {ratio:.2f}")
        print(f"| {one.name} | {' | '.join(cells)} |")


def show_apart(model: str, files: Sequence[bytes], device: Device) -> None:
    """Print how far the unit vectors of one model are apart."""
    print(f"\n| {model}, {len(files)} pictures: 1 - cosine | mean | largest |\n|---|---|---|")
    for name, gaps in apart(model, files, device).items():
        print(f"| {name} | {statistics.mean(gaps):.1e} | {max(gaps):.1e} |")


def _named(files: Sequence[bytes]) -> list[tuple[str, Callable[[], bytes]]]:
    return [("", lambda data=data: data) for data in files]  # type: ignore[misc]


def _prepare(encoder: Any, files: Sequence[bytes], workers: int) -> None:
    from nsfwcaps.encoders.picture_batches import PictureReader
    from nsfwcaps.work import WorkSplit

    pinned = encoder.device.startswith("cuda")
    reader = PictureReader(encoder.picture_input, workers=workers, pinned=pinned)
    batches = reader.batches(_named(files), lambda: PEER_BATCH, WorkSplit())
    count = sum(batch.count for batch in batches)
    assert count == len(files), "every picture is prepared"


class _Pictures:
    """The peer's data set: the files, preprocessed by the model's own transform."""

    def __init__(self, files: Sequence[bytes], preprocess: Callable[[Any], Any]) -> None:
        self._files, self._preprocess = files, preprocess

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, row: int) -> Any:
        from PIL import Image

        with Image.open(io.BytesIO(self._files[row])) as picture:
            return self._preprocess(picture.convert("RGB"))


def _peer_loader(encoder: Any, files: Sequence[bytes], workers: int) -> Any:
    from torch.utils.data import DataLoader

    return DataLoader(
        _Pictures(files, encoder.preprocess),  # type: ignore[arg-type]
        batch_size=max(16, min(PEER_BATCH, len(files) // (4 * workers))),  # all processes work
        num_workers=workers,
        pin_memory=encoder.device.startswith("cuda"),
        persistent_workers=True,
    )


def _peer_vectors(encoder: Any, batches: Any) -> Any:
    import torch
    from torch.nn.functional import normalize

    dtype, rows = encoder._dtype, []
    autocast = torch.autocast(encoder.device, dtype=dtype, enabled=dtype != torch.float32)
    with torch.inference_mode(), autocast:
        for batch in batches:
            pixels = batch.to(encoder.device, non_blocking=True)
            rows.append(normalize(encoder.model.encode_image(pixels).float(), dim=-1))
        return torch.cat(rows).cpu().numpy()


def _rate(work: Callable[[], Any], count: int) -> float:
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
