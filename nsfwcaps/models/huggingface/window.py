"""The window of a model of transformers, from its tokenizer's file alone."""

from __future__ import annotations

from collections.abc import Sequence

from nsfwcaps.encoders.languages import languages_of
from nsfwcaps.encoders.token_counts import Window
from nsfwcaps.models.huggingface.files import CONFIG, complete, read_json
from nsfwcaps.models.names import ModelName

_FILE, _SETTINGS = "tokenizer.json", "tokenizer_config.json"


def window(name: ModelName) -> Window | None:
    """Return the window of a CLIP model's folder; None where only transformers can count.

    Tokenizers of other models may change captions before their file is applied.

    Raises:
        ModelError: files of the folder are missing.
    """
    if name.folder is None:
        return None
    what = f"'{name.given}'"
    folder = complete(name.folder, what).folder
    config = read_json(folder / CONFIG, what)
    if config.get("model_type") != "clip" or not (folder / _FILE).is_file():
        return None
    import tokenizers

    backend = tokenizers.Tokenizer.from_file(str(folder / _FILE))
    backend.no_padding()
    backend.no_truncation()

    def count(captions: Sequence[str]) -> list[int]:
        return [len(found.ids) for found in backend.encode_batch(list(captions))]

    positions = config.get("text_config", {}).get("max_position_embeddings", 77)
    settings = folder / _SETTINGS
    most = read_json(settings, what).get("model_max_length", 77) if settings.is_file() else 77
    return Window(
        tokens=min(int(positions), int(most)), count=count, languages=languages_of(name.architecture)
    )
