"""Detector names, their syntax, and how each is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.detectors.detector import Detector, Modality
from nsfwcaps.enums import Device
from nsfwcaps.errors import ConfigError
from nsfwcaps.models import available, names
from nsfwcaps.runtime import hub

_OPTION = "--detector"
"""Default name of the option in messages."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A detector: its syntax, and its factory from argument, device and threshold."""

    kind: Modality
    written: str
    load: Callable[[str, Device, float], Detector[Any]]
    check: Callable[[str], object] = lambda argument: None
    """Raises if the argument cannot work, as far as that is known without loading."""
    extra: str | None = None
    """Extra that installs it."""


def _opennsfw(argument: str, device: Device, threshold: float) -> Detector[bytes]:
    from nsfwcaps.detectors.opennsfw import OpenNsfw

    return OpenNsfw(threshold)


def _nudenet(argument: str, device: Device, threshold: float) -> Detector[bytes]:
    from nsfwcaps.detectors.nudenet import NudeNet

    return NudeNet(threshold)


def _q16(argument: str, device: Device, threshold: float) -> Detector[bytes]:
    from nsfwcaps.detectors.q16 import Q16

    return Q16(*_q16_parts(argument), device, threshold)


def _q16_parts(argument: str) -> tuple[Path, str]:
    path, _, model = argument.partition("#")
    if wrong := names.problem(model):
        raise ConfigError(f"q16: {wrong}")
    return Path(path), model


def _check_opennsfw(argument: str) -> None:
    from nsfwcaps.detectors import opennsfw

    opennsfw.package()


def _check_nudenet(argument: str) -> None:
    from nsfwcaps.detectors import nudenet

    nudenet.package()


def _check_q16(argument: str) -> None:
    from nsfwcaps.detectors.soft_prompts import read_soft_prompts

    path, model = _q16_parts(argument)
    read_soft_prompts(path)
    available.check(model, "q16")


def _profanity(argument: str, device: Device, threshold: float) -> Detector[str]:
    from nsfwcaps.detectors.profanity import Profanity

    return Profanity(threshold)


def _check_text_classifier(argument: str) -> None:
    hub.require_model(argument.partition("#")[0], "transformers")


def _text_classifier(argument: str, device: Device, threshold: float) -> Detector[str]:
    from nsfwcaps.detectors.text_classifier import TextClassifier

    folder, _, labels = argument.partition("#")
    return TextClassifier(folder, [item for item in labels.split(",") if item], device, threshold)


DETECTORS = {
    "opennsfw": Entry(
        kind=Modality.IMAGE,
        written="opennsfw",
        load=_opennsfw,
        check=_check_opennsfw,
        extra="opennsfw",
    ),
    "nudenet": Entry(
        kind=Modality.IMAGE,
        written="nudenet",
        load=_nudenet,
        check=_check_nudenet,
        extra="nudenet",
    ),
    "q16": Entry(kind=Modality.IMAGE, written="q16:FILE#MODEL", load=_q16, check=_check_q16),
    "profanity": Entry(kind=Modality.TEXT, written="profanity", load=_profanity, extra="profanity"),
    "transformers": Entry(
        kind=Modality.TEXT,
        written="transformers:FOLDER#LABEL,LABEL",
        load=_text_classifier,
        check=_check_text_classifier,
    ),
}


def check(written: str, kind: Modality | None, *, option: str = _OPTION) -> None:
    """Check a detector's name as far as possible without loading it; None allows any kind.

    Raises:
        ConfigError: the detector is unknown or of another kind, or the threshold is invalid.
        ModelError: its package or a file is missing.
    """
    entry, argument, _ = _resolve(written, kind, option)
    entry.check(argument)


def extras_of(written: Sequence[str], *, option: str = _OPTION) -> dict[str, str]:
    """Return the extras that detectors need, each with a phrase for what needs it."""
    entries = {item: DETECTORS.get(_parse(item, option)[0]) for item in written}
    return {
        entry.extra: f"{option} {item}"
        for item, entry in entries.items()
        if entry is not None and entry.extra is not None
    }


def load(
    written: str, kind: Modality | None, device: Device = Device.AUTO, *, option: str = _OPTION
) -> Detector[Any]:
    """Load a detector by name, such as `opennsfw` or `opennsfw@0.8`.

    Raises:
        ConfigError: the detector is unknown or of another kind, or the threshold is invalid.
        ModelError: its package is not installed, or its weights cannot be loaded.
        DeviceError: the device is unavailable.
    """
    entry, argument, threshold = _resolve(written, kind, option)
    return entry.load(argument, device, threshold)


def _resolve(written: str, kind: Modality | None, option: str) -> tuple[Entry, str, float]:
    name, argument, threshold = _parse(written, option)
    entry = DETECTORS.get(name)
    wrong_kind = entry is not None and kind not in (entry.kind, None)
    if entry is None or wrong_kind or bool(argument) != (":" in entry.written):
        raise ConfigError(
            f"{option}: unknown {_spelt(kind)} '{written}'; choose from "
            f"{', '.join(known(kind))}, optionally with a threshold, as {known(kind)[0]}@0.8"
        )
    return entry, argument, threshold


def _spelt(kind: Modality | None) -> str:
    return "detector" if kind is None else f"{kind.value} detector"


def load_all(
    written: Sequence[str], kind: Modality | None, device: Device, *, option: str = _OPTION
) -> list[Detector[Any]]:
    """Load several different detectors.

    Raises:
        ConfigError: the list is empty or has duplicates; otherwise as for `load`.
    """
    if not written:
        raise ConfigError(f"{option}: choose at least one {_spelt(kind)}: {', '.join(known(kind))}")
    detectors = [load(item, kind, device, option=option) for item in written]
    names = [detector.statement.name for detector in detectors]
    if len({*names}) < len(names):
        raise ConfigError(f"{option}: a detector occurs twice; give each once")
    return detectors


def known(kind: Modality | None) -> list[str]:
    """List the syntax of all detectors of a kind."""
    return [entry.written for entry in DETECTORS.values() if kind in (entry.kind, None)]


def _parse(written: str, option: str = _OPTION) -> tuple[str, str, float]:
    head, sign, tail = written.rpartition("@")
    try:
        threshold = float(tail) if sign else 0.5
    except ValueError:  # the @ belongs to a path
        head, threshold = written, 0.5
    if not 0 < threshold <= 1:
        raise ConfigError(f"{option}: '{written}': the threshold must be above 0 and at most 1")
    name, _, argument = (head or written).partition(":")
    return name, argument, threshold
