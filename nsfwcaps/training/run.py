"""One training run: epochs, validation after each, and selection of the model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from safetensors.torch import save

from nsfwcaps.encoders.encoder import DualEncoder, Vectors
from nsfwcaps.enums import AdapterInputs
from nsfwcaps.errors import ConfigError
from nsfwcaps.progress import Advance, Progress
from nsfwcaps.runtime.allocator import kept_memory
from nsfwcaps.runtime.device import torch_dtype
from nsfwcaps.runtime.memory import memory_advice
from nsfwcaps.runtime.processes import Processes
from nsfwcaps.training.adapters import adapt, adapter_tensors, load_adapter
from nsfwcaps.training.compilation import PADDED_TO, compiled
from nsfwcaps.training.contrast import ContrastSample, contrast_inputs, use_inputs
from nsfwcaps.training.curriculum import Sampler
from nsfwcaps.training.history import History
from nsfwcaps.training.inputs import encoders_of, preparation, prepared_items
from nsfwcaps.training.loop import Trainer
from nsfwcaps.training.options import TrainingOptions
from nsfwcaps.training.outputs import Outputs, RunState
from nsfwcaps.training.pairs import ItemRows, TrainingPairs
from nsfwcaps.training.preservation import Preservation, PreservationPool
from nsfwcaps.training.repeats import item_keys
from nsfwcaps.training.tokens import CaptionTokens
from nsfwcaps.training.validation import Validation, score
from nsfwcaps.work import WorkSplit

Subspace = Callable[
    [ContrastSample, Callable[[], dict[str, torch.Tensor]]], Mapping[str, torch.Tensor]
]
"""Gives the fixed inputs of adapters by layer: those of an earlier run with the same sample, or
what the function returns."""


_FIRST_MINUTES = 0.5
"""Until the first checkpoint by time."""


class FrozenReference(Protocol):
    """Frozen unit rows of captions `[n, d]` and images `[m, d]`, and the image files."""

    @property
    def text(self) -> Vectors:
        """Rows of the captions."""
        ...

    @property
    def image(self) -> Vectors:
        """Rows of the images."""
        ...

    def picture(self, row: int) -> bytes:
        """Content of the image file of a row."""
        ...


@dataclass(frozen=True, kw_only=True)
class RunPairs:
    """The pairs of one run; they index the rows of its reference."""

    train: TrainingPairs
    validation: TrainingPairs
    pool: PreservationPool | None
    """Safe items to preserve, where pairs have none of their own."""
    sides: tuple[ItemRows, ItemRows]
    """Safe and unsafe items that fix the adapters' inputs, if the method does that."""


class TrainingRun:
    """Adapts an encoder's model in place and trains it on pairs."""

    def __init__(
        self,
        encoder: DualEncoder,
        pairs: RunPairs,
        reference: FrozenReference,
        options: TrainingOptions,
        processes: Processes,
        progress: Progress,
        subspace: Subspace = lambda sample, make: make(),
    ) -> None:
        """Adapt the model; the reference must have been embedded before.

        `subspace` gives the fixed inputs of adapters, which `make` computes.

        Raises:
            ConfigError: patience is set without validation pairs, or `adapt`, `contrast_inputs` or
                `Sampler` rejects the options.
        """
        if options.patience is not None and not len(pairs.validation):
            raise ConfigError(
                "train.patience: the validation split has no usable pairs; remove --patience"
            )
        self._options, self._pairs, self._processes = options, pairs, processes
        how, method = options.optimisation, options.method
        torch.manual_seed(how.seed % 2**63)
        adapt(encoder.model, options.adaptation)
        dtype = torch_dtype(options.precision)
        tokens = CaptionTokens.of_encoder(encoder, PADDED_TO if options.compile else 1)
        fed_with = partial(
            encoders_of, encoder, picture=reference.picture, dtype=dtype, tokens=tokens
        )
        self._encoders, self._held_encoders = fed_with(pairs.train), fed_with(pairs.validation)
        if method.adapter_inputs is AdapterInputs.CONTRAST:
            self._fix_inputs(encoder, reference, subspace, progress)
        if options.compile:
            self._encoders = compiled(self._encoders)
        self._sampler = Sampler(
            pairs.train.levels,
            schedule=options.schedule,
            batch_size=options.batch_size,
            seed=how.seed,
            world_size=processes.count,
            rank=processes.rank,
            avoid_repeats=_keys(pairs.train, pairs.pool),
        )
        rows = torch.from_numpy(reference.text), torch.from_numpy(reference.image)
        self._trainer = Trainer(
            self._encoders, pairs.train, rows, method, self._sampler, how, processes
        )
        self._preservation = None
        if pairs.pool is not None:
            self._preservation = Preservation(pairs.train, pairs.pool, self._sampler.epoch)
        self._prepared = partial(
            preparation, encoder, picture=reference.picture, dtype=dtype, tokens=tokens
        )
        self._history = History(options.patience)

    def _fix_inputs(
        self,
        encoder: DualEncoder,
        reference: FrozenReference,
        subspace: Subspace,
        progress: Progress,
    ) -> None:
        """Fix the adapters' inputs, which the first process computes or remembers, in all."""
        options, sample = self._options, ContrastSample.of(self._pairs.sides)

        def make() -> dict[str, torch.Tensor]:
            dtype = torch_dtype(options.precision)
            safe, unsafe = (
                prepared_items(encoder, side, reference.picture, dtype)
                for side in (sample.safe, sample.unsafe)
            )
            return contrast_inputs(
                self._encoders,
                (safe, unsafe),
                encoder.tower.lengths,
                ridge=options.ridge,
                batch_size=options.batch_images,
                workers=options.optimisation.workers,
                progress=progress,
            )

        found = subspace(sample, make) if self._processes.first else None
        use_inputs(encoder.model, self._processes.broadcast(found))

    def restore(self, state: RunState) -> None:
        """Resume from a state that `train` saved; it must be the same in every process.

        Raises:
            ModelError: the state belongs to another model or adaptation.
        """
        self._trainer.restore(state["trainer"])
        self._history.restore(state["run"])

    def train(self, outputs: Outputs, progress: Progress) -> dict[str, Any]:
        """Train to the end and return the facts; with patience, restore the best epoch.

        Raises:
            TrainingError: a loss, a weight or a vector is not finite.
        """
        epochs, history = self._options.optimisation.epochs, self._history
        outputs.start(self._trainer.step)
        self._saved = time.monotonic()
        # The first one soon: it also keeps the score before training.
        self._wait = 60 * min(_FIRST_MINUTES, self._options.checkpoint_minutes)
        if not history.scores:
            self._validate()
            outputs.validated(0, history.scores[0])
        total = sum(map(self._sampler.pairs, range(1, epochs + 1)))
        seen, split = self._pairs_seen(), WorkSplit()
        task = progress.task("train", total, unit="pairs", done=seen, split=split)
        kept = kept_memory(self._encoders.device)
        with task as advance, memory_advice("--batch-size, or raise --accumulate,"), kept:
            for epoch in range(history.next_epoch, epochs + 1):
                if history.out_of_patience:
                    break
                if not self._sampler.steps(epoch):  # no pairs at its levels
                    history.skip()
                    continue
                self._make_steps(epoch, outputs, advance, split)
                self._validate()
                self._save(outputs)
                # A kill in between loses these points; the other order would duplicate them.
                outputs.validated(self._trainer.step, history.scores[-1])
        outputs.close()
        if history.best is not None:
            load_adapter(self._encoders.model, history.best)
        return self._facts()

    def adapter_file(self) -> bytes:
        """The trained tensors as safetensors."""
        tensors = adapter_tensors(self._encoders.model)
        # Fully trained convolutions may be in channels-last memory format.
        data: bytes = save({name: tensor.contiguous() for name, tensor in tensors.items()})
        return data

    def _make_steps(self, epoch: int, outputs: Outputs, advance: Advance, split: WorkSplit) -> None:
        """Run the remaining steps of an epoch."""
        if self._preservation is not None:
            pairs = self._preservation.epoch(epoch)
            self._trainer.use(pairs, self._prepared(pairs))
        done = self._trainer.step - sum(map(self._sampler.steps, range(1, epoch)))
        for step in self._trainer.epoch(epoch, done, split):
            outputs.add(step)
            advance(step.pairs)
            by_time = time.monotonic() - self._saved >= self._wait
            if by_time or step.step % self._options.save_every == 0:
                self._save(outputs)

    def _save(self, outputs: Outputs) -> None:
        outputs.save(self._trainer.step, self._state)
        self._saved, self._wait = time.monotonic(), 60 * self._options.checkpoint_minutes

    def _validate(self) -> None:
        """Score the held-out pairs in the first process, so that all use the same numbers."""
        held, found = self._pairs.validation, None
        if len(held):
            if self._processes.first:
                found = self._score()
            found = self._processes.broadcast(found)
        self._history.add(found, lambda: adapter_tensors(self._encoders.model))

    def _score(self) -> Validation:
        return score(
            self._held_encoders,
            self._pairs.validation,
            self._options.batch_images,
            self._trainer.step,
            self._options.optimisation.workers,
        )

    def _pairs_seen(self) -> int:
        """Pairs processed so far, counted once per epoch."""
        seen, steps = 0, self._trainer.step
        for epoch in range(1, self._options.optimisation.epochs + 1):
            of_epoch = self._sampler.steps(epoch)
            if steps < of_epoch:
                return seen + steps * self._options.batch_size
            seen, steps = seen + self._sampler.pairs(epoch), steps - of_epoch
        return seen

    def _facts(self) -> dict[str, Any]:
        epochs = range(1, self._history.next_epoch)
        return {
            "pairs": {"train": len(self._pairs.train), "validation": len(self._pairs.validation)},
            "steps": self._trainer.step,
            "preserved": {"pool": self._preserved_of_pool()},
            "scale": self._trainer.scale,
            "learning_rate": self._options.optimisation.learning_rate,
            "epochs_without_pairs": [e for e in epochs if not self._sampler.steps(e)],
            "kept_epoch": self._history.kept_epoch,
            "validation": self._history.scores,
            "trainable": sum(
                item.numel() for item in self._encoders.model.parameters() if item.requires_grad
            ),
        }

    def _preserved_of_pool(self) -> int:
        """Number of items of the pool that the steps so far preserved."""
        if self._preservation is None:
            return 0
        self._preservation.go_to(self._history.next_epoch - 1)
        return self._preservation.used

    def _state(self) -> RunState:
        return {"trainer": self._trainer.state(), "run": self._history.state()}


def _keys(pairs: TrainingPairs, pool: PreservationPool | None) -> list[list[int | None]]:
    """Keys of the targets, and of the safe items but those from the pool, which avoids repeats."""
    takes = [False] * len(pairs) if pool is None else pool.takes.tolist()
    targets = item_keys(pairs.target_captions, pairs.target_image).tolist()
    kept = item_keys(pairs.safe_captions, pairs.safe_image).tolist()
    return [targets, [None if take else key for take, key in zip(takes, kept, strict=True)]]
