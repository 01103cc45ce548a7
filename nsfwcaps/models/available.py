"""Whether a model can be loaded, before hours of other work: its name, files and network."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nsfwcaps.errors import ModelError
from nsfwcaps.models.huggingface import files
from nsfwcaps.models.lineage import lineage
from nsfwcaps.models.names import Form, ModelName, parse
from nsfwcaps.runtime import hub

_LISTED = 8
_OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "spiece.model")
_ENDINGS = (".pt", ".pth", ".bin", ".safetensors", ".ckpt", ".npz")


def check(model: str, setting: str, *, reaching: bool = True) -> None:
    """Check that a model can be loaded, in seconds and without loading it.

    Without `reaching`, only its name is checked.

    Raises:
        ConfigError: the name has no known form.
        ModelError: an architecture, a tag or a file is unknown, or neither here nor within reach.
    """
    check_name(parse(model), setting, reaching=reaching)


def check_name(name: ModelName, setting: str, *, reaching: bool = True) -> None:
    """Check the same for a parsed name."""
    if name.form is Form.TRAINED_RUN:
        assert name.folder is not None, "a trained run is a folder"
        base = parse(lineage(name.folder)[-1].base)
        check_name(base, f"{setting} (the base of '{name.given}')", reaching=reaching)
    elif name.form is Form.OPEN_CLIP:
        _check_open_clip(name, setting, reaching=reaching)
    elif name.form is Form.HUB and reaching:
        hub.require(_hub_files(name), f"{setting}: '{name.given}'", instead=_INSTEAD)
    elif name.form is Form.HUGGING_FACE:
        files.check(name, f"{setting}: '{name.given}'", reaching=reaching)
    elif name.form is Form.LOCAL_FOLDER:
        assert name.folder is not None, "a local model is a folder"
        if not name.folder.is_dir():
            raise ModelError(
                f"{setting}: '{name.given}': there is no folder {name.folder}; check its path"
            )
        if not (name.folder / "open_clip_config.json").is_file():
            raise ModelError(
                f"{setting}: '{name.given}': the folder has no open_clip_config.json; expected a "
                "model that open_clip has written"
            )


_INSTEAD = (
    "give a downloaded checkpoint as the tag (open_clip:MODEL/PATH) or a folder (local-dir:FOLDER)"
)


def _check_open_clip(name: ModelName, setting: str, *, reaching: bool) -> None:
    import open_clip

    weights, what = name.weights or "", f"{setting}: '{name.given}'"
    if name.architecture not in (known := open_clip.list_models()):
        raise ModelError(
            f"{what}: open_clip has no architecture '{name.architecture}'"
            f"{_near(name.architecture, known, 'open_clip.list_models() lists all')}"
        )
    if Path(weights).is_file():
        return
    tags = open_clip.list_pretrained_tags_by_model(name.architecture)
    if not open_clip.get_pretrained_cfg(name.architecture, weights):
        if "/" in weights or weights.endswith(_ENDINGS):
            raise ModelError(f"{what}: there is no checkpoint {weights}; check its path")
        listed = ", ".join(tags[:_LISTED]) + (", …" if len(tags) > _LISTED else "")
        raise ModelError(
            f"{what}: {name.architecture} has no weights with the tag '{weights}'"
            f"{_near(weights, tags, f'it has {listed}' if tags else 'it has none')}"
        )
    if reaching:
        _reach(name, what)


def _near(given: str, known: list[str], otherwise: str) -> str:
    close = difflib.get_close_matches(given, known, n=3)
    return f"; did you mean {' or '.join(close)}?" if close else f"; {otherwise}"


def _reach(name: ModelName, what: str) -> None:
    """Check the files of published weights."""
    import open_clip

    published = open_clip.get_pretrained_cfg(name.architecture, name.weights)
    needed = [*_tokenizer(open_clip.get_model_config(name.architecture))]
    if place := published.get("hf_hub"):
        repository, _, file = place.rpartition("/")
        names = (file,) if file else _OPEN_CLIP_FILES
        if file:  # open_clip prefers the same name with another ending
            names = (file, str(Path(file).with_suffix(".safetensors")))
        needed.append(hub.HubFile(repository=repository, names=names))
    hub.require(needed, what, instead=_INSTEAD)


def _hub_files(name: ModelName) -> Iterator[hub.HubFile]:
    repository, _, revision = name.given.partition(":")[2].partition("@")
    for names in (("open_clip_config.json",), _OPEN_CLIP_FILES):
        yield hub.HubFile(repository=repository, names=names, revision=revision or None)


def _tokenizer(config: dict[str, Any] | None) -> Iterator[hub.HubFile]:
    """Yield the tokenizer's file, for models that take it from the hub."""
    text = (config or {}).get("text_cfg", {})
    if repository := text.get("hf_tokenizer_name"):
        yield hub.HubFile(repository=repository, names=_TOKENIZER_FILES)
