"""From a model's name in a recipe to an encoder."""

from __future__ import annotations

from pathlib import Path

from nsfwcaps.artifacts import sha256_file
from nsfwcaps.mini import model as mini
from nsfwcaps.settings import EmbedSettings, trained_run
from nsfwcaps.trained import DESCRIPTION, WEIGHTS
from nsfwcaps.vectors.encoders.encoder import Encoder
from nsfwcaps.vectors.encoders.lineage import TRAINED, lineage

MINILM = "minilm"
DEFAULTS = (MINILM, mini.NAME)
"""What is used where no model is named: for captions alone, and for pools with images."""

MINI = mini.NAME
_OPEN_CLIP = "open_clip:"
_SCHEMES = ("hf-hub:", "local-dir:")


def load(settings: EmbedSettings) -> Encoder:
    """Load the encoder that the settings name; where they name none, the one for captions alone.

    Raises:
        ModelError: the weights cannot be had.
        DeviceError: the device is not there.
    """
    from nsfwcaps.vectors.encoders.device import resolve_precision, torch_device

    model = settings.model or MINILM
    device = torch_device(settings.device)
    precision = resolve_precision(settings.precision, device)
    if model == MINILM:
        from nsfwcaps.vectors.encoders.minilm import MiniLM

        return MiniLM(device=device, precision=precision, batch_tokens=settings.batch_tokens)
    from nsfwcaps.vectors.encoders.clip import ClipEncoder

    name, pretrained = split_name(model)
    return ClipEncoder(
        name,
        pretrained,
        device=device,
        precision=precision,
        batch_tokens=settings.batch_tokens,
        batch_images=settings.batch_images,
        workers=settings.workers,
    )


def split_name(model: str) -> tuple[str, str | None]:
    """Architecture and weights of an open_clip name; `mini`, a folder or hub and a run carry both.

    >>> split_name("open_clip:ViT-B-32//data/clip.pt")
    ('ViT-B-32', '/data/clip.pt')
    """
    if model.startswith(_SCHEMES):
        return model, None
    if (folder := trained_run(model)) is not None:
        return f"{TRAINED}{folder}", None
    name, _, pretrained = model.removeprefix(_OPEN_CLIP).partition("/")
    return name, pretrained or None


def source_digest(model: str) -> str:
    """Digest of the weights' files where they are local; the name itself elsewhere."""
    if model == MINILM:
        from nsfwcaps.vectors.encoders.minilm import model_folder

        return sha256_file(model_folder() / "model.safetensors")
    if model == MINI:
        return " ".join(sha256_file(path) for path in mini.weight_files())
    if (folder := trained_run(model)) is not None:
        runs = lineage(folder)
        files = [run.folder / name for run in runs for name in (WEIGHTS, DESCRIPTION)]
        return " ".join([*map(sha256_file, files), source_digest(runs[-1].base)])
    name, pretrained = split_name(model)
    if pretrained and Path(pretrained).is_file():
        return sha256_file(Path(pretrained))
    if name.startswith("local-dir:"):
        folder = Path(name.removeprefix("local-dir:"))
        files = sorted(path for path in folder.glob("*") if path.is_file())
        return " ".join(sha256_file(path) for path in files)
    return model
