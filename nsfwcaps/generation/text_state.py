"""Bare state dicts of a `CLIPTextModel`, as SAGE and other unlearning work publish them.

Such a file has tensors only. Configuration and tokenizer are those of the pipeline, into which its
authors load it with `pipe.text_encoder.load_state_dict(torch.load(FILE))`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.errors import ConfigError, ModelError, first_line
from nsfwcaps.runtime.weights import weights_sha256

SCHEME = "state:"

_SAFETENSORS = ".safetensors"
_WRAPPERS = ("state_dict", "model_state_dict", "text_encoder", "model")
"""Keys under which training scripts store a state dict."""
_TOKENS = "embeddings.token_embedding.weight"
_TOWER = "text_model."
_BESIDE = ("vision_model.", "visual_projection.", "text_projection.", "logit_scale")
"""Other parts of a whole `CLIPModel` or `CLIPTextModelWithProjection`; they are not used."""
_BUFFER = "embeddings.position_ids"
"""A buffer that transformers stored until 4.31: the numbers 0, 1, 2, …"""
_LISTED = 3


@dataclass(frozen=True, kw_only=True)
class TextState:
    """Tensors of a text tower in single precision, by names without the tower's prefix."""

    name: str
    """Display name, without private folders."""
    weights: Mapping[str, Any]

    def identity(self) -> dict[str, Any]:
        """Everything that determines the tower's output on a given pipeline, as JSON."""
        return {"name": self.name, "weights_sha256": weights_sha256(self.weights)}


def is_text_state(model: str) -> bool:
    """Whether a model is named as `state:FILE`."""
    return model.startswith(SCHEME)


def check_text_state(model: str, setting: str) -> None:
    """Check that the file of a state dict exists.

    Raises:
        ConfigError: no file is named.
        ModelError: there is no such file.
    """
    path = _path(model)
    if path.is_dir():
        raise ModelError(
            f"{setting}: {path} is a folder; {SCHEME} expects one file with the state dict of a "
            "CLIPTextModel"
        )
    if not path.is_file():
        raise ModelError(f"{setting}: there is no file {path}; check its path")


def read_text_state(model: str) -> TextState:
    """Read `state:FILE`, written by `torch.save` or safetensors.

    No code in the file is run. Half precision is widened.

    Raises:
        ConfigError: no file is named.
        ModelError: the file is missing or damaged, or is not the state dict of one CLIP text tower
            of finite numbers.
    """
    check_text_state(model, "--model")
    path = _path(model)
    name = f"{SCHEME}{path.name}"
    tower = _tower(name, _unwrapped(name, _read(path, name)))
    return TextState(name=name, weights=dict(_checked(name, tower)))


def put_text_state(state: TextState, encoder: Any) -> None:
    """Load a state dict into a `CLIPTextModel`; tensors outside the tower are kept.

    Raises:
        ModelError: names or shapes of tensors differ from the encoder's.
    """
    wanted = encoder.state_dict()
    prefix = _TOWER if any(name.startswith(_TOWER) for name in wanted) else ""
    tower = {
        name.removeprefix(prefix): tensor
        for name, tensor in wanted.items()
        if name.startswith(prefix) and not name.startswith(_BESIDE)
    }
    tower.pop(_BUFFER, None)
    differ = list(_differences(state.weights, tower))
    if differ:
        raise ModelError(
            f"{state.name} does not fit this text encoder: {'; '.join(differ)}. "
            "Use the pipeline whose text encoder was fine-tuned"
        )
    encoder.load_state_dict(
        {f"{prefix}{name}": tensor for name, tensor in state.weights.items()}, strict=False
    )


def _path(model: str) -> Path:
    given = model.removeprefix(SCHEME)
    if not given:
        raise ConfigError(f"--model: {SCHEME} lacks its file; write NAME={SCHEME}FILE.pt")
    return Path(given).expanduser()


def _read(path: Path, name: str) -> Any:
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == _SAFETENSORS:
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # torch says the same of a damaged file and of one with classes that it refuses to build.
        raise ModelError(
            f"{name}: cannot be read as tensors alone; it is damaged, or holds other Python "
            "objects, such as a whole module. Save its state dict: "
            "torch.save(text_encoder.state_dict(), FILE)"
        ) from None
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{name}: cannot be read ({type(error).__name__}: {first_line(error)}); the file is "
            "damaged or no state dict; copy or download it again"
        ) from None


def _unwrapped(name: str, content: Any) -> dict[str, Any]:
    """Return the state dict in a file's content, out of the wrappers of training scripts."""
    for _ in range(len(_WRAPPERS)):
        inner = _inner(content)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not content:
        kind = "an empty state dict" if isinstance(content, Mapping) else type(content).__name__
        raise ModelError(f"{name}: holds {kind}; expected the state dict of a CLIPTextModel")
    return {str(key): value for key, value in content.items()}


def _inner(content: Any) -> Mapping[str, Any] | None:
    if not isinstance(content, Mapping):
        return None
    found = (content.get(key) for key in _WRAPPERS)
    return next((value for value in found if isinstance(value, Mapping)), None)


def _tower(name: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return the text tower of a state dict, by names without any prefix."""
    prefixes = [key.removesuffix(_TOKENS) for key in tensors if key.endswith(_TOKENS)]
    if len(prefixes) != 1:
        found = f"{len(prefixes)} text towers: {', '.join(sorted(prefixes))}"
        raise ModelError(
            f"{name}: holds {found if prefixes else _otherwise(tensors)}; expected the state dict "
            "of one CLIPTextModel"
        )
    prefix = prefixes[0]
    model = prefix.removesuffix(_TOWER)
    return {
        key.removeprefix(prefix): tensor
        for key, tensor in tensors.items()
        if key.startswith(model) and not key.removeprefix(model).startswith(_BESIDE)
    }


def _otherwise(tensors: Mapping[str, Any]) -> str:
    """Say what a state dict without a text tower of transformers holds."""
    keys = [*tensors]
    if any(".resblocks." in key for key in keys):
        return "tensors as open_clip names them; write open_clip:MODEL/FILE instead"
    if any("lora" in key.lower() for key in keys):
        return f"adapters alone, such as {keys[0]}; merge them into the text encoder"
    return f"no {_TOKENS}, but such as {keys[0]}"


def _checked(name: str, tower: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield tensors in single precision.

    A NaN would draw black images, which every detector calls safe.
    """
    import torch

    for key, tensor in tower.items():
        if key == _BUFFER:
            continue
        if not isinstance(tensor, torch.Tensor):
            raise ModelError(f"{name}: {key} is a {type(tensor).__name__}; expected a tensor")
        if not tensor.is_floating_point():
            raise ModelError(
                f"{name}: {key} holds {tensor.dtype} numbers; expected weights of floating point "
                "that are not quantised"
            )
        numbers = tensor.detach().float()
        if not torch.isfinite(numbers).all():
            raise ModelError(
                f"{name}: {key} holds numbers that are not finite; take another checkpoint"
            )
        yield key, numbers


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    """Describe the tensors that differ in name or shape."""
    if missing := [name for name in theirs if name not in ours]:
        yield f"{_counted(missing)} missing: {_some(missing)}"
    if unexpected := [name for name in ours if name not in theirs]:
        yield f"{_counted(unexpected)} unexpected: {_some(unexpected)}"
    shared = (name for name in theirs if name in ours)
    shapes = ((name, tuple(ours[name].shape), tuple(theirs[name].shape)) for name in shared)
    for name, shape, expected in shapes:
        if shape != expected:
            yield f"{name} has the shape {shape}, expected {expected}"
            return


def _counted(names: Sequence[str]) -> str:
    return "1 tensor is" if len(names) == 1 else f"{len(names)} tensors are"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
