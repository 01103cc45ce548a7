"""Comparison of fine-tuning methods on cached features, with heads that train in seconds.

`mini` is two frozen towers below two heads. The towers' features of all images and captions are
computed once and cached. A run then adapts the heads alone, with the trainer, sampler, losses and
adapters of `nsfwcaps train`. It takes seconds where the whole model takes an hour.
"""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from method_rows import Choice
from stages import run_stage
from torch import nn
from torch.nn import functional

from nsfwcaps import progress as progress_lines
from nsfwcaps.encoders.mini.model import create
from nsfwcaps.enums import AdapterInputs, Split
from nsfwcaps.metrics.retrieval import ranks, recall, unsafe_first
from nsfwcaps.metrics.structure import neighbourhood_overlaps, spread_ratio, weight_deviation
from nsfwcaps.tables import read_tables
from nsfwcaps.training.adapters import Adaptation, LayerKind, adapt, merged_state_dict
from nsfwcaps.training.contrast import fix_directions
from nsfwcaps.training.curriculum import SCHEDULES, Sampler
from nsfwcaps.training.inputs import Encoders, Inputs, Items
from nsfwcaps.training.interpolation import interpolate
from nsfwcaps.training.loop import Optimisation, Trainer
from nsfwcaps.training.pairs import TrainingPairs
from nsfwcaps.training.validation import validate
from nsfwcaps.world.distance import distance_blocks
from nsfwcaps.world.edits import Edit
from nsfwcaps.world.scene import Scene
from tools.mini.features import Towers

Tensor = torch.Tensor
Rows = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
Scores = dict[str, float]

_EQUAL = 1e-4  # tolerance of graph distances
_PROMPT = "a photo of a {}."
_NEIGHBOURS = 1000  # number of photographs and captions with compared neighbourhoods
_RIDGE = 0.3  # default of `nsfwcaps train`


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


class Heads(nn.Module):
    """The trained part of `mini`, under the same names."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.visual, self.text = nn.Module(), nn.Module()
        self.visual.head = copy.deepcopy(model.visual.head)
        self.text.proj = copy.deepcopy(model.text.proj)
        self.logit_scale = nn.Parameter(model.logit_scale.detach().clone())

    def encode_image(self, features: Tensor) -> Tensor:
        """Map image features `[b, 1280]` to rows `[b, d]`."""
        rows: Tensor = self.visual.head(features)
        return rows

    def encode_text(self, features: Tensor) -> Tensor:
        """Map caption features `[b, 384]` to rows `[b, d]`."""
        rows: Tensor = self.text.proj(features)
        return rows

    @torch.no_grad()
    def unit(self, items: Features | Photographs) -> tuple[Vectors, Vectors]:
        """Return the unit rows of texts and images."""
        text = functional.normalize(self.encode_text(items.text), dim=-1)
        image = functional.normalize(self.encode_image(items.image), dim=-1)
        return text.numpy(), image.numpy()


class Lab:
    """Everything that a run needs, cached in a folder."""

    def __init__(
        self, folder: Path, *, flickr8k: Path, caltech101: Path, pairs: int, held: int, seed: int
    ) -> None:
        model, preprocess, tokenizer = create()
        self.heads = Heads(model)
        self._towers = Towers(model, preprocess, tokenizer, folder / "features")
        self._folder, self._seed = folder, seed
        self._progress = progress_lines.for_terminal(quiet=False)
        self.train = self._world("train", Split.TRAIN, pairs, looseness=2.0)
        self.targets, self.levels = self._mine(folder / "train")
        self.validation = self._world("validation", Split.VALIDATION, held, looseness=0.0)
        self.tests = {
            "tight": self._world("tight", Split.TEST, held, looseness=0.0),
            "loose": self._world("loose", Split.TEST, held, looseness=2.0),
        }
        self._flickr = {split: self._flickr8k(flickr8k, split) for split in ("dev", "test")}
        self._caltech = self._caltech101(caltech101)

    def fit(
        self,
        choice: Choice,
        *,
        learning_rate: float,
        seed: int,
        epochs: int = 9,
        batch_size: int = 48,
        rank: int = 16,
    ) -> Heads:
        """Train the heads and return them merged, as plain heads."""
        method = choice.method
        heads = copy.deepcopy(self.heads)
        torch.manual_seed(seed)
        kinds = (LayerKind.PROJECTION,)
        adapt(heads, Adaptation(rank=rank, alpha=rank, image_targets=kinds, text_targets=kinds))
        aims = self.targets[choice.targets]
        encoders = Encoders(
            model=heads,
            encode_text=heads.encode_text,
            prepare=lambda rows: self._inputs(rows, self.train.partner[rows]),
            device="cpu",
            dtype=torch.float32,
        )
        if method.adapter_inputs is AdapterInputs.CONTRAST:
            world = self.train
            safe, unsafe = (
                [Items(tokens=side.text, pixels=side.image)] for side in (world.safe, world.unsafe)
            )
            fix_directions(encoders, safe, unsafe, ridge=_RIDGE, kind=choice.directions)
        text, image, pairs = self._reference(aims)
        sampler = Sampler(
            pairs.levels,
            schedule=SCHEDULES[method.curriculum],
            batch_size=batch_size,
            seed=seed,
            avoid_repeats=pairs.target_ids,
        )
        how = Optimisation(
            epochs=epochs,
            learning_rate=learning_rate,
            warmup_share=0.05,
            weight_decay=0.0,
            clip_norm=1.0,
            scale=choice.scale,
            seed=seed,
            workers=1,
        )
        trainer = Trainer(encoders, pairs, (text, image), method, sampler, how)
        for epoch in range(1, epochs + 1):
            for _ in trainer.epoch(epoch, 0):
                pass
        return self._plain(merged_state_dict(heads))

    def between(self, heads: Heads, strength: float) -> Heads:
        """Interpolate weights between the start (0) and the given heads (1)."""
        return self._plain(interpolate(self.heads.state_dict(), heads.state_dict(), strength))

    def score(self, heads: Heads) -> Scores:
        """Score heads; learning rates are chosen by `criterion`."""
        scores: Scores = {}
        for name, world in (("validation", self.validation), *self.tests.items()):
            scores |= {f"{name} {key}": value for key, value in _of_world(heads, world).items()}
        for split, photographs in self._flickr.items():
            found = zip(("T→V", "V→T"), _of_photographs(heads, photographs), strict=True)
            scores |= {f"Flickr8k {split} {key}": value for key, value in found}
        text, image = heads.unit(self._caltech)
        scores["Caltech-101"] = recall(ranks(image, text, self._caltech.own), 1)
        scores |= self._structure(heads)
        scores["criterion"] = sum(
            scores[f"validation {key}"] for key in ("T→V", "V→T", "T*→V", "V*→T")
        ) + sum(scores[f"Flickr8k dev {key}"] for key in ("T→V", "V→T"))
        return scores

    def scored(self, heads: Heads) -> dict[str, Any]:
        """Return the scores of heads, and `hits`: whether each image of Caltech-101 is correct."""
        text, image = heads.unit(self._caltech)
        hits = ranks(image, text, self._caltech.own) == 0
        return {**self.score(heads), "hits": "".join(str(int(hit)) for hit in hits)}

    def _structure(self, heads: Heads) -> Scores:
        scores = {}
        photographs = self._flickr["test"]
        both = zip(heads.unit(photographs), self.heads.unit(photographs), strict=True)
        for side, (after, before) in zip(("text", "image"), both, strict=True):
            scores[f"spread {side}"] = spread_ratio(after, before)
            overlaps = neighbourhood_overlaps(after[:_NEIGHBOURS], before[:_NEIGHBOURS])
            scores[f"overlap {side}"] = float(overlaps.mean())
        for side, prefix in (("text", "text."), ("image", "visual.")):
            one, other = (
                {name: item for name, item in some.state_dict().items() if name.startswith(prefix)}
                for some in (heads, self.heads)
            )
            scores[f"deviation {side}"] = weight_deviation(one, other)
        return scores

    def _plain(self, state: dict[str, Tensor]) -> Heads:
        plain = copy.deepcopy(self.heads)
        plain.load_state_dict(state)
        return plain.eval()

    def _inputs(self, rows: Rows, safe: Rows) -> Inputs:
        """Pair unsafe items with safe ones; features replace tokens and pixels."""
        world = self.train
        return Inputs(
            rows=rows,
            tokens=torch.cat([world.unsafe.text[rows], world.safe.text[safe]]),
            pixels=torch.cat([world.unsafe.image[rows], world.safe.image[safe]]),
        )

    def _reference(self, aims: Targets) -> tuple[Tensor, Tensor, TrainingPairs]:
        """Return frozen rows of unsafe items, safe ones and targets (means of safe ones).

        Also return the pairs. The preserved item of a pair is its partner, whatever its target.
        """
        world, tables = self.train, []
        for unsafe, safe in zip(
            self.heads.unit(world.unsafe), self.heads.unit(world.safe), strict=True
        ):
            mean = torch.from_numpy(np.einsum("uk,ukd->ud", aims.weights, safe[aims.rows]))
            target = functional.normalize(mean, dim=-1)
            tables.append(torch.cat([torch.from_numpy(unsafe), torch.from_numpy(safe), target]))
        unsafe_rows = np.arange(len(world.unsafe.ids))
        safe_rows = len(unsafe_rows) + world.partner
        target_rows = len(unsafe_rows) + len(world.safe.ids) + unsafe_rows
        pairs = TrainingPairs(
            pair_ids=world.unsafe.ids,
            unsafe_captions=world.unsafe.ids,  # placeholders: features are used instead
            safe_captions=[world.safe.ids[row] for row in world.partner],
            target_ids=[world.safe.ids[row] for row in aims.rows[:, 0]],
            levels=self.levels,
            unsafe_text=unsafe_rows,
            safe_text=safe_rows,
            unsafe_image=unsafe_rows,
            safe_image=safe_rows,
            target_text=target_rows,
            target_image=target_rows,
        )
        return tables[0], tables[1], pairs

    def _world(self, name: str, split: Split, pairs: int, *, looseness: float) -> PairWorld:
        workdir = self._folder / name
        drawn = {"scenes": 2 * pairs, "looseness": looseness, "split": split.value}
        run_stage("world", {**drawn, "seed": self._seed}, workdir)
        sides, partners, edits = {}, [], []
        for label in ("safe", "unsafe"):
            table = pq.read_table(workdir / "pools" / label)
            captions, images = table["caption"].to_pylist(), table["image"].to_pylist()
            what = f"{name}, {label}"
            sides[label] = Features(
                ids=table["id"].to_pylist(),
                text=torch.from_numpy(self._towers.captions(what, captions, self._progress)),
                image=torch.from_numpy(self._towers.images(what, images, self._progress)),
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

    def _mine(self, workdir: Path, k: int = 4) -> tuple[dict[str, Targets], list[str]]:
        """Mine as the pipeline does, with the paper's ranking; also return unsafe items' levels.

        Results are cached in a file, as several processes must not share a folder of stages.
        """
        kept = workdir / "targets.pickle"
        if kept.exists():
            mined: tuple[dict[str, Targets], list[str]] = pickle.loads(kept.read_bytes())
            return mined
        pools = {label: [str(workdir / "pools" / label)] for label in ("safe", "unsafe")}
        run_stage("ingest", pools, workdir)
        run_stage("embed", {"model": "mini"}, workdir)
        nearest, levels = self._mined(workdir, k=1)
        capped, _ = self._mined(workdir, k=1, hub_cap=1)
        # If all candidates were taken, fall back to the nearest: all methods get the same pairs.
        capped_rows = np.where(capped.rows < 0, nearest.rows, capped.rows)
        several, _ = self._mined(workdir, k=k)
        fixed = self.train.partner[:, None]
        ones = np.ones(fixed.shape, dtype=np.float32)
        found = {
            "nearest": Targets(rows=nearest.rows, weights=ones),
            "fixed": Targets(rows=fixed, weights=ones),
            "capped": Targets(rows=capped_rows, weights=ones),
            "several": several,
        }
        kept.write_bytes(pickle.dumps((found, levels)))
        return found, levels

    def _mined(self, workdir: Path, *, k: int, hub_cap: int | None = None) -> Any:
        """Return targets (-1: none), weighted by their cosines (temperature 0.05), and levels."""
        values: dict[str, Any] = {"k": k, "rank": "cosine"}
        run_stage("mine", values | ({"hub_cap": hub_cap} if hub_cap else {}), workdir)
        graded = run_stage("grade", {}, workdir)
        safe = {item: row for row, item in enumerate(self.train.safe.ids)}
        unsafe = {item: row for row, item in enumerate(self.train.unsafe.ids)}
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

    def _flickr8k(self, path: Path, split: str) -> Photographs:
        table = pq.read_table(path, columns=["captions", "jpeg"], filters=[("split", "==", split)])
        captions, name = table["captions"].to_pylist(), f"Flickr8k {split}"
        texts = [text for item in captions for text in item]
        images = self._towers.images(name, table["jpeg"].to_pylist(), self._progress)
        return Photographs(
            image=torch.from_numpy(images),
            text=torch.from_numpy(self._towers.captions(name, texts, self._progress)),
            own=np.repeat(np.arange(len(captions)), [len(item) for item in captions]),
        )

    def _caltech101(self, path: Path) -> Photographs:
        table = pq.read_table(path)
        labels = table["label"].to_pylist()
        names = sorted(set(labels))
        words = [name.replace("_", " ").replace("-", " ").lower() for name in names]
        prompts = [_PROMPT.format(word) for word in words]
        images = self._towers.images("Caltech-101", table["jpeg"].to_pylist(), self._progress)
        return Photographs(
            image=torch.from_numpy(images),
            text=torch.from_numpy(self._towers.captions("classes", prompts, self._progress)),
            own=np.array([names.index(label) for label in labels]),
        )


def _of_world(heads: Heads, world: PairWorld) -> Scores:
    """R@1 in four directions, share of unsafe first hits, and hits among all closest safe items."""
    safe_text, safe_image = heads.unit(world.safe)
    unsafe_text, unsafe_image = heads.unit(world.unsafe)
    own = np.arange(len(world.unsafe.ids))
    found = validate(
        safe_text=safe_text,
        safe_image=safe_image,
        unsafe_text=unsafe_text,
        unsafe_image=unsafe_image,
        safe_of_pair=(world.partner, world.partner),
        unsafe_of_pair=(own, own),
    )
    return {
        "T→V": found.safe_text_to_image,
        "V→T": found.safe_image_to_text,
        "T*→V": found.unsafe_text_to_image,
        "V*→T": found.unsafe_image_to_text,
        "unsafe first": found.unsafe_first,
        **_by_edit(world, unsafe_text, np.concatenate([safe_image, unsafe_image])),
        "T*→V closest": _closest(world, unsafe_text, safe_image, unsafe_image),
        "V*→T closest": _closest(world, unsafe_image, safe_text, unsafe_text),
    }


def _by_edit(world: PairWorld, queries: Vectors, candidates: Vectors) -> Scores:
    """R@1 of the partner where a hazard was added to it, and where it replaced a thing."""
    found = ranks(queries, candidates, world.partner)
    return {f"T*→V {edit}": recall(found[world.edits == edit], 1) for edit in Edit}


def _closest(world: PairWorld, queries: Vectors, safe: Vectors, unsafe: Vectors) -> float:
    """Share of queries whose first hit is one of the closest safe items by graph distance."""
    assert world.closest is not None
    sims = queries @ safe.T
    first = sims.argmax(axis=1)
    is_safe = ~unsafe_first(queries, safe, unsafe)
    return float((world.closest[np.arange(len(first)), first] & is_safe).mean())


def _of_photographs(heads: Heads, photographs: Photographs) -> tuple[float, float]:
    """R@1 of captions, and of images, where any of an image's captions is a hit."""
    text, image = heads.unit(photographs)
    to_image = recall(ranks(text, image, photographs.own), 1)
    first = (image @ text.T).argmax(axis=1)
    return to_image, float((photographs.own[first] == np.arange(len(image))).mean())
