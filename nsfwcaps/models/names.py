"""Model names: the only parser of their forms.

minilm                          the bundled caption encoder
mini                            the bundled dual encoder
open_clip:MODEL/TAG             an open_clip model with published weights
open_clip:MODEL/CHECKPOINT      the same with weights from a file
hf-hub:ORG/NAME                 a model on the hub
local-dir:FOLDER                a folder written by open_clip's exporters
hf:FOLDER or hf:ORG/NAME        a CLIPModel, SiglipModel or Siglip2Model of transformers
RUN                             the folder of a trained run
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from nsfwcaps.errors import ConfigError
from nsfwcaps.models.trained import DESCRIPTION, adapter_folder

MINILM = "minilm"
MINI = "mini"
DEFAULTS = (MINILM, MINI)
"""Default model for captions only, and for pools with images."""

_OPEN_CLIP, _HUB, _LOCAL, _HUGGING_FACE = "open_clip:", "hf-hub:", "local-dir:", "hf:"
_FORMS = (
    "minilm, mini, open_clip:MODEL/TAG (open_clip:ViT-B-32-quickgelu/openai), "
    "open_clip:MODEL/CHECKPOINT-PATH, hf-hub:ORG/NAME, local-dir:FOLDER, hf:FOLDER-OR-ID or the "
    "folder of a trained run"
)


class Form(enum.Enum):
    """Forms of a model name."""

    MINILM = enum.auto()
    MINI = enum.auto()
    OPEN_CLIP = enum.auto()
    HUB = enum.auto()
    LOCAL_FOLDER = enum.auto()
    HUGGING_FACE = enum.auto()
    TRAINED_RUN = enum.auto()


@dataclass(frozen=True, kw_only=True)
class ModelName:
    """A parsed name."""

    given: str
    form: Form
    architecture: str
    """open_clip architecture, or the whole name if it includes the weights."""
    weights: str | None = None
    """Tag or checkpoint of `open_clip:MODEL/…`."""
    folder: Path | None = None
    """Folder of `local-dir:FOLDER`, of `hf:FOLDER` if it exists, or of a trained run's adapter."""


def parse(name: str) -> ModelName:
    """Parse a model name.

    >>> parse("open_clip:ViT-B-32//data/clip.pt").weights
    '/data/clip.pt'

    Raises:
        ConfigError: the name has no known form and is not the folder of a trained run.
    """
    found = _parse(name)
    if found is None:
        raise ConfigError(_unknown(name))
    return found


def problem(name: str, *, images: bool = False) -> str | None:
    """Explain why a name is unusable, or return None; `images` requires a model for images."""
    found = _parse(name)
    if found is None or (images and found.form is Form.MINILM):
        return _unknown(name, (MINI,)).replace(f"{MINILM}, ", "") if images else _unknown(name)
    return None


def are_same(one: str, other: str) -> bool:
    """Whether two usable names mean one model.

    >>> are_same("local-dir:models/clip", "local-dir:models/clip/"), are_same("mini", "minilm")
    (True, False)
    """
    first, second = _parse(one), _parse(other)
    if first is None or second is None:
        return one == other
    return _identity(first) == _identity(second)


def trained_run(name: str) -> Path | None:
    """Return the adapter folder if a model name is a trained run, or None."""
    found = _parse(name)
    return found.folder if found is not None and found.form is Form.TRAINED_RUN else None


def weights_folder(name: str) -> Path | None:
    """Return the folder that the weights of a usable name are read from, or None.

    >>> weights_folder("open_clip:ViT-B-32/runs/a/weights.safetensors")
    PosixPath('runs/a')
    """
    found = _parse(name)
    if found is None:
        return None
    if found.folder is None and found.weights is not None and "/" in found.weights:
        return Path(found.weights).parent
    return found.folder


def extras_of(*models: str | None) -> dict[str, str]:
    """Return the extras that these models need, with a phrase for what needs each."""
    runs = [name for name in models if name is not None and trained_run(name) is not None]
    return {"train": f"the trained run '{public(runs[0])}'"} if runs else {}


def public(name: str) -> str:
    """Return the name without private parent folders.

    >>> public("local-dir:/home/me/models/clip"), public("open_clip:ViT-B-32/openai")
    ('local-dir:clip', 'open_clip:ViT-B-32/openai')
    """
    scheme, sign, path = name.partition(":")
    return f"{scheme}{sign}{_last(path)}" if sign else _last(name)


def is_local(name: str) -> bool:
    """Whether a name is a folder in open_clip's format."""
    return name.startswith(_LOCAL)


def _identity(name: ModelName) -> tuple[object, ...]:
    return (name.form, name.folder or (name.architecture, name.weights))


def _parse(name: str) -> ModelName | None:
    if name in DEFAULTS:
        form = Form.MINILM if name == MINILM else Form.MINI
        return ModelName(given=name, form=form, architecture=name)
    if name.startswith(_HUB):
        return ModelName(given=name, form=Form.HUB, architecture=name)
    if name.startswith(_LOCAL):
        folder = Path(name.removeprefix(_LOCAL))
        return ModelName(given=name, form=Form.LOCAL_FOLDER, architecture=name, folder=folder)
    if name.startswith(_HUGGING_FACE):
        return _hugging_face(name)
    model, _, weights = name.removeprefix(_OPEN_CLIP).partition("/")
    if model.startswith(_HUB):
        return None
    if name.startswith(_OPEN_CLIP) and model and weights:
        return ModelName(given=name, form=Form.OPEN_CLIP, architecture=model, weights=weights)
    if (adapter := adapter_folder(name)) is not None:
        return ModelName(given=name, form=Form.TRAINED_RUN, architecture=name, folder=adapter)
    return None


def _hugging_face(name: str) -> ModelName | None:
    """Parse `hf:…`: an existing folder comes before a model of that name on the hub."""
    place = name.removeprefix(_HUGGING_FACE)
    if not place:
        return None
    folder = Path(place)
    if not folder.is_dir():
        return ModelName(given=name, form=Form.HUGGING_FACE, architecture=name)
    # Only the folder's own name: what is displayed and delivered has no private parents.
    shown = f"{_HUGGING_FACE}{folder.absolute().name}"
    return ModelName(given=name, form=Form.HUGGING_FACE, architecture=shown, folder=folder)


def _unknown(name: str, likely: Sequence[str] = DEFAULTS) -> str:
    if name and Path(name).is_dir():
        return (
            f"model '{name}' is a folder without a trained model: {DESCRIPTION} is missing from it "
            f"and its subfolder model/; finish training, or use {_FORMS}"
        )
    if name.startswith("state:"):
        return (
            f"model '{name}' is a text encoder alone, for generate text-to-image; expected {_FORMS}"
        )
    meant = difflib.get_close_matches(name.lower(), likely, n=1)
    if name.startswith(_OPEN_CLIP + _HUB):
        meant = [name.removeprefix(_OPEN_CLIP)]
    hint = f"; did you mean {meant[0]}?" if meant else ""
    return f"unknown model '{name}'; expected {_FORMS}{hint}"


def _last(path: str) -> str:
    """Return the last part of a path; names such as MODEL/TAG are not paths."""
    return PurePath(path).name if path.startswith((".", "~")) or path.count("/") > 1 else path
