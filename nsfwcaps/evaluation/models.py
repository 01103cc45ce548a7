"""Models of an evaluation: loaded on first use, identified on later runs without loading."""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from nsfwcaps import config
from nsfwcaps.encoders.encoder import Encoder, Identity
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.encoders.processes import ProcessEncoder
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ModelError
from nsfwcaps.files import write_atomically
from nsfwcaps.models import available, create, names
from nsfwcaps.models.trainings import trainings
from nsfwcaps.progress import Progress
from nsfwcaps.version import __version__

_NO_WEIGHTS = ("logit_scale", "logit_bias")  # they scale cosines, outside both towers
_SIDE = 32
_SETTING = "embed.model"
"""How errors of loading name the setting, where no other is known."""

Weights = Mapping[str, Any]
"""State dict of a tower, on the CPU."""


@dataclass(frozen=True, kw_only=True)
class NamedModel:
    """A model as the user named it."""

    name: str
    model: str
    options: EncoderOptions

    @property
    def named(self) -> str:
        """The given value without parent folders, which are private."""
        return names.public(self.model)


class Model:
    """One model; its `identity` is cached in a folder so that a second run need not load it."""

    def __init__(self, named: NamedModel, folder: Path) -> None:
        self.name = named.name
        self.named = named.named
        self._model, self._options = named.model, named.options
        self._folder = folder
        self._encoder: Encoder | None = None
        self._identity: Identity | None = None
        self.is_broken = False
        """Whether loading it has failed."""

    @property
    def identity(self) -> Identity:
        """Identity of the encoder behind its vectors.

        Raises:
            ModelError: the model cannot be loaded.
        """
        if self._identity is None:
            self._identity = _remembered(self._memory) or self.encoder.identity
        return self._identity

    @property
    def device(self) -> str:
        """The device for its work, `cpu` or `cuda`.

        Raises:
            DeviceError: CUDA was requested and there is none.
        """
        from nsfwcaps.runtime.device import torch_device

        return torch_device(self._options.device)

    @property
    def is_known(self) -> bool:
        """Whether `identity` is available without loading the model."""
        return self._identity is not None or _remembered(self._memory) is not None

    def check(self) -> None:
        """Find out in seconds whether the model can be loaded, as far as that shows.

        Raises:
            ModelError: its name, its files or the network make it impossible.
        """
        if not self.is_known:
            with self._naming_errors():
                available.check(self._model, _SETTING)

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded on first use.

        Raises:
            ModelError: the model cannot be loaded, or its towers differ in width.
        """
        if self._encoder is None:
            with self._naming_errors():
                encoder = create.load_on_all_gpus(self._model, self._options)
                _check_widths(encoder)
            self._identity = encoder.identity
            self._remember(encoder.identity)
            self._encoder = encoder
        return self._encoder

    @property
    def public_identity(self) -> dict[str, Any]:
        """Identity for files to share: without private folders."""
        identity = self.identity
        name = identity.name
        if names.is_local(name):
            name = names.public(name)
        return {**asdict(replace(identity, name=name)), "digest": identity.digest}

    @property
    def facts(self) -> dict[str, Any]:
        """What `run.json` says: given name, trainings by nsfwcaps (the last first), identity."""
        trained = [asdict(training) for training in trainings(self._model)]
        return {"named": self.named, "trainings": trained, **self.public_identity}

    def weights(self) -> dict[str, Weights]:
        """State dict of each tower, `text` and `image`; empty for a text-only model."""
        if self.identity.image_width is None:
            return {}
        encoder = self.encoder
        if isinstance(encoder, ProcessEncoder):  # its models are in other processes
            encoder = create.load(
                self._model, replace(self._options, device=Device.CPU, precision=Precision.FP32)
            )
        model = getattr(encoder, "model", None)
        if model is None:
            return {}
        towers: dict[str, dict[str, Any]] = {"text": {}, "image": {}}
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and name not in _NO_WEIGHTS:
                tower = "image" if name.startswith("visual.") else "text"
                towers[tower][name] = tensor.detach().cpu()
        return dict(towers)

    def close(self) -> None:
        """Release the encoder; it is loaded again when next needed."""
        self._encoder = None

    @cached_property
    def _memory(self) -> Path:
        """File that caches the identity, keyed by the content of the weight files."""
        from nsfwcaps.runtime.device import resolve_precision

        precision = resolve_precision(self._options.precision, self.device)
        with self._naming_errors():
            source = create.source_digest(self._model)
        key = config.digest([__version__, self._model, source, precision])
        return self._folder / f"model-{key[:32]}.json"

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        try:
            yield
        except ModelError as error:
            self.is_broken = True
            reason = str(error).removeprefix(f"{_SETTING}: ")
            raise ModelError(f"--model {self.name}: {reason}") from None

    def _remember(self, identity: Identity) -> None:
        text = json.dumps(asdict(identity), indent=1)
        # Several processes that share an evaluation may write it at the same time.
        writer = f"{socket.gethostname()}-{os.getpid()}"
        write_atomically(self._memory, text.encode() + b"\n", tag=writer)


def check_models(models: Sequence[Model], progress: Progress) -> dict[str, str]:
    """Find models that cannot be loaded before any work is done; return why, by name.

    Raises:
        ModelError: the first one cannot be loaded, the base of the others.
    """
    broken = {}
    for model in models:
        try:
            model.check()
        except ModelError as error:
            if model is models[0]:
                raise
            broken[model.name] = str(error)
            progress.note(f"not evaluated: {error}")
    return broken


def _remembered(path: Path) -> Identity | None:
    try:
        facts = json.loads(path.read_bytes())
        # An earlier version wrote fewer: its vectors may be others.
        whole = facts.keys() == {field.name for field in fields(Identity)}
        return Identity(**facts) if whole else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _check_widths(encoder: Encoder) -> None:
    """Encode one grey image and check that both towers share one space."""
    identity = encoder.identity
    if identity.image_width is None:
        return
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (_SIDE, _SIDE), "grey").save(file, "PNG")
    try:
        rows = encoder.encode_images([("", file.getvalue)], lambda done: None).rows
    except ValueError:  # image rows of another width than the texts
        rows = None
    if rows is None or identity.image_width != identity.width:
        raise ModelError(
            f"text vectors have width {identity.width}, image vectors have another; both towers "
            "must share one space"
        )
