"""Train the heads of `mini`: minutes on a CPU, reproducible from the seed.

    python -m tools.mini.train --flickr8k FLICKR8K.parquet --out heads.safetensors

FLICKR8K has the columns `split` (train, dev, test), `captions` (five each) and `jpeg`. The towers
stay frozen: their features are computed once and cached in `--cache`.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from nsfwcaps import progress as progress_lines
from nsfwcaps.encoders.mini.model import create, save_heads
from nsfwcaps.enums import Split
from nsfwcaps.files import sha256_file
from nsfwcaps.progress import Progress
from nsfwcaps.training.losses import info_nce
from tools.mini.features import Towers
from tools.mini.mixture import Classes, Pairs, classes, photographs, scenes

Tensor = torch.Tensor

_LARGEST_SCALE = 100.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Hyperparameters of the training."""

    seed: int = 0
    steps: int = 500
    warmup_steps: int = 100
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    photographs: int = 768
    scenes: int = 384
    prototypes: int = 512
    drop_image: float = 0.3
    drop_hidden: float = 0.3
    drop_text: float = 0.1
    scenes_weight: float = 1.0
    prototypes_weight: float = 0.5
    opinion_weight: float = 0.5
    temperature: float = 0.05
    """Initial value; it is learned."""


class Heads:
    """The heads of a model, applied to features of its towers."""

    def __init__(self, model: Any, recipe: Recipe) -> None:
        self._model = model
        self._recipe = recipe

    def image(self, features: Tensor, *, training: bool) -> Tensor:
        """Map image features `[b, 1280]` to unit rows `[b, d]`."""
        return self._unit(self._model.visual.head, features, self._recipe.drop_image, training)

    def text(self, features: Tensor, *, training: bool) -> Tensor:
        """Map caption features `[b, 384]` to unit rows `[b, d]`."""
        return self._unit(self._model.text.proj, features, self._recipe.drop_text, training)

    @property
    def scale(self) -> Tensor:
        """Factor applied to cosines."""
        scale: Tensor = self._model.logit_scale.exp().clamp(max=_LARGEST_SCALE)
        return scale

    def parameters(self) -> list[dict[str, Any]]:
        """Return parameter groups: matrices with weight decay, the rest without."""
        heads = (self._model.visual.head, self._model.text.proj)
        trained = [item for head in heads for item in head.parameters()]
        rest = [item for item in trained if item.ndim < 2]
        return [
            {"params": [item for item in trained if item.ndim >= 2]},
            {"params": [*rest, self._model.logit_scale], "weight_decay": 0.0},
        ]

    def _unit(self, head: Any, features: Tensor, drop: float, training: bool) -> Tensor:
        dropped = functional.dropout(features, drop, training)
        return functional.normalize(head(dropped), dim=-1)


def train(
    model: Any, photos: Pairs, drawn: Pairs, known: Classes, recipe: Recipe, progress: Progress
) -> None:
    """Train the heads in place."""
    torch.manual_seed(recipe.seed)
    model.logit_scale.data.fill_(-math.log(recipe.temperature))
    heads = Heads(model, recipe)
    hidden = model.visual.head.mlp.drop1
    hidden.p = recipe.drop_hidden
    model.visual.head.train()  # the towers stay in evaluation mode
    optimizer = torch.optim.AdamW(
        heads.parameters(),
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        betas=(0.9, 0.98),
    )
    with progress.task("train", recipe.steps, unit="steps") as advance:
        for step in range(recipe.steps):
            for group in optimizer.param_groups:
                group["lr"] = _learning_rate(step, recipe)
            loss = _loss(heads, photos, drawn, known, recipe)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            advance(1)
    model.visual.head.eval()
    hidden.p = 0.0


def _loss(heads: Heads, photos: Pairs, drawn: Pairs, known: Classes, recipe: Recipe) -> Tensor:
    _, pictures, captions = photos.batch(recipe.photographs)
    images = heads.image(pictures, training=True)
    loss = info_nce(images, heads.text(captions, training=True), scale=heads.scale)
    _, pictures_of_scenes, words = drawn.batch(recipe.scenes)
    loss = loss + recipe.scenes_weight * info_nce(
        heads.image(pictures_of_scenes, training=True),
        heads.text(words, training=True),
        scale=heads.scale,
    )
    names = heads.text(known.words(), training=True)  # [1000, d]
    made_up, wanted = known.prototypes(recipe.prototypes, photos.images)
    logits = heads.scale * heads.image(made_up, training=True) @ names.T  # [b, 1000]
    loss = loss + recipe.prototypes_weight * functional.cross_entropy(logits, wanted)
    opinion = known.opinion(pictures)  # [b, 1000]
    shared = functional.log_softmax(heads.scale * images @ names.T, dim=-1)
    return loss - recipe.opinion_weight * (opinion * shared).sum(dim=-1).mean()


def _learning_rate(step: int, recipe: Recipe) -> float:
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    return recipe.learning_rate * warm * (1 + math.cos(math.pi * step / recipe.steps)) / 2


@torch.no_grad()
def recall(model: Any, pairs: Pairs, recipe: Recipe) -> float:
    """Share of captions whose image is the nearest: R@1 from text to image."""
    heads = Heads(model, recipe)
    images = heads.image(pairs.images, training=False)
    text = heads.text(pairs.captions.flatten(0, 1), training=False)
    own = torch.arange(len(images)).repeat_interleave(pairs.captions.shape[1])
    return float(((text @ images.T).argmax(dim=1) == own).float().mean())


def main() -> None:
    """Compute features, train, write the heads."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--flickr8k", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("runs/mini"))
    parser.add_argument("--scenes", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    progress = progress_lines.for_terminal(quiet=False)
    recipe = Recipe(seed=options.seed)
    model, preprocess, tokenizer = create(heads=None, seed=options.seed)
    towers = Towers(model, preprocess, tokenizer, options.cache)
    photos = {
        split: photographs(
            towers, *_flickr8k(options.flickr8k, split), progress, mirror=split == "train"
        )
        for split in ("train", "dev")
    }
    known = classes(towers, photos["train"].images, progress)
    drawn = {
        split: scenes(towers, split, count, progress)
        for split, count in ((Split.TRAIN, options.scenes), (Split.VALIDATION, 1000))
    }
    train(model, photos["train"], drawn[Split.TRAIN], known, recipe, progress)
    measured = {
        "flickr8k dev, R@1 from text to image": recall(model, photos["dev"], recipe),
        "world validation, R@1 from text to image": recall(model, drawn[Split.VALIDATION], recipe),
    }
    facts = {
        **asdict(recipe),
        "flickr8k_sha256": sha256_file(options.flickr8k),
        "scenes_drawn": options.scenes,
        **measured,
    }
    save_heads(model, options.out, {name: json.dumps(value) for name, value in facts.items()})
    print(json.dumps(measured, indent=1))


def _flickr8k(path: Path, split: str) -> tuple[list[bytes], list[list[str]]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["captions", "jpeg"], filters=[("split", "==", split)])
    return table["jpeg"].to_pylist(), table["captions"].to_pylist()


if __name__ == "__main__":
    main()
