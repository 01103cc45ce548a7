"""`minilm`: all-MiniLM-L6-v2 with weights from a Python package, so it loads offline."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nsfwcaps.encoders.batches import length_sorted
from nsfwcaps.encoders.encoder import (
    Encoded,
    Identity,
    Images,
    Vectors,
    activations,
    finite,
    unit_rows,
)
from nsfwcaps.encoders.token_counts import minilm_folder
from nsfwcaps.encoders.window import Mask, beyond
from nsfwcaps.enums import Precision
from nsfwcaps.errors import ModelError
from nsfwcaps.runtime.allocator import kept_memory
from nsfwcaps.runtime.device import torch_dtype
from nsfwcaps.runtime.memory import memory_advice
from nsfwcaps.runtime.weights import weights_sha256


class MiniLM:
    """Mean of the token vectors under the attention mask, as in training.

    The tower is bidirectional: batches are trimmed to their longest caption, and padding is masked.
    """

    def __init__(self, *, device: str, precision: Precision, batch_tokens: int) -> None:
        import tokenizers
        import torch
        import transformers

        folder = minilm_folder()
        self._torch = torch
        self._batch_tokens = batch_tokens
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        context = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(context)
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        model = transformers.AutoModel.from_pretrained(
            str(folder), local_files_only=True, add_pooling_layer=False
        )
        digest = weights_sha256(model.state_dict())
        self._dtype = torch_dtype(precision)
        self._model: Any = model.eval().to(device=device, dtype=self._dtype)
        self.device = device
        self.identity = Identity(
            name="minilm",
            weights_sha256=digest,
            activation=f"{model.config.hidden_act}:{activations(model)}",
            preprocessing={"pooling": "mean", "lower_case": True},
            precision=precision.value,
            context_length=context,
            width=model.config.hidden_size,
            image_width=None,
            padding="trimmed to the longest of the batch; padding is masked",
        )

    def encode_text(self, captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        """Encode n captions to unit rows `[n, 384]`."""
        tokens = [item.ids for item in self._tokenizer.encode_batch(list(captions))]
        lengths = np.array([len(ids) for ids in tokens], dtype=np.int64)
        out = np.empty((len(tokens), self.identity.width), dtype=np.float32)
        inference = self._torch.inference_mode()
        with inference, memory_advice("--batch-tokens"), kept_memory(self.device):
            for batch in length_sorted(lengths, self._batch_tokens):
                out[batch] = self._encode([tokens[i] for i in batch])
                advance(len(batch))
        return finite(out)

    def truncated(self, captions: Sequence[str]) -> Mask:
        """Return a mask `[n]` of the captions with more tokens than it reads."""
        return beyond(captions, self.identity.context_length, self._count)

    def _count(self, captions: list[str]) -> list[int]:
        """Return the numbers of tokens `[n]`, cut off or not."""
        encoded = self._tokenizer.encode_batch(captions)
        # Each part that was cut off has its own special tokens: its exact length is not needed.
        return [len(item.ids) + sum(len(part.ids) for part in item.overflowing) for item in encoded]

    def _encode(self, tokens: list[list[int]]) -> Vectors:
        torch = self._torch
        longest = max(map(len, tokens))
        ids = torch.zeros((len(tokens), longest), dtype=torch.long)  # [b, t]
        mask = torch.zeros((len(tokens), longest), dtype=torch.long)
        for row, item in enumerate(tokens):
            ids[row, : len(item)] = torch.tensor(item)
            mask[row, : len(item)] = 1
        ids, mask = ids.to(self.device), mask.to(self.device)
        # A batch of equal lengths needs no mask, and attention without one is faster.
        padded = None if bool(mask.all()) else mask
        states = self._model(input_ids=ids, attention_mask=padded).last_hidden_state  # [b, t, d]
        weights = mask.unsqueeze(-1).to(states.dtype)
        return unit_rows((states * weights).sum(1) / weights.sum(1))

    def encode_images(self, images: Images, advance: Callable[[int], None]) -> Encoded:
        """Raise an error: MiniLM reads text only.

        Raises:
            ModelError: always.
        """
        raise ModelError("minilm reads text only; use an open_clip model for images")
