"""Names of detectors, and how each is written and loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.detectors.detector import Detector, Modality
from nsfwcaps.enums import Device
from nsfwcaps.errors import ConfigError
from nsfwcaps.models import names

_OPTION = "--detector"
"""What messages call the option that names detectors, where nobody says."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One detector: how it is written, and what makes it of its argument, device and threshold."""

    kind: Modality
    written: str
    load: Callable[[str, Device, float], Detector[Any]]
    check: Callable[[str], object] = lambda argument: None
    """Says of its argument what cannot work, as far as that is known before it is loaded."""


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

    path, _ = _q16_parts(argument)
    read_soft_prompts(path)


def _profanity(argument: str, device: Device, threshold: float) -> Detector[str]:
    from nsfwcaps.detectors.profanity import Profanity

    return Profanity(threshold)


def _text_classifier(argument: str, device: Device, threshold: float) -> Detector[str]:
    from nsfwcaps.detectors.text_classifier import TextClassifier

    folder, _, labels = argument.partition("#")
    return TextClassifier(folder, [item for item in labels.split(",") if item], device, threshold)


DETECTORS = {
    "opennsfw": Entry(
        kind=Modality.IMAGE, written="opennsfw", load=_opennsfw, check=_check_opennsfw
    ),
    "nudenet": Entry(kind=Modality.IMAGE, written="nudenet", load=_nudenet, check=_check_nudenet),
    "q16": Entry(kind=Modality.IMAGE, written="q16:FILE#MODEL", load=_q16, check=_check_q16),
    "profanity": Entry(kind=Modality.TEXT, written="profanity", load=_profanity),
    "transformers": Entry(
        kind=Modality.TEXT, written="transformers:FOLDER#LABEL,LABEL", load=_text_classifier
    ),
}


def check(written: str, kind: Modality, *, option: str = _OPTION) -> None:
    """Say what is known before a detector is loaded.

    Raises:
        ConfigError: no detector of this kind is written so, or the threshold is no probability.
        ModelError: its package is not installed, or a file of its is not there.
    """
    entry, argument, _ = _found(written, kind, option)
    entry.check(argument)


def load(
    written: str, kind: Modality, device: Device = Device.AUTO, *, option: str = _OPTION
) -> Detector[Any]:
    """Load a detector by what the user wrote, such as `opennsfw` or `opennsfw@0.8`.

    Raises:
        ConfigError: no detector of this kind is written so, or the threshold is no probability.
        ModelError: its package is not installed, or its weights cannot be had.
        DeviceError: the device is not there.
    """
    entry, argument, threshold = _found(written, kind, option)
    return entry.load(argument, device, threshold)


def _found(written: str, kind: Modality, option: str) -> tuple[Entry, str, float]:
    name, argument, threshold = _parsed(written, option)
    entry = DETECTORS.get(name)
    if entry is None or entry.kind is not kind or bool(argument) != (":" in entry.written):
        raise ConfigError(
            f"{option}: '{written}' is no detector of {kind.value}s; these are "
            f"{', '.join(known(kind))}, each also with its threshold, as {known(kind)[0]}@0.8"
        )
    return entry, argument, threshold


def load_all(
    written: Sequence[str], kind: Modality, device: Device, *, option: str = _OPTION
) -> list[Detector[Any]]:
    """Load several detectors, each of them once.

    Raises:
        ConfigError: none is named, or two have one name; also as `load` does.
    """
    if not written:
        raise ConfigError(
            f"{option}: name at least one detector of {kind.value}s: {', '.join(known(kind))}"
        )
    detectors = [load(item, kind, device, option=option) for item in written]
    names = [detector.statement.name for detector in detectors]
    if len({*names}) < len(names):
        raise ConfigError(f"{option}: two have the same name; name each detector once")
    return detectors


def known(kind: Modality) -> list[str]:
    """How the detectors of a kind are written."""
    return [entry.written for entry in DETECTORS.values() if entry.kind is kind]


def _parsed(written: str, option: str = _OPTION) -> tuple[str, str, float]:
    head, sign, tail = written.rpartition("@")
    try:
        threshold = float(tail) if sign else 0.5
    except ValueError:  # an @ of a path
        head, threshold = written, 0.5
    if not 0 < threshold <= 1:
        raise ConfigError(f"{option}: '{written}': a threshold is above 0 and at most 1")
    name, _, argument = (head or written).partition(":")
    return name, argument, threshold
