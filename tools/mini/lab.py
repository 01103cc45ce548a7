"""Comparison of fine-tuning methods on cached features, with heads that train in seconds.

`mini` is two frozen towers below two heads. The towers' features of all images and captions are
computed once and cached. A run then adapts the heads alone, with the trainer, sampler, losses and
adapters of `nsfwcaps train`. It takes seconds where the whole model takes an hour.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from method_rows import Choice
from torch.nn import functional

from nsfwcaps import progress as progress_lines
from nsfwcaps.encoders.mini.model import create
from nsfwcaps.enums import AdapterInputs, Split
from nsfwcaps.metrics.neighbourhoods import neighbourhood_overlaps
from nsfwcaps.metrics.retrieval import ranks, recall
from nsfwcaps.metrics.structure import spread_ratio, weight_deviation
from nsfwcaps.training.adapters import Adaptation, LayerKind, adapt, merged_state_dict
from nsfwcaps.training.contrast import fix_directions
from nsfwcaps.training.curriculum import SCHEDULES, Sampler
from nsfwcaps.training.inputs import Encoders, Inputs, Items
from nsfwcaps.training.interpolation import interpolate
from nsfwcaps.training.loop import Optimisation, Trainer
from nsfwcaps.training.pairs import TrainingPairs
from tools.mini.features import Towers
from tools.mini.heads import Heads
from tools.mini.scoring import Scores, of_photographs, of_world
from tools.mini.worlds import PairWorld, Rows, Targets, draw_world, mine
from tools.mini.worlds import caltech101 as caltech
from tools.mini.worlds import flickr8k as flickr

Tensor = torch.Tensor
Vectors = npt.NDArray[np.float32]

_NEIGHBOURS = 1000  # number of photographs and captions with compared neighbourhoods
_RIDGE = 0.3  # default of `nsfwcaps train`


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
        self.train = self._drawn("train", Split.TRAIN, pairs, looseness=2.0)
        self.targets, self.levels = mine(self.train, folder / "train")
        self.validation = self._drawn("validation", Split.VALIDATION, held, looseness=0.0)
        self.tests = {
            "tight": self._drawn("tight", Split.TEST, held, looseness=0.0),
            "loose": self._drawn("loose", Split.TEST, held, looseness=2.0),
        }
        self._flickr = {
            split: flickr(self._towers, flickr8k, split, self._progress)
            for split in ("dev", "test")
        }
        self._caltech = caltech(self._towers, caltech101, self._progress)

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
            prepare=lambda rows, each: self._inputs(rows, self.train.partner[rows]),
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
            avoid_repeats=[pairs.target_captions, pairs.safe_captions],
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
            scores |= {f"{name} {key}": value for key, value in of_world(heads, world).items()}
        for split, photographs in self._flickr.items():
            found = zip(("T→V", "V→T"), of_photographs(heads, photographs), strict=True)
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

    def _drawn(self, name: str, split: Split, pairs: int, *, looseness: float) -> PairWorld:
        return draw_world(
            self._towers,
            self._folder / name,
            self._progress,
            split,
            pairs,
            looseness=looseness,
            seed=self._seed,
        )

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
            target_captions=[world.safe.ids[row] for row in aims.rows[:, 0]],
            levels=self.levels,
            unsafe_text=unsafe_rows,
            safe_text=safe_rows,
            unsafe_image=unsafe_rows,
            safe_image=safe_rows,
            target_text=target_rows,
            target_image=target_rows,
        )
        return tables[0], tables[1], pairs
