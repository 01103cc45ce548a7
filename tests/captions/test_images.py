from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from nsfwcaps.captions.images import ImageReader, read_image


@pytest.mark.parametrize(
    ("pool", "root", "path", "expected"),
    [
        ("pools/safe.csv", None, "img/1.jpg", "pools/img/1.jpg"),
        ("safe.csv", None, "1.jpg", "./1.jpg"),
        ("memory://pools/safe.csv", None, "1.jpg", "memory://pools/1.jpg"),
        ("pools/safe.csv", "/data/img/", "1.jpg", "/data/img/1.jpg"),
        ("pools/safe.csv", "s3://bucket/img", "1.jpg", "s3://bucket/img/1.jpg"),
        ("pools/safe.csv", "/data/img", "/other/1.jpg", "/other/1.jpg"),
        ("pools/safe.csv", "/data/img", "memory://a/1.jpg", "memory://a/1.jpg"),
    ],
)
def test_path_is_completed_from_root_or_the_pools_folder(
    pool: str, root: str | None, path: str, expected: str
) -> None:
    assert ImageReader(pool, root).absolute(path) == expected


def test_picture_is_read_beside_its_pool(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"picture")
    assert ImageReader(f"{tmp_path}/pool.csv").read("1.png") == b"picture"


def test_picture_is_read_from_an_fsspec_url() -> None:
    fsspec.filesystem("memory").pipe("/pictures/1.png", b"picture")
    assert read_image("memory://pictures/1.png") == b"picture"


@pytest.mark.parametrize("url", ["nowhere/1.png", "unheard-of://host/1.png", "a\0b.png", "."])
def test_picture_that_cannot_be_read_is_an_oserror(url: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - the cause differs by system
        read_image(url)
