"""Icon worlds and photographs as cached features, and the targets that the pipeline mines."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from stages import run_stage

from nsfwcaps.enums import Split
from nsfwcaps.progress import Progress
from nsfwcaps.tables import read_tables
from nsfwcaps.world.distance import distance_blocks
from nsfwcaps.world.scene import Scene
from tools.mini.features import Towers

Tensor = torch.Tensor
Rows = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]

_EQUAL = 1e-4  # tolerance of graph distances
_PROMPT = "a photo of a {}."


@dataclass(frozen=True, kw_only=True)
class Features:
    """Captions with one image each, as features of the towers."""

    ids: list[str]
    text: Tensor  # [n, 384]
    image: Tensor  # [n, 1280]
    scenes: list[Scene] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class PairWorld:
    """Safe and unsafe scenes of a world, with the fixed partner of each unsafe one."""

    safe: Features
    unsafe: Features
    partner: Rows  # [u], rows of the safe items
    edits: npt.NDArray[np.str_]  # [u]: added or replaced
    closest: npt.NDArray[np.bool_] | None = None  # [u, s], by graph distance


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Safe targets of unsafe items `[u]`, best first, with their weights."""

    rows: Rows  # [u, k]
    weights: Vectors  # [u, k]


@dataclass(frozen=True, kw_only=True)
class Photographs:
    """Photographs with captions or class prompts."""

    image: Tensor  # [n, 1280]
    text: Tensor  # [c, 384]
    own: Rows  # [c], image of each caption; or [n], class of each image


def draw_world(
    towers: Towers,
    workdir: Path,
    progress: Progress,
    split: Split,
    pairs: int,
    *,
    looseness: float,
    seed: int,
) -> PairWorld:
    """Draw a world of `pairs` safe and as many unsafe scenes."""
    drawn = {"scenes": 2 * pairs, "looseness": looseness, "split": split.value}
    run_stage("world", {**drawn, "seed": seed}, workdir)
    sides, partners, edits = {}, [], []
    for label in ("safe", "unsafe"):
        table = pq.read_table(workdir / "pools" / label)
        captions, images = table["caption"].to_pylist(), table["image"].to_pylist()
        what = f"{workdir.name}, {label}"
        sides[label] = Features(
            ids=table["id"].to_pylist(),
            text=torch.from_numpy(towers.captions(what, captions, progress)),
            image=torch.from_numpy(towers.images(what, images, progress)),
            scenes=[Scene.from_json(text) for text in table["scene"].to_pylist()],
        )
        if label == "unsafe":
            partners, edits = (table[name].to_pylist() for name in ("partner_id", "edit"))
    place = {item: row for row, item in enumerate(sides["safe"].ids)}
    closest = None
    if split is not Split.TRAIN:
        blocks = distance_blocks(sides["unsafe"].scenes, sides["safe"].scenes)
        closest = np.concatenate(
            [apart <= apart.min(axis=1, keepdims=True) + _EQUAL for _, apart in blocks]
        )
    partner = np.array([place[item] for item in partners])
    return PairWorld(**sides, partner=partner, edits=np.array(edits), closest=closest)


def mine(world: PairWorld, workdir: Path, k: int = 4) -> tuple[dict[str, Targets], list[str]]:
    """Mine with the paper's ranking and grading; also return the levels of unsafe items.

    Results are cached in a file, as several processes must not share a folder of stages.
    """
    kept = workdir / "targets.pickle"
    if kept.exists():
        mined: tuple[dict[str, Targets], list[str]] = pickle.loads(kept.read_bytes())
        return mined
    pools = {label: [str(workdir / "pools" / label)] for label in ("safe", "unsafe")}
    run_stage("ingest", pools, workdir)
    run_stage("embed", {"model": "mini"}, workdir)
    nearest, levels = _mined(world, workdir, k=1)
    capped, _ = _mined(world, workdir, k=1, hub_cap=1)
    # If all candidates were taken, fall back to the nearest: all methods get the same pairs.
    capped_rows = np.where(capped.rows < 0, nearest.rows, capped.rows)
    several, _ = _mined(world, workdir, k=k)
    fixed = world.partner[:, None]
    ones = np.ones(fixed.shape, dtype=np.float32)
    found = {
        "nearest": Targets(rows=nearest.rows, weights=ones),
        "fixed": Targets(rows=fixed, weights=ones),
        "capped": Targets(rows=capped_rows, weights=ones),
        "several": several,
    }
    kept.write_bytes(pickle.dumps((found, levels)))
    return found, levels


def _mined(
    world: PairWorld, workdir: Path, *, k: int, hub_cap: int | None = None
) -> tuple[Targets, list[str]]:
    """Return targets (-1: none), weighted by their cosines (temperature 0.05), and levels."""
    values: dict[str, Any] = {"k": k, "rank": "cosine"}
    run_stage("mine", values | ({"hub_cap": hub_cap} if hub_cap else {}), workdir)
    graded = run_stage("grade", {"margin_weight": 0.0}, workdir)  # the paper's
    safe = {item: row for row, item in enumerate(world.safe.ids)}
    unsafe = {item: row for row, item in enumerate(world.unsafe.ids)}
    rows = np.full((len(unsafe), k), -1, dtype=np.int64)
    sims = np.zeros((len(unsafe), k), dtype=np.float32)
    levels = [""] * len(unsafe)
    for table in read_tables(graded.paths("pairs")):
        for pair in table.to_pylist():
            at = unsafe[pair["unsafe_id"]], pair["rank"] - 1
            rows[at], sims[at] = safe[pair["safe_id"]], pair["sim_text"]
            if pair["rank"] == 1:
                levels[at[0]] = pair["stage"]
    weights = np.exp((sims - sims[:, :1]) / 0.05)
    return Targets(rows=rows, weights=weights / weights.sum(axis=1, keepdims=True)), levels


def flickr8k(towers: Towers, path: Path, split: str, progress: Progress) -> Photographs:
    """Photographs of a split with all their captions."""
    table = pq.read_table(path, columns=["captions", "jpeg"], filters=[("split", "==", split)])
    captions, name = table["captions"].to_pylist(), f"Flickr8k {split}"
    texts = [text for item in captions for text in item]
    images = towers.images(name, table["jpeg"].to_pylist(), progress)
    return Photographs(
        image=torch.from_numpy(images),
        text=torch.from_numpy(towers.captions(name, texts, progress)),
        own=np.repeat(np.arange(len(captions)), [len(item) for item in captions]),
    )


def caltech101(towers: Towers, path: Path, progress: Progress) -> Photographs:
    """Photographs with a prompt for each class."""
    table = pq.read_table(path)
    labels = table["label"].to_pylist()
    names = sorted(set(labels))
    words = [name.replace("_", " ").replace("-", " ").lower() for name in names]
    prompts = [_PROMPT.format(word) for word in words]
    images = towers.images("Caltech-101", table["jpeg"].to_pylist(), progress)
    return Photographs(
        image=torch.from_numpy(images),
        text=torch.from_numpy(towers.captions("classes", prompts, progress)),
        own=np.array([names.index(label) for label in labels]),
    )
