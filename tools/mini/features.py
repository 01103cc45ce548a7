"""Cached features of the frozen towers: training then runs the heads alone."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.encoders.batches import length_sorted
from nsfwcaps.progress import Progress
from nsfwcaps.runtime.batch_size import BatchSize

Features = npt.NDArray[np.float32]

_BATCH_IMAGES = 32
_BATCH_TOKENS = 8192


class Towers:
    """Both towers without their heads, with a cache folder."""

    def __init__(self, model: Any, preprocess: Any, tokenizer: Any, cache: Path) -> None:
        self._model, self._preprocess, self._tokenizer = model, preprocess, tokenizer
        self._cache = cache
        cache.mkdir(parents=True, exist_ok=True)

    def images(
        self, name: str, files: Sequence[bytes], progress: Progress, *, mirrored: bool = False
    ) -> Features:
        """Return features `[n, 1280]` of image files in any format that Pillow reads."""
        import torch
        from PIL import Image, ImageOps

        def compute() -> Features:
            trunk = self._model.visual.trunk.to(memory_format=torch.channels_last)
            rows = []
            with torch.inference_mode(), progress.task(name, len(files)) as advance:
                for start in range(0, len(files), _BATCH_IMAGES):
                    part = files[start : start + _BATCH_IMAGES]
                    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in part]
                    if mirrored:
                        pictures = [ImageOps.mirror(picture) for picture in pictures]
                    batch = torch.stack([self._preprocess(picture) for picture in pictures])
                    rows.append(trunk(batch.to(memory_format=torch.channels_last)).numpy())
                    advance(len(part))
            return np.concatenate(rows)

        return self._kept([b"mirrored" if mirrored else b"as is", *files], compute)

    def captions(self, name: str, captions: Sequence[str], progress: Progress) -> Features:
        """Return features `[n, 384]` of captions: the mean over tokens, not normalised."""
        import torch

        def compute() -> Features:
            text = self._model.text
            tokens = self._tokenizer(list(captions))  # [n, t]
            lengths = (tokens != text.config.pad_token_id).sum(1).numpy()
            out = np.empty((len(captions), text.config.hidden_size), dtype=np.float32)
            with torch.inference_mode(), progress.task(name, len(captions)) as advance:
                order = np.argsort(lengths, kind="stable")
                limit = BatchSize.of_tokens(_BATCH_TOKENS, "cpu")
                for places in length_sorted(lengths[order], limit):
                    batch = order[places.start : places.stop]
                    ids = tokens[batch, : int(lengths[batch[-1]])]
                    mask = (ids != text.config.pad_token_id).long()
                    states = text.transformer(input_ids=ids, attention_mask=mask)
                    out[batch] = text.pooler(states, mask).numpy()
                    advance(len(batch))
            return out

        return self._kept([b"captions", *(caption.encode() for caption in captions)], compute)

    def _kept(self, inputs: Sequence[bytes], compute: Callable[[], Features]) -> Features:
        whole = hashlib.sha256()
        for item in inputs:
            whole.update(len(item).to_bytes(8, "big") + item)
        path = self._cache / f"{whole.hexdigest()[:24]}.npy"
        if path.is_file():
            kept: Features = np.load(path)
            return kept
        features = compute()
        np.save(path, features)
        return features
