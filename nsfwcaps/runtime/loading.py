"""Loading of third-party models and pipelines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from nsfwcaps import extras
from nsfwcaps.config import digest
from nsfwcaps.errors import ModelError, first_line
from nsfwcaps.runtime import hub
from nsfwcaps.runtime.silence import silence
from nsfwcaps.runtime.weights import weights_sha256


def loaded(what: str, name: str, load: Callable[[], Any]) -> Any:
    """Call a loader with library output silenced.

    Raises:
        ModelError: loading failed.
    """
    from transformers import logging

    logging.disable_progress_bar()
    hub.require_model(name, f"cannot load {what} from '{name}'")
    try:
        with silence():
            return load()
    except Exception as error:  # the libraries raise many types
        raise ModelError(
            f"cannot load {what} from '{name}' ({type(error).__name__}: {first_line(error)}); "
            "expected a folder or a hub name"
        ) from None


def diffusion_pipeline(name: str, kind: str = "DiffusionPipeline") -> Any:
    """Load a diffusers pipeline by class name, without its safety checker.

    Raises:
        ModelError: diffusers is not installed, or the pipeline cannot be loaded.
    """
    diffusers = extras.load("diffusers", "generation", "drawing")
    extras.load("diffusers.utils.logging", "generation", "drawing").disable_progress_bar()
    pipe = loaded(
        "a diffusers pipeline",
        name,
        lambda: getattr(diffusers, kind).from_pretrained(
            name, safety_checker=None, requires_safety_checker=False
        ),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def modules_sha256(modules: Iterable[tuple[str, Any]]) -> str:
    """Return a digest of the names and weights of several torch modules."""
    return digest([[name, weights_sha256(module.state_dict())] for name, module in modules])
