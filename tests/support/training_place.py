"""A tiny open_clip model, and data sets of icon scenes that were mined with it, to train on."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from support.shell import Said, call

from nsfwcaps import config
from nsfwcaps.artifacts import StageRecord
from nsfwcaps.pipeline import run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.train.settings import TrainSettings

ARCHITECTURE = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
PREPROCESSING = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}

TINY = {"batch_size": 8, "rank": 4, "device": "cpu", "precision": "fp32", "workers": 1}


def write_model(folder: Path, seed: int = 0) -> str:
    """Write a model with random weights where open_clip finds it; give its name."""
    import torch
    from open_clip.model import CLIP
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    model = CLIP(**ARCHITECTURE)
    # Larger than open_clip starts with, so that what a token sees shows in the output.
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    folder.mkdir(parents=True)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    settings = {"model_cfg": ARCHITECTURE, "preprocess_cfg": PREPROCESSING}
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    return f"local-dir:{folder}"


def stage(name: str, workdir: Path, **settings: Any) -> StageRecord:
    """Run one stage with plain settings."""
    parsed = config.parse(STAGE[name].settings, settings, where=name)
    return run_stage(STAGE[name], parsed, workdir, Silent()).record


def publish(model: str, workdir: Path, *, scenes: int = 48, **settings: Any) -> Path:
    """Draw a world, mine it with a model, and publish it; give the data set's folder."""
    stage("world", workdir, scenes=scenes)
    pools = {label: [str(workdir / "pools" / label)] for label in ("safe", "unsafe")}
    stage("ingest", workdir, **pools)
    stage("embed", workdir, model=model, device="cpu", precision="fp32", workers=1)
    stage("mine", workdir)
    stage("grade", workdir)
    # The seed splits the 24 pairs of the default into 15, 8 and 1.
    shares = {"validation_share": 0.3, "test_share": 0.1, "seed": 21}
    stage("publish", workdir, near_duplicate=1.0, **(shares | settings))
    return workdir / "dataset"


@dataclass(frozen=True)
class Place:
    """A model, a data set that was mined with it, and the folder of that run."""

    model: str
    work: Path

    @property
    def data(self) -> Path:
        return self.work / "dataset"

    def settings(self, **changes: Any) -> TrainSettings:
        """Settings of a small run."""
        values = {**TINY, "data": str(self.data), "model": self.model, **changes}
        return config.parse(TrainSettings, values, where="train")

    def train(self, out: Path, **changes: Any) -> StageRecord:
        """Train in a folder of its own."""
        return run_stage(STAGE["train"], self.settings(**changes), out, Silent()).record

    def copy(self, folder: Path) -> Place:
        """The same with a data set that a test may damage."""
        shutil.copytree(self.data, folder / "dataset")
        return Place(self.model, folder)


@contextmanager
def quickly() -> Iterator[None]:
    """Compute on one thread, and read open_clip's vocabulary once."""
    import open_clip
    import torch

    threads, get = torch.get_num_threads(), open_clip.get_tokenizer
    torch.set_num_threads(1)
    open_clip.get_tokenizer = functools.cache(get)
    yield
    open_clip.get_tokenizer = get
    torch.set_num_threads(threads)


_SHARED: list[Place] = []


def shared(factory: Any) -> Place:
    """One place for all tests that do not change it."""
    if not _SHARED:
        folder = factory.mktemp("training")
        model = write_model(folder / "tiny")
        publish(model, folder / "work", shard_rows=9, safe_items=0)
        _SHARED.append(Place(model, folder / "work"))
    return _SHARED[0]


def train_rows(place: Place) -> list[dict[str, Any]]:
    """Published pairs of the train split."""
    files = sorted((place.data / "data").glob("train-*.parquet"))
    rows: list[dict[str, Any]] = pa.concat_tables(map(pq.read_table, files)).to_pylist()
    return rows


def rewrite(place: Place, change: Any) -> None:
    """Put every row of a data set through a function."""
    for path in (place.data / "data").glob("*.parquet"):
        table = pq.read_table(path)
        rows = [change(row) for row in table.to_pylist()]
        path.unlink()  # a copy may be a link
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def validate_on_train(place: Place) -> None:
    """Make the pairs that are trained on those that are validated on."""
    data = place.data / "data"
    for path in data.glob("validation-*.parquet"):
        path.unlink()
    for path in data.glob("train-*.parquet"):
        table = pq.read_table(path)
        spot = table.column_names.index("split")
        same = table.set_column(spot, "split", pa.array(["validation"] * table.num_rows))
        pq.write_table(same, path.with_name(path.name.replace("train", "validation")))


class Killed(BaseException):
    """Ends a run as a signal would: nothing catches it."""


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether tensors are equal to the bit."""
    import torch

    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def tensors(out: Path) -> dict[str, Any]:
    """The adapter that was delivered."""
    from safetensors.torch import load_file

    loaded: dict[str, Any] = load_file(out / "model" / "adapter.safetensors")
    return loaded


def metrics(out: Path) -> list[dict[str, Any]]:
    """Steps of the metrics file that was delivered."""
    lines = (out / "model" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[1:]]


def train(place: Place, out: Path, *options: object, **changes: Any) -> Said:
    """Train on the command line, which must not quote a caption."""
    values = {**TINY, "data": place.data, "model": place.model, "epochs": 1, **changes}
    given = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    said = call("train", "--out", out, *given, *options)
    assert "Traceback" not in said.err
    files = sorted((place.data / "data").glob("train-*.parquet"))
    if files and not said.err.count("damaged"):
        captions = [row["unsafe_caption"] for row in train_rows(place)]
        assert not any(caption in said.out + said.err for caption in captions)
    return said


def refused(said: Said, code: int, *told: str) -> None:
    assert said.code == code
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1, "more than one line"
    for part in told:
        assert part in said.err
    assert said.out == ""
