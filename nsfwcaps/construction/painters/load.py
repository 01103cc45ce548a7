"""Loading painters by the names used in recipes."""

from __future__ import annotations

from pathlib import Path

from nsfwcaps import extras
from nsfwcaps.config import digest
from nsfwcaps.construction.painters.painter import INPAINT, TEXT, WORLD, Painter
from nsfwcaps.construction.painters.sampling import PainterSampling
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.files import sha256_file

FORMS = f"{TEXT}FOLDER, {INPAINT}FOLDER or {WORLD}"


def check(name: str | None) -> None:
    """Check the form of a painter's name, and that its folder holds a pipeline.

    Raises:
        ConfigError: the painter is unknown.
        ModelError: the folder does not exist or holds no pipeline.
    """
    if name is None:
        raise ConfigError(f"illustrate: no painter; add --painter with {FORMS}")
    if name != WORLD:
        _folder(name)


def check_package(name: str) -> None:
    """Check that the packages a painter needs are installed.

    Raises:
        ModelError: a package is missing.
    """
    if name == WORLD:
        extras.require({"world": f"--painter {WORLD}"})
    else:
        extras.require({"generation": "drawing"})


def source_digest(name: str) -> str:
    """Digest of all files of the pipeline's folder, or of the icon world's drawing code.

    Raises:
        ModelError: the folder does not exist or holds no pipeline.
    """
    if name == WORLD:
        from nsfwcaps.construction.painters.world import WorldPainter

        return WorldPainter().identity
    folder = _folder(name)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest([[path.relative_to(folder).as_posix(), sha256_file(path)] for path in files])


def load(name: str, sampling: PainterSampling, device: Device, precision: Precision) -> Painter:
    """Load a painter.

    Raises:
        ConfigError: the painter is unknown.
        ModelError: the pipeline cannot be loaded.
        DeviceError: the device is unavailable.
    """
    if name == WORLD:
        from nsfwcaps.construction.painters.world import WorldPainter

        return WorldPainter()
    folder = _folder(name).resolve()
    if name.startswith(TEXT):
        from nsfwcaps.construction.painters.text_to_image import TextPainter

        return TextPainter(folder, sampling, device, precision)
    from nsfwcaps.construction.painters.inpainting import InpaintPainter

    return InpaintPainter(folder, sampling, device, precision)


def _folder(name: str) -> Path:
    prefix = next((prefix for prefix in (TEXT, INPAINT) if name.startswith(prefix)), None)
    if prefix is None or name == prefix:
        raise ConfigError(f"unknown painter '{name}'; expected {FORMS}")
    folder = Path(name.removeprefix(prefix))
    if not (folder / "model_index.json").is_file():
        raise ModelError(f"{name}: not the folder of a diffusers pipeline: no model_index.json")
    return folder
