"""The embedding of an evaluation as work that several processes can share.

It looks like a stage to the executors: settings, digests of what it reads, and shares. Its folder
is `OUT/vectors`. What does not affect a vector is not in the settings, such as the seed of the
tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.config import STRICT_KEYS, setting
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.evaluation.datasets.class_sets import ClassSetRequest
from nsfwcaps.evaluation.datasets.splits import AskedSplit
from nsfwcaps.evaluation.models import NamedModel
from nsfwcaps.evaluation.request import EvaluationRequest, EvaluationTask
from nsfwcaps.stage import Stage

_MODULE = "nsfwcaps.evaluation.shares"


@dataclass(frozen=True, kw_only=True)
class EmbeddingSettings:
    """Embed the data sets of an evaluation."""

    __pydantic_config__ = STRICT_KEYS

    model: tuple[tuple[str, str], ...] = setting((), "Name and model.")
    data: tuple[tuple[str, str], ...] = setting((), "Name and path of pair sets.")
    zeroshot: tuple[tuple[str, str, str | None, str | None], ...] = setting(
        (), "Name, path, class names and templates of classification sets."
    )
    unsafe_images: tuple[tuple[str, str], ...] = setting((), "Name and path of image sets.")
    distractors: str | None = setting(None, "Safe distractor images.")
    suite: tuple[EvaluationTask, ...] | None = setting(None, "Tasks; all that the data supports.")
    split: AskedSplit | None = setting(None, "Split to evaluate.")
    image_root: str | None = setting(None, "Where relative image paths start.")
    precision: Precision = setting(Precision.AUTO, "Number format.")
    device: Device = setting(Device.AUTO, "Device.", affects_output=False)
    batch_tokens: int | None = setting(None, "Tokens per batch.", affects_output=False)
    batch_images: int | None = setting(None, "Images per batch.", affects_output=False)
    workers: int | None = setting(None, "Threads.", affects_output=False)

    @classmethod
    def of(cls, request: EvaluationRequest) -> EmbeddingSettings:
        """Take from a request what decides the vectors."""
        options = request.models[0].options
        return cls(
            model=tuple((item.name, item.model) for item in request.models),
            data=tuple(request.pairs),
            zeroshot=tuple(
                (item.name, item.url, _text(item.classes), _text(item.templates))
                for item in request.class_sets
            ),
            unsafe_images=tuple(request.unsafe_images),
            distractors=request.distractors,
            suite=None if request.tasks is None else tuple(request.tasks),
            split=request.split,
            image_root=request.image_root,
            precision=options.precision,
            device=options.device,
            batch_tokens=options.batch_tokens,
            batch_images=options.batch_images,
            workers=options.workers,
        )

    @property
    def models(self) -> list[NamedModel]:
        """The models, each with the same options."""
        options = EncoderOptions.of(self)
        return [NamedModel(name=name, model=model, options=options) for name, model in self.model]

    @property
    def request(self) -> EvaluationRequest:
        """A request with the same vectors."""
        return EvaluationRequest(
            models=self.models,
            pairs=self.data,
            class_sets=[
                ClassSetRequest(
                    name=name,
                    url=url,
                    classes=None if classes is None else Path(classes),
                    templates=templates,
                )
                for name, url, classes, templates in self.zeroshot
            ],
            unsafe_images=self.unsafe_images,
            distractors=self.distractors,
            tasks=self.suite,
            split=self.split,
            image_root=self.image_root,
        )


def _text(path: Path | str | None) -> str | None:
    return None if path is None else str(path)


def _headline(facts: Mapping[str, Any]) -> str:
    return ""


EMBEDDING = Stage(
    name="vectors",
    settings=EmbeddingSettings,
    module=_MODULE,
    shares=_MODULE,
    headline=_headline,
)
"""Not a stage of a run: it has no record, as its vectors are found by their keys."""
