"""train, second half: from tables to a trainer, and its epochs with checkpoints and validation."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa
import torch
from safetensors.torch import save

from nsfwcaps.enums import AdapterInputs, Targets
from nsfwcaps.errors import ConfigError
from nsfwcaps.progress import Advance, Progress
from nsfwcaps.runtime.allocator import kept_memory
from nsfwcaps.runtime.device import resolve_precision, torch_dtype
from nsfwcaps.runtime.memory import memory_advice
from nsfwcaps.stages.train.checkpoints import load_checkpoint
from nsfwcaps.stages.train.choices import adaptation_of, optimisation_of, schedule_of
from nsfwcaps.stages.train.inputs import preparation
from nsfwcaps.stages.train.outputs import Outputs
from nsfwcaps.stages.train.pairs import mined_pairs, training_pairs
from nsfwcaps.stages.train.reference import Reference
from nsfwcaps.stages.train.settings import TrainSettings
from nsfwcaps.stages.train.subspace import fix_inputs
from nsfwcaps.stages.train.validation import score
from nsfwcaps.training.adapters import adapt, adapter_tensors, load_adapter
from nsfwcaps.training.curriculum import Sampler
from nsfwcaps.training.loop import Encoders, Trainer
from nsfwcaps.training.methods import Method
from nsfwcaps.training.processes import joined
from nsfwcaps.training.validation import Validation

State = dict[str, Any]


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
        progress: Progress,
    ) -> None:
        self._settings, self._processes = settings, joined()
        self._train = training_pairs(train, reference, method.targets)
        self._held = mined_pairs(validation, reference)
        if settings.patience is not None and not len(self._held):
            raise ConfigError("train.patience: no pair of the validation split can be used")
        torch.manual_seed(settings.seed % 2**63)
        adapt(encoder.model, adaptation_of(settings))
        precision = resolve_precision(settings.precision, encoder.device)
        self._encoders = Encoders(
            model=encoder.model,
            encode_text=encoder.tower.encode,
            prepare=preparation(encoder, reference, self._train),
            device=encoder.device,
            dtype=torch_dtype(precision),
        )
        self._held_encoders = replace(
            self._encoders, prepare=preparation(encoder, reference, self._held)
        )
        if method.adapter_inputs is AdapterInputs.DIFFERENCE:
            fixed = method.targets is Targets.FIXED
            towards = self._train if fixed else mined_pairs(train, reference)
            fix_inputs(
                replace(self._encoders, prepare=preparation(encoder, reference, towards)),
                towards,
                encoder.tower.lengths,
                settings,
                self._processes,
                progress,
            )
        self._sampler = Sampler(
            self._train.stages,
            schedule=schedule_of(settings, method),
            batch_size=settings.batch_size,
            seed=settings.seed,
            world_size=self._processes.count,
            rank=self._processes.rank,
            avoid_repeats=self._train.target_ids,
        )
        vectors = torch.from_numpy(reference.text), torch.from_numpy(reference.image)
        self._trainer = Trainer(
            self._encoders,
            self._train,
            vectors,
            method,
            self._sampler,
            optimisation_of(settings),
            self._processes,
        )
        self._state: State = {
            "validation": [],
            "best": None,
            "best_epoch": None,
            "best_total": None,
            "stale": 0,
        }

    def train(self, outputs: Outputs, progress: Progress) -> dict[str, Any]:
        """Train to the end, from the newest checkpoint if there is one, and say how it went."""
        self._go_on(outputs)
        if not self._state["validation"]:
            self._validate()
            outputs.validated(0, self._state["validation"][0])
        total = sum(map(self._sampler.pairs, range(1, self._settings.epochs + 1)))
        task = progress.task("train", total, unit="pairs", done=self._pairs_seen())
        kept = kept_memory(self._encoders.device)
        with task as advance, memory_advice("--batch-size, or raise --accumulate,"), kept:
            # The first epoch after which the model was not validated yet.
            for epoch in range(len(self._state["validation"]), self._settings.epochs + 1):
                if self._out_of_patience():
                    break
                if not self._sampler.steps(epoch):  # no pair is of its stages
                    self._state["validation"].append(self._state["validation"][-1])
                    continue
                self._make_steps(epoch, outputs, advance)
                self._validate()
                outputs.save(self._trainer.step, self._checkpoint)
                # A kill in between loses these points; before, it would double them.
                outputs.validated(self._trainer.step, self._state["validation"][-1])
        outputs.close()
        if self._settings.patience is not None and self._state["best"] is not None:
            load_adapter(self._encoders.model, self._state["best"])
        return self._facts()

    def _go_on(self, outputs: Outputs) -> None:
        """Take up the newest checkpoint, the same in all processes."""
        path = self._processes.broadcast(outputs.newest())
        if path is not None:
            saved = load_checkpoint(path)
            self._trainer.restore(saved["trainer"])
            self._state = saved["run"]
        self._processes.wait()  # the first process removes checkpoints that are old or done with
        outputs.start(self._trainer.step)

    def _make_steps(self, epoch: int, outputs: Outputs, advance: Advance) -> None:
        """Make the steps of an epoch that are left."""
        done = self._trainer.step - self._sampler_steps(epoch - 1)
        for step in self._trainer.epoch(epoch, done):
            outputs.add(step)
            advance(step.pairs)
            if step.step % self._settings.save_every == 0:
                outputs.save(step.step, self._checkpoint)

    def adapter_file(self) -> bytes:
        """The trained tensors as safetensors."""
        tensors = adapter_tensors(self._encoders.model)
        # Convolutions whose own weights train may lie in memory with their channels last.
        data: bytes = save({name: tensor.contiguous() for name, tensor in tensors.items()})
        return data

    def _sampler_steps(self, epochs: int) -> int:
        """Steps of the first epochs together."""
        return sum(self._sampler.steps(epoch) for epoch in range(1, epochs + 1))

    def _pairs_seen(self) -> int:
        """Pairs in the steps so far, each as often as it was in one."""
        seen, steps = 0, self._trainer.step
        for epoch in range(1, self._settings.epochs + 1):
            of_epoch = self._sampler.steps(epoch)
            if steps < of_epoch:
                return seen + steps * self._settings.batch_size
            seen, steps = seen + self._sampler.pairs(epoch), steps - of_epoch
        return seen

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
            "trainable": sum(
                item.numel() for item in self._encoders.model.parameters() if item.requires_grad
            ),
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
        """The first process scores, so that all go by the same numbers."""
        found = None
        if self._processes.first:
            found = score(
                self._held_encoders, self._held, self._settings.batch_images, self._trainer.step
            )
        told: Validation = self._processes.broadcast(found)
        return told

    def _out_of_patience(self) -> bool:
        patience = self._settings.patience
        return patience is not None and self._state["stale"] >= patience
