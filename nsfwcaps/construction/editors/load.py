"""Loading editors by the names used in recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nsfwcaps.construction import lexicon
from nsfwcaps.construction.editors import local, openai, world
from nsfwcaps.construction.editors.editor import Editor
from nsfwcaps.construction.editors.prompt import PROMPT_VERSION
from nsfwcaps.construction.editors.rules import NAME as RULES
from nsfwcaps.construction.editors.rules import RulesEditor
from nsfwcaps.enums import Category, Device
from nsfwcaps.errors import ConfigError

EMBEDDED: Mapping[str, Callable[[int], Editor]] = {
    RULES: RulesEditor,
    world.NAME: world.WorldEditor,
}
"""Editors that need no model, constructed from a seed."""

_CATEGORIES = {RULES: lexicon.CATEGORIES, world.NAME: world.CATEGORIES}


def check(name: str, categories: Sequence[str]) -> None:
    """Check an editor's name, its folder, and that a built-in editor supports the categories.

    Raises:
        ConfigError: the editor is unknown or lacks a category.
        ModelError: the folder of a local model is missing.
    """
    if name.startswith(openai.PREFIX):
        openai.split_name(name)
    elif name in EMBEDDED:
        unknown = [item for item in categories if Category(item) not in _CATEGORIES[name]]
        if unknown:
            known = ", ".join(item.value for item in _CATEGORIES[name])
            raise ConfigError(
                f"category: editor '{name}' has no elements for {', '.join(unknown)}, only for "
                f"{known}; leave the others out, or choose a model with --editor"
            )
    elif name.startswith(local.PREFIX):
        local.check(name)
    else:
        raise ConfigError(
            f"unknown editor '{name}'; expected rules, world, openai:URL#MODEL or local:FOLDER"
        )


def source_digest(name: str, seed: int) -> str:
    """Digest of everything local that determines an editor's answers."""
    if name in EMBEDDED:
        return EMBEDDED[name](seed).statement.version
    if name.startswith(local.PREFIX):
        return f"prompt {PROMPT_VERSION}, {local.source_digest(name)}"
    return f"prompt {PROMPT_VERSION}"


def load(name: str, *, seed: int, device: Device, folder: Path, manners: openai.Manners) -> Editor:
    """Load an editor; `folder` is where it may cache answers.

    Raises:
        ConfigError: the editor is unknown.
        ModelError: the model cannot be loaded.
    """
    if name in EMBEDDED:
        return EMBEDDED[name](seed)
    if name.startswith(openai.PREFIX):
        return openai.OpenAiEditor(name, folder, manners)
    return local.LocalEditor(name, device)
