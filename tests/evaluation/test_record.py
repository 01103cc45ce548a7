"""What a record keeps to itself."""

from __future__ import annotations

import pytest

from nsfwcaps.evaluation.record import without_folders


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("/home/me/runs/safer/adapter.json is damaged", "adapter.json is damaged"),
        ("model '/home/me/my.pt' cannot be loaded", "model 'my.pt' cannot be loaded"),
        ("../runs/safer/model: no adapter", "model: no adapter"),
        ("open_clip:ViT-B-32//home/me/clip.pt (broken)", "open_clip:ViT-B-32/clip.pt (broken)"),
        ("open_clip:ViT-B-32/openai is unknown", "open_clip:ViT-B-32/openai is unknown"),
        ("write http://localhost/v1/models or 1/2", "write http://localhost/v1/models or 1/2"),
        ("no images and/or no classes", "no images and/or no classes"),
    ],
)
def test_folders_of_paths_are_left_out(reason: str, expected: str) -> None:
    assert without_folders(reason) == expected
