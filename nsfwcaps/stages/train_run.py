"""train, second half: from tables to a trainer, and its epochs with checkpoints and validation."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from safetensors.torch import save

from nsfwcaps.artifacts import write_atomically
from nsfwcaps.errors import ConfigError
from nsfwcaps.progress import Progress
from nsfwcaps.settings import TrainSettings
from nsfwcaps.stages.train_checkpoints import Checkpoints
from nsfwcaps.stages.train_reference import Reference
from nsfwcaps.training.adapters import Adaptation, Kind, adapt, adapter_tensors, load_adapter
from nsfwcaps.training.curriculum import SCHEDULES, Sampler, parse_schedule
from nsfwcaps.training.loop import Encoders, Inputs, Optimisation, Rows, Step, Trainer, embed
from nsfwcaps.training.methods import METHODS, Method
from nsfwcaps.training.pairs import TrainingPairs
from nsfwcaps.training.validation import Validation, validate
from nsfwcaps.vectors.encoders.device import resolve_precision, torch_dtype
from nsfwcaps.vectors.encoders.encoder import memory_advice

State = dict[str, Any]


def method_of(settings: TrainSettings) -> Method:
    """The method with the weights that the settings change.

    Raises:
        ConfigError: a weight that is none.
    """
    method = METHODS[settings.method.value]
    weights = dict(method.weights)
    for change in settings.weight:
        name, _, text = change.partition("=")
        try:
            weights[name] = float(text)
        except ValueError:
            raise ConfigError(f"train.weight: write '{change}' as TERM=NUMBER") from None
        if weights[name] == 0:
            del weights[name]
    return replace(method, weights=weights)


class TrainingRun:
    """One run of the trainer."""

    def __init__(
        self,
        settings: TrainSettings,
        method: Method,
        encoder: Any,
        reference: Reference,
        train: pa.Table,
        validation: pa.Table,
    ) -> None:
        self._settings, self._reference = settings, reference
        self._train = _pairs(train, reference)
        self._held = _pairs(validation, reference)
        if settings.patience is not None and not len(self._held):
            raise ConfigError("train.patience needs a validation split, and the data set has none")
        torch.manual_seed(settings.seed)
        adapt(encoder.model, _adaptation(settings))
        precision = resolve_precision(settings.precision, encoder.device)
        self._encoders = Encoders(
            model=encoder.model,
            encode_text=encoder.tower.encode,
            prepare=lambda rows: self._inputs(encoder, self._train, rows),
            device=encoder.device,
            dtype=torch_dtype(precision),
        )
        self._held_encoders = replace(
            self._encoders, prepare=lambda rows: self._inputs(encoder, self._held, rows)
        )
        schedule = (
            parse_schedule(settings.curriculum)
            if settings.curriculum
            else SCHEDULES[method.curriculum]
        )
        self._sampler = Sampler(
            self._train.stages,
            schedule=schedule,
            batch_size=settings.batch_size,
            seed=settings.seed,
            avoid_repeats=self._train.safe_ids,
        )
        vectors = torch.from_numpy(reference.text), torch.from_numpy(reference.image)
        self._trainer = Trainer(
            self._encoders, self._train, vectors, method, self._sampler, _optimisation(settings)
        )
        self._state: State = {"validation": [], "best": None, "best_total": None, "stale": 0}

    def train(
        self, checkpoints: Checkpoints, metrics: Path, key: str, progress: Progress
    ) -> dict[str, Any]:
        """Train to the end, from the newest checkpoint if there is one, and say how it went."""
        if (saved := checkpoints.newest()) is not None:
            self._trainer.restore(saved["trainer"])
            self._state = saved["run"]
        lines = _Metrics(metrics, key, self._trainer.step)
        if not self._state["validation"]:
            self._validate()
        total = self._trainer.total_steps
        with progress.task("train", total) as advance, memory_advice("--batch-size"):
            advance(self._trainer.step)
            for epoch in range(1, self._settings.epochs + 1):
                before = sum(self._sampler.steps(e) for e in range(1, epoch))
                done = self._trainer.step - before
                if done >= self._sampler.steps(epoch) and len(self._state["validation"]) > epoch:
                    continue
                for step in self._trainer.epoch(epoch, min(done, self._sampler.steps(epoch))):
                    lines.add(step)
                    advance(1)
                    if step.step % self._settings.save_every == 0:
                        checkpoints.save(step.step, self._checkpoint())
                self._validate()
                checkpoints.save(self._trainer.step, self._checkpoint())
                if self._out_of_patience():
                    break
        if self._settings.patience is not None and self._state["best"] is not None:
            load_adapter(self._encoders.model, self._state["best"])
        return self._facts()

    def adapter_file(self) -> bytes:
        """The trained tensors as safetensors."""
        data: bytes = save(adapter_tensors(self._encoders.model))
        return data

    def _facts(self) -> dict[str, Any]:
        return {
            "pairs": {"train": len(self._train), "validation": len(self._held)},
            "steps": self._trainer.step,
            "validation": self._state["validation"],
            "trainable": sum(t.numel() for t in adapter_tensors(self._encoders.model).values()),
        }

    def _checkpoint(self) -> State:
        return {"trainer": self._trainer.state(), "run": self._state}

    def _validate(self) -> None:
        """Score the held-out pairs: entry 0 is before training, entry e after epoch e."""
        if not len(self._held):
            self._state["validation"].append({})
            return
        score = self._score()
        self._state["validation"].append({**asdict(score), "total": score.total})
        best = self._state["best_total"]
        if best is None or score.total > best:
            self._state["best_total"], self._state["stale"] = score.total, 0
            if self._settings.patience is not None:
                self._state["best"] = adapter_tensors(self._encoders.model)
        else:
            self._state["stale"] += 1

    def _score(self) -> Validation:
        pairs = self._held
        text, image = embed(
            self._held_encoders, np.arange(len(pairs)), self._settings.batch_images
        )  # [2, p, d] each
        u_text, u_text_of = _distinct(pairs.unsafe_text)
        s_text, s_text_of = _distinct(pairs.safe_text)
        u_image, u_image_of = _distinct(pairs.unsafe_image)
        s_image, s_image_of = _distinct(pairs.safe_image)
        return validate(
            unsafe_text=text[0][u_text].numpy(),
            safe_text=text[1][s_text].numpy(),
            unsafe_image=image[0][u_image].numpy(),
            safe_image=image[1][s_image].numpy(),
            safe_of_pair=(s_text_of, s_image_of),
            unsafe_of_pair=(u_text_of, u_image_of),
        )

    def _out_of_patience(self) -> bool:
        patience = self._settings.patience
        return patience is not None and self._state["stale"] >= patience

    def _inputs(self, encoder: Any, pairs: TrainingPairs, rows: Rows) -> Inputs:
        """Tokens and pixels of a batch, unsafe items first."""
        captions = [pairs.unsafe_captions[row] for row in rows]
        captions += [pairs.safe_captions[row] for row in rows]
        tokens = encoder.tokenizer(captions)  # [2b, t]
        tokens = tokens[:, : int(encoder.tower.lengths(tokens).max())]
        pictures = [*pairs.unsafe_image[rows], *pairs.safe_image[rows]]
        pixels = [
            encoder.preprocess(
                Image.open(io.BytesIO(self._reference.picture(int(row)))).convert("RGB")
            )
            for row in pictures
        ]
        return Inputs(rows=rows, tokens=tokens, pixels=torch.stack(pixels))


def _distinct(rows: Rows) -> tuple[Rows, Rows]:
    """Where each distinct item `[n]` comes first, and the item `[p]` of every pair."""
    _, first, item = np.unique(rows, return_index=True, return_inverse=True)
    return first, item


class _Metrics:
    """The metrics file: a line for every step, also of a run that was stopped and went on."""

    def __init__(self, path: Path, key: str, step: int) -> None:
        head = json.dumps({"run": key}) + "\n"
        kept = [head]
        if path.is_file():
            lines = path.read_text().splitlines(keepends=True)
            if lines and lines[0] == head:
                kept = [line for line in lines if line == head or _step_of(line) <= step]
        write_atomically(path, "".join(kept).encode())
        self._path = path

    def add(self, step: Step) -> None:
        """Append a step."""
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(step)) + "\n")


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError):  # cut short by a kill
        return float("inf")


def _pairs(table: pa.Table, reference: Reference) -> TrainingPairs:
    def rows(column: str, index: Mapping[str, int]) -> Rows:
        return np.array([index[item] for item in table[column].to_pylist()], dtype=np.int64)

    return TrainingPairs(
        pair_ids=table["pair_id"].to_pylist(),
        unsafe_captions=table["unsafe_caption"].to_pylist(),
        safe_captions=table["safe_caption"].to_pylist(),
        safe_ids=table["safe_id"].to_pylist(),
        stages=table["stage"].to_pylist(),
        unsafe_text=rows("unsafe_id", reference.text_row),
        safe_text=rows("safe_id", reference.text_row),
        unsafe_image=rows("unsafe_image_sha256", reference.image_row),
        safe_image=rows("safe_image_sha256", reference.image_row),
    )


def _adaptation(settings: TrainSettings) -> Adaptation:
    return Adaptation(
        rank=settings.rank,
        alpha=settings.alpha,
        dropout=settings.dropout,
        image=settings.train_image,
        text=settings.train_text,
        image_targets=_kinds(settings.image_layers, "image_layers"),
        text_targets=_kinds(settings.text_layers, "text_layers"),
        full=settings.full,
    )


def _kinds(words: tuple[str, ...], where: str) -> tuple[Kind, ...]:
    unknown = [word for word in words if word not in set(Kind)]
    if unknown:
        raise ConfigError(
            f"train.{where}: no kind of layer is called {', '.join(unknown)}; "
            f"there are: {', '.join(Kind)}"
        )
    return tuple(Kind(word) for word in words)


def _optimisation(settings: TrainSettings) -> Optimisation:
    return Optimisation(
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        warmup_share=settings.warmup_share,
        weight_decay=settings.weight_decay,
        clip_norm=settings.clip_norm,
        scale=settings.scale,
        seed=settings.seed,
        workers=settings.workers,
    )
