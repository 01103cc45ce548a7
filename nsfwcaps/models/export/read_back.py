"""What every export of a model proves before it is delivered: it loads as what was written."""

from __future__ import annotations

from typing import Any

from nsfwcaps.encoders.clip import preprocessing
from nsfwcaps.encoders.encoder import activations
from nsfwcaps.errors import ModelError
from nsfwcaps.models.create import create
from nsfwcaps.models.names import parse
from nsfwcaps.runtime.weights import weights_sha256

_CAPTIONS = ["a photo of a cat", "Two dogs, one ball; it's 3 o'clock.", "word " * 100, ""]


def check_read_back(name: str, library: str, model: Any, tokenizer: Any) -> None:
    """Load a written model by its name, and compare it with the one that was to be written.

    Raises:
        ModelError: what `library` loads differs.
    """
    written, _, its_tokenizer = create(parse(name))
    differ = [
        what
        for what, fact in {
            "weights": lambda item: weights_sha256(item.state_dict()),
            "activation": activations,
            "preprocessing": preprocessing,
        }.items()
        if fact(written) != fact(model)
    ]
    if not bool((its_tokenizer(_CAPTIONS) == tokenizer(_CAPTIONS)).all()):
        differ.append("tokenizer")
    if differ:
        raise ModelError(
            f"the model that {library} loads from the export differs in {', '.join(differ)} "
            "and was not delivered; use the run's folder as --model, and report this bug"
        )
