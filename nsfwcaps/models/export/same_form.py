"""Export of a run on a model of transformers in that model's own form: class, files and names."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from nsfwcaps.encoders.clip import preprocessing
from nsfwcaps.encoders.encoder import activations
from nsfwcaps.errors import ModelError
from nsfwcaps.models.create import create
from nsfwcaps.models.huggingface.files import companions
from nsfwcaps.models.huggingface.towers import TransformersClip
from nsfwcaps.models.names import parse
from nsfwcaps.runtime.silence import silence
from nsfwcaps.runtime.weights import weights_sha256

_CAPTIONS = ["a photo of a cat", "Two dogs, one ball; it's 3 o'clock.", "word " * 100, ""]


def write(folder: Path, model: TransformersClip, tokenizer: Any) -> None:
    """Write and verify the weights in single precision, and copy tokenizer and image processor.

    Raises:
        ModelError: the model that is loaded from the folder differs.
    """
    with silence():
        model.whole.save_pretrained(folder)
    for file in companions(model.files.folder):
        shutil.copyfile(file, folder / file.name)
    _check(folder, model, tokenizer)


def _check(folder: Path, model: TransformersClip, tokenizer: Any) -> None:
    written, _, its_tokenizer = create(parse(f"hf:{folder}"))
    differ = [
        name
        for name, fact in {
            "weights": lambda item: weights_sha256(item.state_dict()),
            "activation": activations,
            "preprocessing or configuration": preprocessing,
        }.items()
        if fact(written) != fact(model)
    ]
    if not bool((its_tokenizer(_CAPTIONS) == tokenizer(_CAPTIONS)).all()):
        differ.append("tokenizer")
    if differ:
        raise ModelError(
            f"the model that transformers loads from the export differs in {', '.join(differ)} "
            "and was not delivered; use the run's folder as --model, and report this bug"
        )
