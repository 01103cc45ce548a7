from __future__ import annotations

from pathlib import Path

import pytest

from nsfwcaps import extras
from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.stores import address
from nsfwcaps.stores.address import address_of, folder_of, mirror_of, shown


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("s3://bucket/run", "s3://bucket/run"),
        (Path("s3://bucket/a/b/"), "s3://bucket/a/b"),
        ("S3://Bucket/Run", "s3://Bucket/Run"),
        ("gs://bucket/run", "gs://bucket/run"),
        ("s3://bucket/a b/ü", "s3://bucket/a b/ü"),
        ("runs/a", None),
        ("runs/a*", None),
        ("/tmp/s3/run", None),
        ("C:/runs/a", None),
        ("file:///tmp/run", None),
    ],
)
def test_addresses_and_folders(given: str | Path, found: str | None) -> None:
    assert address_of(given) == found


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("s3://bucket", "expected s3://BUCKET/RUN"),
        ("s3://bucket/", "expected s3://BUCKET/RUN"),
        ("s3://bucket/../run", "expected s3://BUCKET/RUN"),
        ("s3://bucket//run", "expected s3://BUCKET/RUN"),
        ("s3://", "expected s3://BUCKET/RUN"),
        (Path("s3://"), "expected s3://BUCKET/RUN"),
        ("s3:bucket/run", "expected s3://BUCKET/RUN"),
        (" s3://bucket/run", "expected s3://BUCKET/RUN"),
        ("s3://bucket/run*", "without '\\*'"),
        ("s3://bucket/run[1]", "without '\\*'"),
        ("s3://bucket/run?versionId=3", "without '\\*'"),
        ("s3://bucket/a::b", "'::'"),
        ("s3://bucket/a\nb", r"'s3://bucket/a\\nb': expected"),
        ("ftp://host/run", "'ftp://'"),
        ("https://host/run", "'https://'"),
        ("hf://datasets/a/b", "'hf://'"),
    ],
)
def test_addresses_that_cannot_hold_a_run(given: str | Path, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        address_of(given)


def test_a_local_url_is_a_folder() -> None:
    assert folder_of("file:///tmp/run") == Path("/tmp/run")
    assert folder_of(Path("file:///tmp/run")) == Path("/tmp/run")
    assert folder_of("runs/a") == Path("runs/a")


def test_texts_name_the_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NSFWCAPS_CACHE", str(tmp_path))
    place = mirror_of("s3://bucket/run")
    assert place == tmp_path / "stores" / "s3" / "bucket" / "run"
    assert shown(f"{place}/dataset and {place}-eval") == (
        "s3://bucket/run/dataset and s3://bucket/run-eval"
    )


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "installed", lambda module: False)
    with pytest.raises(ModelError, match=r"nsfwcaps\[s3\]"):
        address.require("s3://bucket/run")
