"""Text towers of open_clip, and which of them allow trimming batches to the longest caption.

open_clip pads every caption to the context length (77 tokens), so most of the work is padding.
Trimming is exact for two kinds of tower, and is used for these only:

- causal towers pooled at the end token: no token before the end sees the padding behind it;
- Hugging Face towers, whose attention masks the padding.

Every other tower gets the full length. The choice is also verified on the model itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Lengths = npt.NDArray[np.int64]

_PROBE_TOKENS = 16
_PROBE_TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class TextTower:
    """How to encode a model's captions."""

    lengths: Callable[[Any], Lengths]
    """Maps tokens `[n, t]` to the number `[n]` of significant tokens."""
    encode: Callable[[Any], Any]
    """Maps tokens `[b, t']` to features `[b, d]`, not normalised."""
    padding: str


def text_tower(model: Any) -> TextTower:
    """Choose how to encode a model's captions, and verify trimming against full length."""
    tower = _trimmed(model)
    if tower is None:
        return _full(model, "its tower is neither causal nor masked")
    # A fresh, untouched reference: inexact trimming must never be used.
    if not _agrees(tower, _full(model, ""), model):
        return _full(model, "trimming changed this model's numbers")
    return tower


def _trimmed(model: Any) -> TextTower | None:
    text = getattr(model, "text", model)
    if type(text).__name__ == "HFTextEncoder":
        pad = text.config.pad_token_id
        return TextTower(
            lengths=lambda tokens: _last(tokens != pad),
            encode=model.encode_text,
            padding="trimmed to the longest of the batch; padding is masked",
        )
    if (places := getattr(text, "ends", None)) is not None:  # of transformers: takes any length
        return TextTower(
            lengths=lambda tokens: places(tokens).cpu().numpy().astype(np.int64) + 1,
            encode=model.encode_text,
            padding="trimmed to the longest of the batch; the tower is causal",
        )
    pool = getattr(text, "text_pool_type", getattr(text, "pool_type", None))
    causal = getattr(text, "attn_mask", None) is not None
    if not causal or pool not in ("argmax", "eos") or getattr(text, "cls_emb", None) is not None:
        return None
    eos = getattr(text, "text_eos_id", getattr(text, "eos_id", None))

    def ends(tokens: Any) -> Any:
        return tokens.argmax(-1) if pool == "argmax" else (tokens == eos).int().argmax(-1)

    return TextTower(
        lengths=lambda tokens: ends(tokens).cpu().numpy().astype(np.int64) + 1,
        encode=lambda tokens: _encode_causal(text, tokens, ends(tokens)),
        padding="trimmed to the longest of the batch; the tower is causal",
    )


def _full(model: Any, why: str) -> TextTower:
    return TextTower(
        lengths=lambda tokens: np.full(tokens.shape[0], tokens.shape[1], dtype=np.int64),
        encode=model.encode_text,
        padding=f"full context; {why}",
    )


def _encode_causal(text: Any, tokens: Any, ends: Any) -> Any:
    """Like open_clip's `CLIP.encode_text`, but for inputs of any length `[b, t']`."""
    import torch

    dtype = text.transformer.get_cast_dtype()
    length = tokens.shape[1]
    x = text.token_embedding(tokens).to(dtype)  # [b, t', w]
    x = x + text.positional_embedding[:length].to(dtype)
    x = text.transformer(x, attn_mask=text.attn_mask[:length, :length])
    # Only the pooled row is needed: the final norm works row by row.
    x = text.ln_final(x[torch.arange(x.shape[0], device=x.device), ends])  # [b, w]
    if text.text_projection is None:
        return x
    if isinstance(text.text_projection, torch.nn.Linear):
        return text.text_projection(x)
    return x @ text.text_projection  # [b, d]


def _agrees(tower: TextTower, full: TextTower, model: Any) -> bool:
    """Whether both ways agree on two made-up captions."""
    import torch
    from torch.nn.functional import normalize

    text = getattr(model, "text", model)
    config = getattr(text, "config", None)  # present in Hugging Face towers, which take any length
    context = text.context_length if config is None else _PROBE_TOKENS
    vocabulary = text.vocab_size
    pad = getattr(config, "pad_token_id", 0) or 0
    end = vocabulary - 1
    eos = getattr(text, "text_eos_id", getattr(text, "eos_id", None))
    pool = getattr(text, "text_pool_type", getattr(text, "pool_type", None))
    if pool == "eos" and eos is not None:
        end = eos
    tokens = torch.full((2, context), pad, dtype=torch.long)
    tokens[0, :4] = torch.tensor([pad + 1, pad + 3, pad + 4, end])
    tokens[1, :7] = torch.tensor([pad + 1, *range(pad + 3, pad + 8), end])
    device = next(model.parameters()).device
    with torch.inference_mode():
        tokens = tokens.to(device)
        short = tower.encode(tokens[:, : int(tower.lengths(tokens).max())])
        whole = full.encode(tokens)
        gap = (normalize(short.float(), dim=-1) - normalize(whole.float(), dim=-1)).abs().max()
    return bool(gap <= _PROBE_TOLERANCE)


def _last(real: Any) -> Lengths:
    """Return one more than the position of the last true value of each row `[n, t]`."""
    flags = real.cpu().numpy()
    reversed_first = np.argmax(flags[:, ::-1], axis=1)
    return np.where(flags.any(axis=1), flags.shape[1] - reversed_first, 1).astype(np.int64)
