"""A whole run in a second: mild pools, and vectors chosen by the test instead of a model's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps import pipeline, recipes
from nsfwcaps.artifacts import StageRecord
from nsfwcaps.progress import Silent

Vector = npt.NDArray[np.float32]

WIDTH = 24


@dataclass(frozen=True)
class Item:
    """One caption of a pool, and what the test wants to find again in the data set."""

    caption: str
    vector: Vector
    source: str
    category: str | None = None
    partner: str | None = None
    image_path: str | None = None
    image: bytes | None = None
    image_vector: Vector | None = None
    photograph: str | None = None


@dataclass(frozen=True)
class World:
    """Both pools of a run."""

    unsafe: Sequence[Item]
    safe: Sequence[Item]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def item(self, caption: str) -> Item:
        return next(item for item in (*self.unsafe, *self.safe) if item.caption == caption)


def crowded_world() -> World:
    """60 unsafe and 140 safe captions around 25 subjects, many of them nearly the same."""
    random = np.random.default_rng(5)
    subjects = random.normal(size=(25, WIDTH))
    categories = ["weapons", "fire", None]

    def near(number: int) -> Vector:
        row = subjects[number % len(subjects)] + random.normal(scale=0.25, size=WIDTH)
        return np.asarray(row, dtype=np.float32)

    unsafe = [
        Item(
            caption=f"a handgun on table number {number}",
            vector=near(number),
            source=f"unsafe-{number % 2}.jsonl",
            category=categories[number % 3],
        )
        for number in range(60)
    ]
    safe = [
        Item(
            caption=f"a vase on table number {number}",
            vector=near(number),
            source=f"safe-{number % 3}.jsonl",
        )
        for number in range(140)
    ]
    return World(unsafe=unsafe, safe=safe)


def tiny_world(unsafe: int = 4, safe: int = 6) -> World:
    """A few captions of different vectors."""
    random = np.random.default_rng(3)
    rows = random.normal(size=(unsafe + safe, WIDTH)).astype(np.float32)
    return World(
        unsafe=[
            Item(f"a handgun in drawer {n}", rows[n], "unsafe.jsonl", "weapons")
            for n in range(unsafe)
        ],
        safe=[Item(f"a spoon in drawer {n}", rows[unsafe + n], "safe.jsonl") for n in range(safe)],
    )


def prepare(world: World, folder: Path) -> dict[str, dict[str, Any]]:
    """Write pools, pictures and vectors; return the recipe that reads them."""
    pools: dict[str, dict[str, list[dict[str, Any]]]] = {"unsafe": {}, "safe": {}}
    for label, items in (("unsafe", world.unsafe), ("safe", world.safe)):
        for item in items:
            row = {"caption": item.caption}
            if item.category is not None:
                row["category"] = item.category
            if item.partner is not None:
                row["partner_id"] = item.partner
            if item.photograph is not None:
                row["photograph"] = item.photograph
            if item.image is not None and item.image_path is not None:
                row["image_path"] = item.image_path
                picture = folder / "pools" / item.image_path
                picture.parent.mkdir(parents=True, exist_ok=True)
                picture.write_bytes(item.image)
            pools[label].setdefault(item.source, []).append(row)
    (folder / "pools").mkdir(parents=True, exist_ok=True)
    for files in pools.values():
        for name, rows in files.items():
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / "pools" / name).write_text(text)
    _write_vectors(world, folder / "vectors")
    return {
        "ingest": {
            label: sorted(str(folder / "pools" / name) for name in files)
            for label, files in pools.items()
        },
        "embed": {"source": str(folder / "vectors")},
        "mine": {},
        "grade": {},
        "publish": {},
    }


def _write_vectors(world: World, folder: Path) -> None:
    import hashlib

    items = [*world.unsafe, *world.safe]
    for name in ("text_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    np.save(folder / "text_emb" / "text_emb_0000.npy", np.stack([item.vector for item in items]))
    if any(item.image_vector is not None for item in items):
        (folder / "img_emb").mkdir()
        none = np.ones(WIDTH, dtype=np.float32)
        rows = [none if item.image_vector is None else item.image_vector for item in items]
        np.save(folder / "img_emb" / "img_emb_0000.npy", np.stack(rows))
    hashes = [None if i.image is None else hashlib.sha256(i.image).hexdigest() for i in items]
    pq.write_table(
        pa.table(
            {"caption": [item.caption for item in items], "sha256": pa.array(hashes, pa.string())}
        ),
        folder / "metadata" / "metadata_0000.parquet",
    )


def build(
    recipe: Mapping[str, Mapping[str, Any]], workdir: Path, **changes: Mapping[str, Any]
) -> dict[str, StageRecord]:
    """Run every stage, with changed settings by stage; return the records by stage."""
    values = {name: {**section, **changes.get(name, {})} for name, section in recipe.items()}
    records = pipeline.run(recipes.parse(values, where="test"), workdir, Silent())
    return {record.stage: record for record in records}


def release(world: World, folder: Path, **changes: Mapping[str, Any]) -> Path:
    """Prepare and build in one folder; return that of the data set."""
    build(prepare(world, folder), folder / "work", **changes)
    return folder / "work" / "dataset"


def rows_of(dataset: Path) -> list[dict[str, Any]]:
    """Every published row, by pair id."""
    tables = [pq.read_table(path) for path in sorted((dataset / "data").glob("*.parquet"))]
    rows: list[dict[str, Any]] = pa.concat_tables(tables).to_pylist()
    return sorted(rows, key=lambda row: str(row["pair_id"]))


def bytes_of(dataset: Path) -> dict[str, bytes]:
    """Content of every file below a folder, by relative path."""
    return {
        path.relative_to(dataset).as_posix(): path.read_bytes()
        for path in sorted(dataset.rglob("*"))
        if path.is_file()
    }
