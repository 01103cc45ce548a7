"""A small run, done as far as a test wants, that several processes go on with."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps import pipeline, recipes
from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.executors.executor import Executor
from nsfwcaps.progress import Silent
from nsfwcaps.stage import Recipe

WIDTH = 16
SHARD_ROWS = 32
OBJECTS = ("vase", "lamp", "chair", "bicycle", "bench", "kettle", "clock", "book", "ladder", "cup")
HAZARDS = ("handgun", "cigarette", "broken window", "knife")


@dataclass(frozen=True, kw_only=True)
class SharedPools:
    """Pools and their vectors, to be imported: no model is loaded."""

    folder: Path

    def recipe(self, **stages: Mapping[str, Any]) -> Recipe:
        """Return a recipe up to the pairs, with settings of some stages."""
        values: dict[str, dict[str, Any]] = {
            "ingest": {
                "safe": [str(self.folder / "safe.parquet")],
                "unsafe": [str(self.folder / "unsafe.parquet")],
                "shard_rows": SHARD_ROWS,
                "screen": "off",
            },
            "embed": {"source": str(self.folder / "vectors")},
            "mine": {"device": "cpu", "block": 16},
        }
        for name, own in stages.items():
            values[name] |= own
        return recipes.parse(values, where="test")


def made_pools(folder: Path, *, unsafe: int = 120, safe: int = 150, seed: int = 0) -> SharedPools:
    """Write pools of distinct captions with random unit vectors."""
    rng = np.random.default_rng(seed)
    captions = {
        "safe": [f"A {OBJECTS[n % 10]} on shelf {n}." for n in range(safe)],
        "unsafe": [f"A {HAZARDS[n % 4]} on shelf {n}." for n in range(unsafe)],
    }
    for kind in ("text_emb", "metadata"):
        (folder / "vectors" / kind).mkdir(parents=True)
    for number, (label, texts) in enumerate(captions.items()):
        pq.write_table(pa.table({"caption": texts}), folder / f"{label}.parquet")
        rows = rng.normal(size=(len(texts), WIDTH)).astype(np.float32)
        np.save(folder / "vectors" / "text_emb" / f"text_emb_{number}.npy", rows)
        path = folder / "vectors" / "metadata" / f"metadata_{number}.parquet"
        pq.write_table(pa.table({"caption": texts}), path)
    return SharedPools(folder=folder)


def run(recipe: Recipe, out: Path, executor: Executor | None = None) -> list[StageRecord]:
    """Run all stages of a recipe."""
    return pipeline.run(recipe, out, Silent(), executor=executor)


def copied(whole: Path, out: Path, *stages: str) -> Path:
    """Copy some stages of a run."""
    for name in stages:
        shutil.copytree(whole / name, out / name)
    return out


def outputs(run: Path) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Return the digest and the files of every stage, with the names of what lies beside them."""
    found = {}
    for folder in sorted(path for path in run.iterdir() if (path / "stage.json").is_file()):
        record = StageFolder(folder).record()
        assert record is not None
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
        files = [(file.path, file.sha256) for file in record.files]
        assert there - {path for path, _ in files} == {"stage.json", "shards.jsonl"}
        found[folder.name] = record.output_digest, files
    return found
