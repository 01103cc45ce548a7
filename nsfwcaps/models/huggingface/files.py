"""Files of a model as transformers writes it: where they are, and whether all are there."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.errors import ModelError, first_line
from nsfwcaps.models.names import ModelName
from nsfwcaps.runtime import hub

CONFIG = "config.json"
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
KINDS = {"clip": "CLIPModel", "siglip": "SiglipModel", "siglip2": "Siglip2Model"}
"""Class in transformers, by `model_type` of the configuration."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_PATTERNS = ["*.json", "*.txt", "*.model", "model*.safetensors"]
_INDEX = ".index.json"
_TOKENIZERS = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("spiece.model",),
    ("tokenizer.model",),
)
_COMPANIONS = (
    *PROCESSORS,
    *(name for names in _TOKENIZERS for name in names),
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
_ONE_TOWER = ("text_model", "vision_model")
_NEEDED = "expected CLIPModel, SiglipModel or Siglip2Model with tokenizer and image processor"
_INSTEAD = "give the folder of a copy (hf:FOLDER)"


@dataclass(frozen=True, kw_only=True)
class HuggingFaceFiles:
    """A complete folder."""

    folder: Path
    kind: str
    """`model_type`: a key of `KINDS`."""

    @property
    def loads_as(self) -> str:
        """Class of transformers that loads it."""
        return KINDS[self.kind]


def check(name: ModelName, what: str, *, reaching: bool) -> None:
    """Check in milliseconds that a model is there or, with `reaching`, within reach.

    Raises:
        ModelError: it is not, or files are missing; the message begins with `what`.
    """
    if name.folder is not None:
        complete(name.folder, what)
        return
    repository, revision = repository_of(name)
    if not _REPOSITORY.fullmatch(repository):
        raise ModelError(
            f"{what}: there is no folder {repository}; check its path, or name a model on the hub "
            "(hf:ORG/NAME)"
        )
    if reaching:
        hub.require(_hub_files(repository, revision), what, instead=_INSTEAD)


def found(name: ModelName, what: str) -> HuggingFaceFiles:
    """Return the complete folder of a model; one on the hub is downloaded first.

    Raises:
        ModelError: it cannot be downloaded, or files are missing.
    """
    check(name, what, reaching=True)
    return complete(name.folder or _downloaded(name, what), what)


def complete(folder: Path, what: str) -> HuggingFaceFiles:
    """Check a folder's files.

    Raises:
        ModelError: one is missing, or the configuration is of another architecture.
    """
    kind = _kind(folder, what)
    if not any((folder / name).is_file() for name in PROCESSORS):
        raise ModelError(
            f"{what}: the folder has no image processor ({' or '.join(PROCESSORS)}); copy it from "
            "the model that this one was made of"
        )
    if not any(all((folder / name).is_file() for name in names) for names in _TOKENIZERS):
        raise ModelError(
            f"{what}: the folder has no tokenizer (tokenizer.json, or vocab.json with merges.txt, "
            "or spiece.model); copy it from the model that this one was made of"
        )
    _check_weights(folder, what)
    return HuggingFaceFiles(folder=folder, kind=kind)


def companions(folder: Path) -> list[Path]:
    """Files of the tokenizer and the image processor in a folder."""
    return [folder / name for name in _COMPANIONS if (folder / name).is_file()]


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ModelError: the file is missing, damaged or something else.
    """
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise ModelError(f"{what}: {path.name} is missing or damaged; copy the folder again")
    return values


def repository_of(name: ModelName) -> tuple[str, str | None]:
    """Return repository and revision of `hf:ORG/NAME[@REVISION]`."""
    repository, _, revision = name.given.partition(":")[2].partition("@")
    return repository, revision or None


def _kind(folder: Path, what: str) -> str:
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{what}: the folder has no {CONFIG}; {_NEEDED}")
    kind = str(read_json(folder / CONFIG, what).get("model_type"))
    if kind in KINDS:
        return kind
    has = "a single tower" if kind.endswith(_ONE_TOWER) else "another architecture"
    raise ModelError(f"{what}: {CONFIG} is of {has} (model_type {kind}); {_NEEDED}")


def _check_weights(folder: Path, what: str) -> None:
    for name in _WEIGHTS:
        if (folder / name).is_file():
            _check_whole(folder / name, what)
            return
        if (index := folder / f"{name}{_INDEX}").is_file():
            shards = read_json(index, what).get("weight_map")
            names = sorted(set(shards.values())) if isinstance(shards, dict) else []
            gone = [shard for shard in names if not (folder / str(shard)).is_file()]
            if gone or not names:
                raise ModelError(
                    f"{what}: {gone[0] if gone else 'every shard'} of {index.name} is missing; "
                    "copy the whole folder again"
                )
            for shard in names:
                _check_whole(folder / str(shard), what)
            return
    raise ModelError(
        f"{what}: the folder has no weights (model.safetensors, its shards with their index, or "
        "pytorch_model.bin); copy the whole folder again"
    )


def _check_whole(path: Path, what: str) -> None:
    """Check that a safetensors file is as long as its header says, without reading the weights."""
    if path.suffix != ".safetensors":
        return
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header: dict[str, Any] = json.loads(file.read(length)) if length < size else {}
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name[:2] != "__"]
        whole = size == 8 + length + max(ends)
    except (AttributeError, LookupError, TypeError, ValueError, struct.error):
        whole = False
    if not whole:
        raise ModelError(
            f"{what}: {path.name} is damaged, incomplete or a pointer of Git LFS ({size:,} bytes); "
            "copy it again"
        )


def _hub_files(repository: str, revision: str | None) -> Iterator[hub.HubFile]:
    weights = [file for name in _WEIGHTS for file in (name, f"{name}{_INDEX}")]
    tokenizers = [name for names in _TOKENIZERS for name in names]
    for names in ([CONFIG], PROCESSORS, tokenizers, weights):
        yield hub.HubFile(repository=repository, names=names, revision=revision)


def _downloaded(name: ModelName, what: str) -> Path:
    """Return the folder of a model of the hub; what is on this machine is used as it is."""
    from huggingface_hub import snapshot_download

    repository, revision = repository_of(name)
    try:
        here = Path(snapshot_download(repository, revision=revision, local_files_only=True))
        return complete(here, what).folder
    except (ModelError, OSError):  # not here, or not whole
        pass
    try:
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=_PATTERNS))
        if not any(folder.glob("*.safetensors")):
            snapshot_download(repository, revision=revision, allow_patterns=["pytorch_model*.bin"])
    except Exception as error:  # the hub's client raises many types
        raise ModelError(
            f"{what}: cannot be downloaded ({type(error).__name__}: {first_line(error)}); check "
            f"the name, your access to it and the network, or {_INSTEAD}"
        ) from None
    return folder
