"""The window of the encoder that a pool is meant for, from its tokenizer alone."""

from __future__ import annotations

from nsfwcaps.encoders import token_counts
from nsfwcaps.encoders.token_counts import Window
from nsfwcaps.models.huggingface.window import window as huggingface_window
from nsfwcaps.models.lineage import lineage
from nsfwcaps.models.names import DEFAULTS, Form, parse

_MINI_ARCHITECTURE = "nsfwcaps-mini"


def chosen_model(model: str | None, *, with_images: bool) -> str:
    """Return the model that `embed` would use."""
    return model or DEFAULTS[with_images]


def window_of(model: str) -> Window | None:
    """Return the window of a model; None if its tokenizer does not load alone.

    Raises:
        ConfigError: the name has no known form.
        ModelError: a package is not installed, or a trained run is damaged.
    """
    name = parse(model)
    if name.form is Form.MINILM:
        return token_counts.minilm_window()
    if name.form is Form.MINI or name.architecture == _MINI_ARCHITECTURE:
        return token_counts.mini_window()
    if name.form is Form.TRAINED_RUN and name.folder is not None:
        return window_of(lineage(name.folder)[-1].base)
    if name.form is Form.HUGGING_FACE:
        return huggingface_window(name)
    return token_counts.clip_window(name.architecture) if name.form is Form.OPEN_CLIP else None
