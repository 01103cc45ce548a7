"""From an editor's name in a recipe to the editor."""

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
"""Editors that need no model, and are made of a seed."""

_CATEGORIES = {RULES: lexicon.CATEGORIES, world.NAME: world.CATEGORIES}


def check(name: str, categories: Sequence[str]) -> None:
    """Refuse a name of no known form, and categories that an embedded editor has no words for.

    Raises:
        ConfigError: saying which.
    """
    if name.startswith(openai.PREFIX):
        openai.split_name(name)
    elif name in EMBEDDED:
        unknown = [item for item in categories if Category(item) not in _CATEGORIES[name]]
        if unknown:
            known = ", ".join(item.value for item in _CATEGORIES[name])
            raise ConfigError(
                f"category: the {name} {'have' if name == RULES else 'has'} no elements for "
                f"{', '.join(unknown)} (but for {known}); leave it out, or name a model with "
                "--editor"
            )
    elif not name.startswith(local.PREFIX):
        raise ConfigError(
            f"editor: '{name}' is none; write rules, world, openai:URL#MODEL or local:FOLDER"
        )


def source_digest(name: str, seed: int) -> str:
    """Digest of what decides an editor's answers, as far as it is on this machine."""
    if name in EMBEDDED:
        return EMBEDDED[name](seed).statement.version
    if name.startswith(local.PREFIX):
        return f"prompt {PROMPT_VERSION}, {local.source_digest(name)}"
    return f"prompt {PROMPT_VERSION}"


def load(name: str, *, seed: int, device: Device, folder: Path, manners: openai.Manners) -> Editor:
    """Load the editor; `folder` is where it may keep its answers.

    Raises:
        ConfigError: the name is of no known form.
        ModelError: the model cannot be had.
    """
    if name in EMBEDDED:
        return EMBEDDED[name](seed)
    if name.startswith(openai.PREFIX):
        return openai.OpenAiEditor(name, folder, manners)
    return local.LocalEditor(name, device)
