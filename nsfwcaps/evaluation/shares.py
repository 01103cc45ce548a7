"""The embedding of an evaluation, shared by several processes: one phase for each model.

The evaluation itself then finds the vectors. A model that cannot be loaded, or whose vectors are
not finite, is left to it: it says so, and goes on with the others.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.enums import Precision
from nsfwcaps.errors import InputError, ModelError
from nsfwcaps.evaluation.models import Model
from nsfwcaps.evaluation.run import Evaluation
from nsfwcaps.evaluation.shared import EmbeddingSettings
from nsfwcaps.evaluation.vectors import VERSION as VERSION
from nsfwcaps.evaluation.vectors import VectorFolder
from nsfwcaps.models import create
from nsfwcaps.progress import Advance, Silent
from nsfwcaps.sharing import Part, Phase


def sources(settings: EmbeddingSettings) -> Mapping[str, str]:
    """Return digests of the models' local files; the data is compared when it is read."""
    found = {}
    for name, model in settings.model:
        with suppress(ModelError):  # left to the evaluation
            found[f"model:{name}"] = create.source_digest(model)
    return found


def phases(
    settings: EmbeddingSettings, folder: StageFolder, inputs: Mapping[str, StageRecord]
) -> Iterator[Phase]:
    """Yield the models, but those that have been measured already."""
    evaluation = _opened(settings, folder)
    to_do = {one.part.model for one in evaluation.planned() if one.done is not True}
    base, *others = evaluation.models
    for model in [base, *(model for model in others if model.name in to_do)] if to_do else []:
        with suppress(ModelError):
            sets = evaluation.items(model)
            shards = sum(len(items.blocks) for items in sets)
            rows = sum(len(items.ids) for items in sets)
            yield Phase(name=model.name, shards=shards, rows=rows, unit="items")


def settled(settings: EmbeddingSettings, agreed: Mapping[str, Any]) -> EmbeddingSettings:
    """Name the precision that the workers have chosen."""
    return replace(settings, precision=Precision(agreed["precision"]))


class EmbeddingShares:
    """The data sets, and the model at work."""

    def __init__(self, settings: EmbeddingSettings, folder: StageFolder) -> None:
        from nsfwcaps.runtime.device import resolve_precision

        self._evaluation = _opened(settings, folder)
        writer = folder.writer or f"{socket.gethostname()}-{os.getpid()}"
        self._folder = VectorFolder(folder.path, Silent(), writer=writer)
        device = self._evaluation.models[0].device
        self._agreed: dict[str, Any] = {
            "precision": resolve_precision(settings.precision, device).value,
            "data": self._evaluation.data_digest,
        }
        for model in self._evaluation.models:
            with suppress(ModelError):
                self._agreed[f"weights of {model.name}"] = model.identity.digest
            model.close()

    @property
    def agreed(self) -> Mapping[str, Any]:
        """The precision, and digests of the data and of each model."""
        return self._agreed

    def make(self, phase: str, part: Part, advance: Advance) -> None:
        """Encode every n-th run of blocks with a model, which is held until the next one.

        Raises:
            ModelError: this process has loaded other weights than it said.
        """
        for model in self._evaluation.models:
            if model.name != phase:
                model.close()
                continue
            with suppress(ModelError, InputError):
                self._folder.make_some(model, self._evaluation.items(model), part, advance)
            self._compare(model)

    def _compare(self, model: Model) -> None:
        known = self._agreed.get(f"weights of {model.name}")
        if known is not None and model.identity.digest != known:
            raise ModelError(
                f"--model {model.name}: this machine has loaded other weights than were known by "
                "that name; give all machines the same weights"
            )


def open_shares(
    settings: EmbeddingSettings, folder: StageFolder, inputs: Mapping[str, StageRecord]
) -> EmbeddingShares:
    """Read the data sets, and identify the models."""
    return EmbeddingShares(settings, folder)


def _opened(settings: EmbeddingSettings, folder: StageFolder) -> Evaluation:
    return Evaluation(settings.request, folder.path.parent, Silent())
