"""The front door: light, documented, and complete in the reference."""

from __future__ import annotations

import doctest
import importlib
import json
import subprocess
import sys

import pytest
from support.shell import environment

import nsfwcaps
from nsfwcaps.api.embed import EmbedOptions
from nsfwcaps.api.mine import MineOptions
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.stages.mine.settings import MineSettings
from tools.docs import reference

HEAVY = ("torch", "numpy", "pyarrow", "faiss", "pandas", "pydantic", "typer", "transformers")
PUBLIC = {
    *("build", "mine", "embed", "grade", "Run", "Mined", "Graded", "MineOptions", "EmbedOptions"),
    *("NsfwcapsError", "__version__", "inspect", "Inspection"),
}


def in_a_fresh_process(code: str) -> object:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_import_loads_nothing_heavy() -> None:
    loaded = in_a_fresh_process(
        f"import sys, json, nsfwcaps; nsfwcaps.NsfwcapsError; dir(nsfwcaps);"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    assert loaded == []


def test_looking_at_a_function_does_not_load_torch() -> None:
    loaded = in_a_fresh_process(
        "import sys, json, nsfwcaps; nsfwcaps.build.__doc__;"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    assert loaded == []


def test_every_name_is_there_and_documented() -> None:
    assert set(nsfwcaps.__all__) == PUBLIC
    for name in PUBLIC - {"__version__"}:
        value = getattr(nsfwcaps, name)
        assert len((value.__doc__ or "").strip()) > 20, name
        assert value.__name__ == name
    assert set(dir(nsfwcaps)) >= PUBLIC


def test_every_name_is_in_the_reference() -> None:
    page = reference.python_api()
    for name in nsfwcaps.__all__:
        assert f":: nsfwcaps.{name}\n" in page


def test_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from nsfwcaps import *", names)
    assert set(names) - {"__builtins__"} == PUBLIC


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'nsfwcaps' has no attribute 'bild'"):
        _ = nsfwcaps.bild


def test_options_are_those_of_the_settings() -> None:
    arrays = {f"{side}_{what}" for side in ("unsafe", "safe") for what in ("captions", "images")}
    named = {"k", "rank", "min_similarity", "hub_cap", "reciprocal"}
    of_settings = set(MineSettings.__dataclass_fields__) - {"pairing"}
    assert set(MineOptions.__annotations__) - arrays == of_settings - named
    assert set(EmbedOptions.__annotations__) == set(EncoderOptions.__dataclass_fields__)


@pytest.mark.parametrize("name", ["build", "embed", "grade", "inspect", "mine"])
def test_examples_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"nsfwcaps.api.{name}"))
    assert result.failed == 0
    assert result.attempted >= 2
