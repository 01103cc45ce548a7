"""The name of an encoder travels into published files; the folder of its checkpoint must not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nsfwcaps.encoders.clip import ClipEncoder


def test_a_checkpoint_is_named_by_its_file_alone(
    tiny_model: Callable[..., tuple[str, str]], clip_encoder: Callable[..., ClipEncoder]
) -> None:
    name, checkpoint = tiny_model("tiny-clip")
    assert Path(checkpoint).is_absolute()
    found = clip_encoder(name, checkpoint).identity.name
    assert found == f"{name}/{Path(checkpoint).name}"
