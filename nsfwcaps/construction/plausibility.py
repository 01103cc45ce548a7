"""How plausible an edit is, beside its source: this ranks the edits proposed for a caption.

By default the aligner's cosine is used: a hazard that belongs into a scene moves its vector less
than one that does not. A local language model is the better judge where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nsfwcaps.construction.editors.local import source_digest
from nsfwcaps.construction.edits import edit
from nsfwcaps.enums import Device
from nsfwcaps.errors import ConfigError, ModelError

ALIGNER = "aligner"
LOCAL = "local:"

_BATCH = 16

Scores = npt.NDArray[np.float32]


class Ranking(Protocol):
    """Scores edits; higher is more plausible."""

    @property
    def statement(self) -> str:
        """Name and version, from which its scores follow."""
        ...

    def score(self, sources: Sequence[str], edits: Sequence[str], cosines: Scores) -> Scores:
        """Return scores `[m]` of m edits, given their sources and cosines."""
        ...


class CosineRanking:
    """The aligner's cosine of edit and source."""

    statement = ALIGNER

    def score(self, sources: Sequence[str], edits: Sequence[str], cosines: Scores) -> Scores:
        """Return the cosines."""
        return cosines


class LanguageModelRanking:
    """Log-probability, in nats, that a causal language model gives to each added word."""

    def __init__(self, name: str, device: Device) -> None:
        import torch
        import transformers

        from nsfwcaps.runtime.device import torch_device

        folder = name.removeprefix(LOCAL)
        self.statement = f"{name}, {source_digest(name)}"
        self._torch = torch
        self._device = torch_device(device)
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, padding_side="right"
            )
            model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, dtype="auto"
            )
        except (OSError, ValueError):
            raise ModelError(
                f"{name}: transformers cannot load a language model from this folder"
            ) from None
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model = model.eval().to(self._device)

    def score(self, sources: Sequence[str], edits: Sequence[str], cosines: Scores) -> Scores:
        """Return (log P(edit) - log P(source)) / words added, `[m]`."""
        texts = [*dict.fromkeys([*sources, *edits])]
        of = dict(zip(texts, self._log_probabilities(texts), strict=True))
        return np.array(
            [
                (of[after] - of[before]) / max(1, edit(before, after).added)
                for before, after in zip(sources, edits, strict=True)
            ],
            dtype=np.float32,
        )

    def _log_probabilities(self, texts: Sequence[str]) -> list[float]:
        """Return the log-probability of each text after the end-of-text token."""
        torch = self._torch
        start = self._tokenizer.eos_token or self._tokenizer.bos_token or ""
        found: list[float] = []
        for at in range(0, len(texts), _BATCH):
            tokens = self._tokenizer(
                [start + text for text in texts[at : at + _BATCH]],
                padding=True,
                add_special_tokens=False,
                return_tensors="pt",
            ).to(self._device)
            with torch.inference_mode():
                logits = self._model(
                    input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
                ).logits
            logs = torch.log_softmax(logits[:, :-1].float(), dim=-1)  # [b, t - 1, v]
            of_next = logs.gather(2, tokens["input_ids"][:, 1:, None])[..., 0]
            found += (of_next * tokens["attention_mask"][:, 1:]).sum(dim=1).tolist()
        return found


def check(name: str) -> None:
    """Check the form of a name.

    Raises:
        ConfigError: it is neither `aligner` nor `local:FOLDER`.
    """
    if name != ALIGNER and not name.startswith(LOCAL):
        raise ConfigError(f"plausibility: unknown '{name}'; expected aligner or local:FOLDER")


def digest_of(name: str) -> str:
    """Digest of everything that determines the scores.

    Raises:
        ModelError: the folder does not exist or holds no model.
    """
    return ALIGNER if name == ALIGNER else source_digest(name)


def load(name: str, device: Device) -> Ranking:
    """Load a ranking by its name.

    Raises:
        ModelError: the language model cannot be loaded.
    """
    return CosineRanking() if name == ALIGNER else LanguageModelRanking(name, device)
