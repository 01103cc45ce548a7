"""The loop: batches of pairs in, steps out. Where it stands is a value that can be saved."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from nsfwcaps.errors import TrainingError
from nsfwcaps.runtime.prefetch import prefetch
from nsfwcaps.runtime.processes import Processes
from nsfwcaps.training.adapters import adapter_tensors, check_gradients, load_adapter, train_mode
from nsfwcaps.training.curriculum import Sampler
from nsfwcaps.training.gradient_cache import backward_parts, cached_rows
from nsfwcaps.training.inputs import Encoders, Inputs, encode
from nsfwcaps.training.methods import BatchRows, Method
from nsfwcaps.training.pairs import Rows, TrainingPairs

Tensor = torch.Tensor

_TRIES = 20
"""Of a batch at smaller and smaller scales of the loss, before its gradient counts as broken."""


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """How steps are made."""

    epochs: int
    learning_rate: float
    warmup_share: float
    weight_decay: float
    clip_norm: float | None
    scale: float | None
    """Of InfoNCE; None for the model's own."""
    seed: int
    workers: int
    accumulate: int = 1
    """Parts that a batch, or a process's share of it, is computed in."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step, as the metrics file has it."""

    step: int
    epoch: int
    loss: float
    terms: dict[str, float]
    learning_rate: float
    gradient_norm: float
    pairs: int


class Trainer:
    """Trains what is trainable in a model, towards vectors that were computed before."""

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
        """`reference` are the frozen model's unit rows of all captions and of all pictures.

        The sampler gives the share of this one of the processes.
        """
        self._encoders, self._pairs, self._method = encoders, pairs, method
        self._text, self._image = reference
        self._sampler, self._how, self._processes = sampler, how, processes
        self._total = sampler.total_steps(how.epochs)
        trained = [item for item in encoders.model.parameters() if item.requires_grad]
        self._optimizer = torch.optim.Adam(
            trained, lr=how.learning_rate, weight_decay=how.weight_decay
        )
        # Gradients of half precision are too small for it unless the loss is scaled up.
        self._scaler = torch.amp.GradScaler(
            encoders.device, enabled=encoders.dtype == torch.float16
        )
        self._trained = trained
        self.step = 0

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self._total

    def state(self) -> dict[str, Any]:
        """All that the next step depends on: the rest follows from the seed and the step.

        Save it before the next step: the optimizer's tensors are the ones that it works with.

        Raises:
            TrainingError: a weight is not finite; no run may continue from it.
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
        """Go on from a state.

        Raises:
            ModelError: it is of another model or adaptation.
        """
        load_adapter(self._encoders.model, state["tensors"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        self.step = int(state["step"])

    def epoch(self, number: int, first_step: int) -> Iterator[Step]:
        """Make the steps of an epoch from one on; `first_step` counts within the epoch.

        Raises:
            TrainingError: the loss is not a number; no step is made with it.
        """
        train_mode(self._encoders.model)
        batches = self._sampler.epoch(number)[first_step:]
        mine = self._sampler.batches(number, first_step)
        ahead = prefetch(mine, self._encoders.prepare, self._how.workers)
        for batch, (_, inputs) in zip(batches, ahead, strict=True):
            yield self._make(inputs, number, batch)

    def _make(self, inputs: Inputs, epoch: int, batch: Rows) -> Step:
        """Make a step with this process's share of a batch `[n]`."""
        rate = self._learning_rate()
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss, terms, norm = self._gradients(inputs, batch)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self.step += 1
        return Step(
            step=self.step,
            epoch=epoch,
            loss=loss.item(),
            terms={name: value.item() for name, value in terms.items()},
            learning_rate=rate,
            gradient_norm=norm.item(),
            pairs=len(batch),
        )

    def _gradients(self, inputs: Inputs, batch: Rows) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Loss of a batch, its terms and the norm of the gradient, which is left clipped.

        What is too large for half precision is tried again at a smaller scale, so that every batch
        makes a step.
        """
        for _ in range(_TRIES if self._scaler.is_enabled() else 1):
            self._optimizer.zero_grad(set_to_none=True)
            loss, terms = self._differentiate(inputs, batch)
            if self.step == 0:
                check_gradients(self._encoders.model)
            self._scaler.unscale_(self._optimizer)
            norm = torch.nn.utils.clip_grad_norm_(self._trained, self._how.clip_norm or math.inf)
            if math.isfinite(norm.item()):
                return loss, terms, norm
            self._scaler.update()
        raise self._broken(batch, terms)

    def _differentiate(self, inputs: Inputs, batch: Rows) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch and its terms; the parameters get gradients at the scaler's scale."""
        parts = inputs.parts(self._how.accumulate)

        def embedded(part: int) -> Tensor:
            self._seed(part)
            return encode(self._encoders, parts[part])

        cached = len(parts) > 1
        rows = cached_rows(embedded, len(parts)) if cached else embedded(0)
        whole = self._processes.gather(rows, len(batch))
        loss, terms = self._method.loss(self._beside_frozen(whole, batch), self._scale())
        if not math.isfinite(loss.item()):
            raise self._broken(batch, terms)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if cached:
            assert rows.grad is not None, "the loss depends on every row"
            backward_parts(embedded, len(parts), rows.grad)
        self._processes.sum_gradients(self._trained)
        return loss, terms

    def _seed(self, part: int) -> None:
        """Let dropout follow from the step, the process and the part.

        So a run that goes on is the run that was stopped, and a part that is embedded twice drops
        the same units both times.
        """
        stream = (self._processes.rank << 16) + part
        torch.manual_seed((self._how.seed * 1_000_003 + self.step + (stream << 32)) % 2**63)

    def _beside_frozen(self, trained: Tensor, rows: Rows) -> BatchRows:
        """Trained rows `[2, 2, n, d]` of a batch beside those that were computed before."""
        pairs = self._pairs
        (unsafe_text, safe_text), (unsafe_image, safe_image) = trained
        return BatchRows(
            safe_text=safe_text,
            safe_image=safe_image,
            unsafe_text=unsafe_text,
            unsafe_image=unsafe_image,
            safe_text_reference=self._frozen_text(pairs.safe_text[rows]),
            safe_image_reference=self._frozen_image(pairs.safe_image[rows]),
            unsafe_text_reference=self._frozen_text(pairs.unsafe_text[rows]),
            unsafe_image_reference=self._frozen_image(pairs.unsafe_image[rows]),
            target_text=self._frozen_text(pairs.target_text[rows]),
            target_image=self._frozen_image(pairs.target_image[rows]),
        )

    def _frozen_text(self, rows: Rows) -> Tensor:
        return self._text[rows].to(self._encoders.device)

    def _frozen_image(self, rows: Rows) -> Tensor:
        return self._image[rows].to(self._encoders.device)

    def _scale(self) -> float | Tensor:
        if self._how.scale is not None:
            return self._how.scale
        own: Tensor = self._encoders.model.logit_scale.exp()
        return own

    def _learning_rate(self) -> float:
        """Linear warm-up, then half a cosine to zero."""
        how, warm = self._how, max(1, round(self._how.warmup_share * self._total))
        if self.step < warm:
            return how.learning_rate * (self.step + 1) / warm
        done = (self.step - warm) / max(1, self._total - warm)
        return how.learning_rate * (1 + math.cos(math.pi * done)) / 2

    def _broken(self, batch: Rows, terms: dict[str, Tensor]) -> TrainingError:
        bad = [name for name, value in terms.items() if not math.isfinite(value.item())]
        ids = ", ".join(self._pairs.pair_ids[row] for row in batch[:3])
        what = f"the loss is not a number ({', '.join(bad)})" if bad else "a gradient is not finite"
        return TrainingError(
            f"train: {what} at step {self.step + 1}, pairs {ids}, …; lower --learning-rate, or use "
            "--precision fp32. No step was made with it: the last checkpoint is sound"
        )
