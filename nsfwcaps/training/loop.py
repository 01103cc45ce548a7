"""The training loop over batches of pairs. Its state can be saved and restored."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from nsfwcaps.enums import RateDecay
from nsfwcaps.errors import TrainingError
from nsfwcaps.runtime.processes import Processes
from nsfwcaps.training.adapters import adapter_tensors, check_gradients, load_adapter, train_mode
from nsfwcaps.training.ahead import Each
from nsfwcaps.training.curriculum import Sampler
from nsfwcaps.training.frozen_rows import FrozenRows
from nsfwcaps.training.gradient_cache import backward_parts, cached_rows
from nsfwcaps.training.inputs import Encoders, Inputs, encode
from nsfwcaps.training.methods import BatchRows, Method
from nsfwcaps.training.pairs import Rows, TrainingPairs
from nsfwcaps.training.step_weights import StepWeights
from nsfwcaps.work import Work, WorkSplit

Tensor = torch.Tensor

_TRIES = 20
"""Attempts per batch, with ever smaller loss scales, before the gradient counts as broken."""


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """Hyperparameters of the optimisation."""

    epochs: int
    learning_rate: float
    warmup_share: float
    weight_decay: float
    clip_norm: float | None
    scale: float | None
    """Logit scale of InfoNCE; None for the model's own."""
    seed: int
    workers: int
    accumulate: int = 1
    """Number of parts in which a process computes its share of a batch."""
    rate_decay: RateDecay = RateDecay.COSINE


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step, as recorded in the metrics file."""

    step: int
    epoch: int
    loss: float
    terms: dict[str, float]
    learning_rate: float
    gradient_norm: float
    pairs: int


class Trainer:
    """Trains the trainable parameters of a model towards precomputed reference vectors."""

    def __init__(
        self,
        encoders: Encoders,
        pairs: TrainingPairs,
        reference: tuple[Tensor, Tensor],
        method: Method,
        sampler: Sampler,
        how: Optimisation,
        processes: Processes = Processes(),  # noqa: B008 - a value
    ) -> None:
        """`reference` holds the frozen model's unit rows of all captions and of all images.

        The sampler returns the share of this process.
        """
        self._encoders, self._pairs, self._method = encoders, pairs, method
        self._frozen = FrozenRows(*reference, encoders.device)
        self._numbers = _numbers(pairs)
        self._sampler, self._how, self._processes = sampler, how, processes
        self._total = sampler.total_steps(how.epochs)
        trained = [item for item in encoders.model.parameters() if item.requires_grad]
        self._optimizer = torch.optim.Adam(
            trained, lr=how.learning_rate, weight_decay=how.weight_decay, fused=True
        )
        # Half-precision gradients underflow unless the loss is scaled up.
        self._scaler = torch.amp.GradScaler(
            encoders.device, enabled=encoders.dtype == torch.float16
        )
        self._trained = trained
        self._weights = StepWeights(encoders.model, encoders.dtype)
        self.scale = how.scale if how.scale is not None else _scale_of(encoders.model)
        """Logit scale of InfoNCE; it is not trained."""
        self.step = 0

    @property
    def total_steps(self) -> int:
        """Number of steps of the complete run."""
        return self._total

    def state(self) -> dict[str, Any]:
        """State that determines the next step, together with the seed.

        Save it before the next step, because it shares the optimizer's tensors.

        Raises:
            TrainingError: a weight is not finite, so the state must not be saved.
        """
        tensors = adapter_tensors(self._encoders.model)
        if bad := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
            raise TrainingError(
                f"train: {len(bad)} of {len(tensors)} weights are not finite after step "
                f"{self.step} (first: {bad[0]}); lower --learning-rate, or use --precision fp32"
            )
        return {
            "step": self.step,
            "tensors": tensors,
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state.

        Raises:
            ModelError: the state belongs to another model or adaptation.
        """
        load_adapter(self._encoders.model, state["tensors"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        self.step = int(state["step"])

    def use(self, pairs: TrainingPairs, prepare: Callable[[Rows, Each], Inputs]) -> None:
        """Use other items in the same pairs from the next epoch on."""
        self._pairs, self._encoders = pairs, replace(self._encoders, prepare=prepare)
        self._numbers = _numbers(pairs)

    def epoch(self, number: int, first_step: int, split: WorkSplit | None = None) -> Iterator[Step]:
        """Run the steps of an epoch, starting at `first_step` within the epoch.

        `split` takes the time of both kinds of work: inputs prepared on threads, and steps.

        Raises:
            TrainingError: the loss or a gradient is not finite; the step is not applied.
        """
        train_mode(self._encoders.model)
        batches = self._sampler.epoch(number)[first_step:]
        mine = self._sampler.batches(number, first_step)
        split = split or WorkSplit()
        ahead = self._encoders.ahead(mine, self._how.workers, split)
        for batch, (_, inputs) in zip(batches, ahead, strict=True):
            with split.timed(Work.COMPUTE):
                step = self._make(inputs, number, batch)
            yield step

    def _make(self, inputs: Inputs, epoch: int, batch: Rows) -> Step:
        """Run a step on this process's share of a batch `[n]`."""
        rate = self._learning_rate()
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss, terms, norm = self._gradients(inputs.to(self._encoders.device), batch)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self.step += 1
        return Step(
            step=self.step,
            epoch=epoch,
            loss=loss,
            terms=terms,
            learning_rate=rate,
            gradient_norm=norm,
            pairs=len(batch),
        )

    def _gradients(self, inputs: Inputs, batch: Rows) -> tuple[float, dict[str, float], float]:
        """Compute the loss of a batch, its terms and the gradient norm; clips the gradient.

        After an overflow in half precision, retries with a smaller loss scale, so that no batch is
        skipped. Waits for the device once, for all numbers together.
        """
        for _ in range(_TRIES if self._scaler.is_enabled() else 1):
            self._optimizer.zero_grad(set_to_none=True)
            loss, terms = self._differentiate(inputs, batch)
            if self.step == 0:
                check_gradients(self._encoders.model)
            self._scaler.unscale_(self._optimizer)
            norm = torch.nn.utils.clip_grad_norm_(self._trained, self._how.clip_norm or math.inf)
            found = torch.stack([loss, norm, *terms.values()]).tolist()
            numbers = dict(zip(terms, found[2:], strict=True))
            if not math.isfinite(found[0]):
                raise self._broken(batch, numbers)
            if math.isfinite(found[1]):
                return found[0], numbers, found[1]
            self._scaler.update()
        raise self._broken(batch, numbers)

    def _differentiate(self, inputs: Inputs, batch: Rows) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a batch and its terms; leaves scaled gradients on the parameters.

        Neither is differentiable.
        """
        parts = inputs.parts(self._how.accumulate)

        def embedded(part: int) -> Tensor:
            self._seed(part)
            with self._weights.held():
                return encode(self._encoders, parts[part])

        cached = len(parts) > 1
        rows = cached_rows(embedded, len(parts)) if cached else embedded(0)
        whole = self._processes.gather(rows, len(batch))
        loss, terms = self._method.loss(self._beside_frozen(whole, batch), self.scale)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if cached:
            assert rows.grad is not None, "the loss depends on every row"
            backward_parts(embedded, len(parts), rows.grad)
        self._processes.sum_gradients(self._trained)
        return loss.detach(), {name: value.detach() for name, value in terms.items()}

    def _seed(self, part: int) -> None:
        """Seed dropout by step, process and part.

        This makes resumed runs identical to uninterrupted ones. A part that is embedded twice
        drops the same units both times.
        """
        stream = (self._processes.rank << 16) + part
        torch.manual_seed((self._how.seed * 1_000_003 + self.step + (stream << 32)) % 2**63)

    def _beside_frozen(self, trained: Tensor, rows: Rows) -> BatchRows:
        """Combine the trained rows `[2, 2, n, d]` of a batch with the precomputed ones."""
        (unsafe_text, safe_text), (unsafe_image, safe_image) = trained
        text, image = self._frozen.of(*self._numbers[..., rows])  # [3, n, d] each
        return BatchRows(
            safe_text=safe_text,
            safe_image=safe_image,
            unsafe_text=unsafe_text,
            unsafe_image=unsafe_image,
            safe_text_reference=text[0],
            safe_image_reference=image[0],
            unsafe_text_reference=text[1],
            unsafe_image_reference=image[1],
            target_text=text[2],
            target_image=image[2],
        )

    def _learning_rate(self) -> float:
        """Linear warm-up, then cosine decay to zero, or none."""
        how, warm = self._how, max(1, round(self._how.warmup_share * self._total))
        if self.step < warm:
            return how.learning_rate * (self.step + 1) / warm
        if how.rate_decay is RateDecay.NONE:
            return how.learning_rate
        done = (self.step - warm) / max(1, self._total - warm)
        return how.learning_rate * (1 + math.cos(math.pi * done)) / 2

    def _broken(self, batch: Rows, terms: dict[str, float]) -> TrainingError:
        bad = [name for name, value in terms.items() if not math.isfinite(value)]
        ids = ", ".join(self._pairs.pair_ids[row] for row in batch[:3])
        what = f"the loss is not finite ({', '.join(bad)})" if bad else "a gradient is not finite"
        return TrainingError(
            f"train: {what} at step {self.step + 1}, pairs {ids}, …; lower --learning-rate, or use "
            "--precision fp32. The step was not applied: the last checkpoint is valid"
        )


def _numbers(pairs: TrainingPairs) -> Rows:
    """Rows in the reference `[2, 3, p]`: text and image of safe items, unsafe ones and targets."""
    return np.stack(
        [
            np.stack([pairs.safe_text, pairs.unsafe_text, pairs.target_text]),
            np.stack([pairs.safe_image, pairs.unsafe_image, pairs.target_image]),
        ]
    )


def _scale_of(model: Any) -> float:
    return float(model.logit_scale.detach().exp())
