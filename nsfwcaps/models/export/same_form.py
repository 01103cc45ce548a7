"""Export of a run on a model of transformers in that model's own form: class, files and names."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from nsfwcaps.models.export.read_back import check_read_back
from nsfwcaps.models.huggingface.files import companions
from nsfwcaps.models.huggingface.towers import TransformersClip
from nsfwcaps.runtime.silence import silence


def write(folder: Path, model: TransformersClip, tokenizer: Any) -> None:
    """Write and verify the weights in single precision, and copy tokenizer and image processor.

    Raises:
        ModelError: the model that is loaded from the folder differs.
    """
    with silence():
        model.whole.save_pretrained(folder)
    for file in companions(model.files.folder):
        shutil.copyfile(file, folder / file.name)
    check_read_back(f"hf:{folder}", "transformers", model, tokenizer)
