"""`minilm`: all-MiniLM-L6-v2 with weights from a Python package, so it loads offline."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nsfwcaps.encoders.encoder import (
    Encoded,
    Identity,
    Images,
    activations,
    finite,
)
from nsfwcaps.encoders.keeping import Keeper
from nsfwcaps.encoders.text_batches import TokenBatch, Tokenised, start_by_length
from nsfwcaps.encoders.token_counts import minilm_folder
from nsfwcaps.encoders.window import Mask, beyond
from nsfwcaps.encoders.word_tokenizer import of_word_pieces
from nsfwcaps.enums import Precision
from nsfwcaps.errors import ModelError
from nsfwcaps.runtime.allocator import kept_memory
from nsfwcaps.runtime.batch_size import BatchSize
from nsfwcaps.runtime.device import torch_dtype
from nsfwcaps.runtime.memory import memory_advice
from nsfwcaps.runtime.weights import weights_sha256
from nsfwcaps.work import WorkSplit


class MiniLM:
    """Mean of the token vectors under the attention mask, as in training.

    The tower is bidirectional: batches are trimmed to their longest caption, and padding is masked.
    """

    def __init__(self, *, device: str, precision: Precision, batch_tokens: int | None) -> None:
        import tokenizers
        import torch
        import transformers

        folder = minilm_folder()
        self._torch = torch
        self._size = BatchSize.of_tokens(batch_tokens, device)
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        context = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
        fast = of_word_pieces(tokenizer, clean=str, context=context)
        assert fast is not None, "MiniLM has BERT's tokenizer"
        self._fast = fast
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

    def prepared(self, captions: Sequence[str]) -> Tokenised:
        """Tokenise captions `[n]`, at least one, for `encode_text`; on any thread."""
        tokens, lengths = self._fast.rows(captions)
        return Tokenised(captions, tokens=tokens, lengths=lengths)

    def encode_text(self, captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        """Encode n captions to unit rows `[n, d]`."""
        return self.started(captions, advance)()

    def started(
        self,
        captions: Sequence[str],
        advance: Callable[[int], None],
        keeper: Keeper | None = None,
    ) -> Callable[[], Encoded]:
        """Send n captions to the device; the function returned waits for their unit rows."""
        if not captions:  # Hugging Face tokenizers reject an empty list
            nothing = np.empty((0, self.identity.width), dtype=np.float32)
            return lambda: Encoded(rows=nothing, failed={})
        inference = self._torch.inference_mode()
        with inference, memory_advice("--batch-tokens"), kept_memory(self.device):
            rows = start_by_length(
                captions,
                self.prepared,
                self._encode,
                size=self._size,
                device=self.device,
                width=self.identity.width,
                advance=advance,
                keeper=keeper,
            )
        return lambda: finite(rows())

    def truncated(self, captions: Sequence[str]) -> Mask:
        """Return a mask `[n]` of the captions with more tokens than it reads."""
        return beyond(captions, self.identity.context_length, self._fast.count)

    def _encode(self, batch: TokenBatch) -> Any:
        """Return features `[b, d]`, not normalised."""
        torch = self._torch
        places = torch.arange(batch.ids.shape[1], device=batch.ids.device)
        mask = (places < batch.lengths[:, None]).long()  # [b, t]
        # A batch of equal lengths needs no mask, and attention without one is faster.
        padded = mask if batch.padded else None
        states = self._model(input_ids=batch.ids, attention_mask=padded).last_hidden_state
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)  # states: [b, t, d]

    def encode_images(
        self,
        images: Images,
        advance: Callable[[int], None],
        split: WorkSplit | None = None,
        keeper: Keeper | None = None,
    ) -> Encoded:
        """Raise an error: MiniLM reads text only.

        Raises:
            ModelError: always.
        """
        raise ModelError("minilm reads text only; use an open_clip model for images")
