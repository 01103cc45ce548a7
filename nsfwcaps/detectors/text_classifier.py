"""Any transformers text classifier, given by folder or name and its unsafe labels.

A label may be mapped to an I2P category, as in `threat=violence`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from nsfwcaps.detectors.detector import DetectorStatement, Modality, Scores
from nsfwcaps.detectors.packages import version
from nsfwcaps.enums import Category, Device
from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.runtime import hub
from nsfwcaps.runtime.device import torch_device
from nsfwcaps.runtime.silence import silence
from nsfwcaps.runtime.weights import load_complete, weights_sha256

NAME = "transformers"
_BATCH = 32


class TextClassifier:
    """Scores a text by the sum of its unsafe labels' probabilities.

    For a multi-label model (one sigmoid per label) it is their maximum.
    """

    def __init__(
        self, model: str, labels: Sequence[str], device: Device, threshold: float = 0.5
    ) -> None:
        import torch

        self._torch = torch
        self._device = torch_device(device)
        self._tokenizer, self._model = _load(model)
        config = self._model.config
        self._of_label = _columns(model, config.id2label, labels)
        self._columns = sorted(column for column, _ in self._of_label)
        known = (category for _, category in self._of_label if category is not None)
        self.categories: Sequence[Category] = tuple(dict.fromkeys(known))
        self._several = config.problem_type == "multi_label_classification"
        # Learned positions are limited, and not every tokenizer knows the limit.
        self._length = min(self._tokenizer.model_max_length, _positions(config))
        name = PurePath(model).name
        self.statement = DetectorStatement(
            name=f"{NAME}:{name}",
            kind=Modality.TEXT,
            licence=f"that of {name}",
            trained_for=(
                f"the labels of {name}, of which these count as unsafe: {', '.join(labels)}"
            ),
            version=version("transformers"),
            weights_sha256=weights_sha256(self._model.state_dict()),
            threshold=threshold,
        )
        self._model.eval().to(self._device)

    def score(self, items: Sequence[str]) -> Scores:
        """Return the probability `[n]` of the unsafe labels."""
        return self._scores(items, [self._columns])[:, 0]

    def score_categories(self, items: Sequence[str]) -> Scores:
        """Return the probability `[n, c]` of the labels mapped to each of c known categories."""
        groups = [
            [column for column, category in self._of_label if category is item]
            for item in self.categories
        ]
        return self._scores(items, groups)

    def _scores(self, items: Sequence[str], groups: Sequence[Sequence[int]]) -> Scores:
        """Return probabilities `[n, g]` of g groups of columns."""
        found = [np.empty((0, len(groups)))]
        for start in range(0, len(items), _BATCH):
            tokens = self._tokenizer(
                list(items[start : start + _BATCH]),
                padding=True,
                truncation=True,
                max_length=self._length,
                return_tensors="pt",
            ).to(self._device)
            with self._torch.inference_mode():
                logits = self._model(**tokens).logits.float()  # [b, labels]
            rows = [self._probabilities(logits, group).cpu().numpy() for group in groups]
            found.append(np.stack(rows, axis=1) if rows else np.empty((len(logits), 0)))
        return np.concatenate(found).astype(np.float64)

    def _probabilities(self, logits: Any, columns: Sequence[int]) -> Any:
        if self._several:
            return logits.sigmoid()[:, columns].amax(dim=1)
        return logits.softmax(dim=1)[:, columns].sum(dim=1)


def _load(model: str) -> tuple[Any, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    hub.require_model(model, NAME)
    try:
        with silence():
            tokenizer = AutoTokenizer.from_pretrained(model)
            return tokenizer, load_complete(AutoModelForSequenceClassification, model)
    except Exception as error:  # transformers raises many exception types
        raise ModelError(
            f"{NAME}: cannot load a text classifier and tokenizer from '{model}' "
            f"({type(error).__name__}); give a local folder or a name on the hub"
        ) from None


def _columns(
    model: str, names: dict[int, str], labels: Sequence[str]
) -> list[tuple[int, Category | None]]:
    """Return the logit columns of the unsafe labels, with the category of each."""
    columns = {name: number for number, name in names.items()}
    pairs = [_with_category(label, columns) for label in labels]
    wrong = [label for label, _ in pairs if label not in columns]
    if wrong or not labels:
        missing = f"; it lacks {wrong[0]}" if wrong else ""
        raise ConfigError(
            f"{NAME}: list the unsafe labels of '{model}' as {NAME}:FOLDER#LABEL,LABEL; "
            f"it has {', '.join(columns)}{missing}"
        )
    return [(columns[label], category) for label, category in pairs]


def _with_category(label: str, known: Collection[str]) -> tuple[str, Category | None]:
    """Split `LABEL=CATEGORY`, or a bare label, which may itself contain =."""
    name, sign, category = label.rpartition("=")
    if label in known or not sign:
        return label, None
    try:
        return name, Category(category)
    except ValueError:
        raise ConfigError(
            f"{NAME}: unknown category '{category}'; choose from {', '.join(Category)}"
        ) from None


def _positions(config: Any) -> int:
    """Return the maximum number of tokens; RoBERTa's positions start after the padding id."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None:
        return 512
    offset = (config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0
    return int(positions) - offset
