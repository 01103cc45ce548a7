"""train, second half: from tables to a trainer, and its epochs with checkpoints and validation."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from safetensors.torch import save

from nsfwcaps.errors import ConfigError, TrainingError
from nsfwcaps.progress import Progress
from nsfwcaps.settings import Tower, TrainSettings
from nsfwcaps.stages.train_checkpoints import Checkpoints
from nsfwcaps.stages.train_metrics import Metrics
from nsfwcaps.stages.train_pairs import mined_pairs, training_pairs
from nsfwcaps.stages.train_reference import Reference
from nsfwcaps.training.adapters import Adaptation, Kind, adapt, adapter_tensors, load_adapter
from nsfwcaps.training.curriculum import SCHEDULES, Sampler, parse_schedule
from nsfwcaps.training.loop import Encoders, Inputs, Optimisation, Rows, Trainer, embed
from nsfwcaps.training.methods import METHODS, TERMS, Method
from nsfwcaps.training.pairs import TrainingPairs
from nsfwcaps.training.validation import Validation, validate
from nsfwcaps.vectors.encoders.allocator import kept_memory
from nsfwcaps.vectors.encoders.device import resolve_precision, torch_device, torch_dtype
from nsfwcaps.vectors.encoders.encoder import memory_advice

State = dict[str, Any]


def method_of(settings: TrainSettings) -> Method:
    """The method with the weights and the targets that the settings change.

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
        if weights[name] == 0 and name in TERMS:  # one that is none is refused below
            del weights[name]
    return replace(method, weights=weights, targets=settings.targets or method.targets)


def check_settings(settings: TrainSettings) -> None:
    """Find what cannot work before anything is loaded or embedded.

    Raises:
        ConfigError: an unknown word, or numbers that cannot train.
        DeviceError: the device is not there.
    """
    _adaptation(settings)
    if settings.curriculum is not None:
        parse_schedule(settings.curriculum)
    resolve_precision(settings.precision, torch_device(settings.device))


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
        self._train = training_pairs(train, reference, method.targets)
        self._held = mined_pairs(validation, reference)
        if settings.patience is not None and not len(self._held):
            raise ConfigError("train.patience: no pair of the validation split can be used")
        torch.manual_seed(settings.seed % 2**63)
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
            if settings.curriculum is not None
            else SCHEDULES[method.curriculum]
        )
        self._sampler = Sampler(
            self._train.stages,
            schedule=schedule,
            batch_size=settings.batch_size,
            seed=settings.seed,
            avoid_repeats=self._train.target_ids,
        )
        vectors = torch.from_numpy(reference.text), torch.from_numpy(reference.image)
        self._trainer = Trainer(
            self._encoders, self._train, vectors, method, self._sampler, _optimisation(settings)
        )
        self._state: State = {
            "validation": [],
            "best": None,
            "best_epoch": None,
            "best_total": None,
            "stale": 0,
        }

    def train(self, checkpoints: Checkpoints, key: str, progress: Progress) -> dict[str, Any]:
        """Train to the end, from the newest checkpoint if there is one, and say how it went."""
        if (saved := checkpoints.newest()) is not None:
            self._trainer.restore(saved["trainer"])
            self._state = saved["run"]
        lines = Metrics(checkpoints.metrics, key, self._trainer.step)
        if not self._state["validation"]:
            self._validate()

        def save() -> None:
            lines.flush()
            checkpoints.save(self._trainer.step, self._checkpoint())

        total = self._trainer.total_steps
        kept = kept_memory(self._encoders.device)
        advice = memory_advice("--batch-size, or raise --accumulate,")
        with progress.task("train", total) as advance, advice, kept:
            advance(self._trainer.step)
            # The first epoch after which the model was not validated yet.
            for epoch in range(len(self._state["validation"]), self._settings.epochs + 1):
                if self._out_of_patience():
                    break
                if not self._sampler.steps(epoch):  # no pair is of its stages
                    self._state["validation"].append(self._state["validation"][-1])
                    continue
                done = self._trainer.step - self._sampler_steps(epoch - 1)
                for step in self._trainer.epoch(epoch, done):
                    lines.add(step)
                    advance(1)
                    if step.step % self._settings.save_every == 0:
                        save()
                self._validate()
                save()
        if self._settings.patience is not None and self._state["best"] is not None:
            load_adapter(self._encoders.model, self._state["best"])
        return self._facts()

    def adapter_file(self) -> bytes:
        """The trained tensors as safetensors."""
        tensors = adapter_tensors(self._encoders.model)
        # Convolutions whose own weights train may lie in memory with their channels last.
        data: bytes = save({name: tensor.contiguous() for name, tensor in tensors.items()})
        return data

    def _sampler_steps(self, epochs: int) -> int:
        """Steps of the first epochs together."""
        return sum(self._sampler.steps(epoch) for epoch in range(1, epochs + 1))

    def _facts(self) -> dict[str, Any]:
        last = len(self._state["validation"]) - 1
        best = self._state["best_epoch"]
        return {
            "pairs": {"train": len(self._train), "validation": len(self._held)},
            "steps": self._trainer.step,
            "epochs_without_pairs": [
                epoch for epoch in range(1, last + 1) if not self._sampler.steps(epoch)
            ],
            "kept_epoch": best if self._settings.patience is not None else last,
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
            self._state["best_epoch"] = len(self._state["validation"]) - 1
            if self._settings.patience is not None:
                self._state["best"] = adapter_tensors(self._encoders.model)
        else:
            self._state["stale"] += 1

    def _score(self) -> Validation:
        pairs = self._held
        with memory_advice("--batch-images"):
            text, image = embed(
                self._held_encoders, np.arange(len(pairs)), self._settings.batch_images
            )  # [2, p, d] each
        if not (text.isfinite().all() and image.isfinite().all()):
            raise TrainingError(
                f"train: the model's vectors are not finite after step {self._trainer.step}; lower "
                "--learning-rate, or use --precision fp32. The last checkpoint is from before"
            )
        # By their words: a caption that several pictures share has an id for each of them.
        u_text, u_text_of = _distinct(_numbered(pairs.unsafe_captions))
        s_text, s_text_of = _distinct(_numbered(pairs.safe_captions))
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


def _numbered(texts: Sequence[str]) -> Rows:
    """A number `[p]` for each distinct text."""
    number_of: dict[str, int] = {}
    return np.array([number_of.setdefault(text, len(number_of)) for text in texts], dtype=np.int64)


def _adaptation(settings: TrainSettings) -> Adaptation:
    return Adaptation(
        rank=settings.rank,
        alpha=settings.alpha,
        dropout=settings.dropout,
        image=Tower.IMAGE in settings.towers,
        text=Tower.TEXT in settings.towers,
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
        accumulate=settings.accumulate,
    )
