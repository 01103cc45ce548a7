"""Vectors on disk: encoded once, in blocks, whatever stops the run."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsfwcaps.encoders.encoder import Encoded, Identity, Images
from nsfwcaps.encoders.keeping import Keeper
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.errors import InputError, ModelError
from nsfwcaps.evaluation import vectors
from nsfwcaps.evaluation.models import Model, NamedModel
from nsfwcaps.evaluation.vectors import VectorFolder
from nsfwcaps.models import create
from nsfwcaps.progress import Silent
from nsfwcaps.work import WorkSplit

CAPTIONS = [f"A cup on table {n}." for n in range(10)]


class Counting:
    """Vectors that tell an item's length; says how many items it was given."""

    device = "cpu"

    def __init__(self, weights: str = "w", reasons: dict[bytes, str] | None = None) -> None:
        self.seen: list[int] = []
        self.reasons = reasons or {}
        self.identity = Identity(
            name="counting", weights_sha256=weights, activation="none", preprocessing={},
            precision="fp32", context_length=77, width=4, image_width=4, padding="",
        )  # fmt: skip

    def prepared(self, captions: Sequence[str]) -> Sequence[str]:
        return captions

    def encode_text(self, captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        self.seen.append(len(captions))
        return Encoded(rows=rows_of([item.encode() for item in captions]), failed={})

    def truncated(self, captions: Sequence[str]) -> None:
        """It has no window."""

    def started(
        self, captions: Sequence[str], advance: Callable[[int], None], keeper: Keeper | None = None
    ) -> Callable[[], Encoded]:
        encoded = self.encode_text(captions, advance)
        return lambda: encoded

    def encode_images(
        self,
        images: Images,
        advance: Callable[[int], None],
        split: WorkSplit | None = None,
        keeper: Keeper | None = None,
    ) -> Encoded:
        contents = [get() for _, get in images]
        self.seen.append(len(contents))
        failed = {n: self.reasons[item] for n, item in enumerate(contents) if item in self.reasons}
        kept = [item for item in contents if item not in self.reasons]
        return Encoded(rows=rows_of(kept), failed=failed)


def rows_of(items: Sequence[bytes]) -> np.ndarray:
    angles = np.array([item[-2] + len(item) for item in items], dtype=np.float32)
    zeros = np.zeros_like(angles)
    return np.stack([np.cos(angles), np.sin(angles), zeros, zeros], axis=1)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "BLOCK", 4)


def model(
    monkeypatch: pytest.MonkeyPatch, folder: Path, encoder: Any, spec: str = "local-dir:some"
) -> Model:
    monkeypatch.setattr(create, "load", lambda model, options: encoder)
    found = Model(NamedModel(name="some", model=spec, options=EncoderOptions()), folder)
    assert found.identity.width == 4
    encoder.seen.clear()
    return found


def test_what_is_there_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Counting()
    one = model(monkeypatch, tmp_path, encoder)
    folder = VectorFolder(tmp_path, Silent())
    first = folder.texts(one, CAPTIONS, "safe")
    assert encoder.seen == [4, 4, 2]
    assert np.array_equal(first, rows_of([item.encode() for item in CAPTIONS]))
    assert np.array_equal(folder.texts(one, CAPTIONS, "safe"), first)
    # More items: the blocks that are full stay.
    assert len(folder.texts(one, [*CAPTIONS, "A dog."], "safe")) == 11
    assert encoder.seen == [4, 4, 2, 3]


def test_a_gpu_gets_blocks_that_follow_each_other_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "RUN", 3)
    whole = tmp_path / "on a CPU"
    captions = [f"A cup on table {n}." for n in range(23)]
    wanted = VectorFolder(whole, Silent()).texts(
        model(monkeypatch, whole, Counting()), captions, "safe"
    )
    names = sorted(path.name for path in whole.glob("*.npy"))
    assert len(names) == 6
    encoder = Counting()
    encoder.device = "cuda"
    one = model(monkeypatch, tmp_path, encoder)
    folder = VectorFolder(tmp_path, Silent())
    assert np.array_equal(folder.texts(one, captions, "safe"), wanted)
    assert encoder.seen == [12, 11]
    assert sorted(path.name for path in tmp_path.glob("*.npy")) == names
    # Two blocks that follow each other are absent, and one apart from them.
    by_place = {path.read_bytes(): path for path in tmp_path.glob("*.npy")}
    for start in (4, 8, 16):
        buffer = io.BytesIO()
        np.save(buffer, wanted[start : start + 4])
        by_place[buffer.getvalue()].unlink()
    encoder.seen.clear()
    assert np.array_equal(folder.texts(one, captions, "safe"), wanted)
    assert encoder.seen == [8, 4]


def test_pictures_that_fail_keep_their_places_in_a_run_of_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Counting(
        reasons={b"picture 1.": "image_undecodable", b"picture 5.": "image_too_large"}
    )
    encoder.device = "cuda"
    one = model(monkeypatch, tmp_path, encoder)
    for _ in range(2):  # encoded, then read
        found = VectorFolder(tmp_path, Silent()).pictures(one, pictures(7), "safe")
        assert found.failed == {1: "image_undecodable", 5: "image_too_large"}
        assert np.isnan(found.rows).all(axis=1).tolist() == [n in (1, 5) for n in range(7)]
    assert encoder.seen == [7]


def test_other_weights_have_other_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = VectorFolder(tmp_path, Silent())
    folder.texts(model(monkeypatch, tmp_path, Counting("a")), CAPTIONS, "safe")
    other = Counting("b")
    folder.texts(model(monkeypatch, tmp_path, other, "local-dir:other"), CAPTIONS, "safe")
    assert other.seen == [4, 4, 2]


def test_a_run_that_was_killed_goes_on_behind_the_last_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Counting()
    one = model(monkeypatch, tmp_path, encoder)
    folder = VectorFolder(tmp_path, Silent())
    encode = encoder.encode_text

    def dies(captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        if encoder.seen:
            raise KeyboardInterrupt
        return encode(captions, advance)

    monkeypatch.setattr(encoder, "encode_text", dies)
    with pytest.raises(KeyboardInterrupt):
        folder.texts(one, CAPTIONS, "safe")
    monkeypatch.setattr(encoder, "encode_text", encode)
    encoder.seen.clear()
    folder.texts(one, CAPTIONS, "safe")
    assert encoder.seen == [4, 2]


@pytest.mark.parametrize("damage", [b"", b"broken", None])
def test_a_damaged_block_is_encoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes | None
) -> None:
    encoder = Counting()
    one = model(monkeypatch, tmp_path, encoder)
    folder = VectorFolder(tmp_path, Silent())
    whole = folder.texts(one, CAPTIONS, "safe")
    block = min(tmp_path.glob("*.npy"))
    if damage is None:  # of another width
        np.save(block, np.zeros((4, 3), dtype=np.float32))
    else:
        block.write_bytes(damage)
    encoder.seen.clear()
    assert np.array_equal(folder.texts(one, CAPTIONS, "safe"), whole)
    assert len(encoder.seen) == 1


def pictures(count: int) -> list[tuple[str, Callable[[], bytes]]]:
    return [(f"sha{n}", f"picture {n}.".encode().__bytes__) for n in range(count)]


def test_pictures_that_do_not_decode_keep_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = {b"picture 1.": "image_undecodable", b"picture 5.": "image_too_large"}
    encoder = Counting(reasons=reasons)
    one = model(monkeypatch, tmp_path, encoder)
    for _ in range(2):
        found = VectorFolder(tmp_path, Silent()).pictures(one, pictures(6), "safe")
        assert found.failed == {1: "image_undecodable", 5: "image_too_large"}
        assert np.isnan(found.rows).all(axis=1).tolist() == [n in (1, 5) for n in range(6)]
    assert encoder.seen == [4, 2]


@pytest.mark.parametrize(
    ("reason", "error", "told"),
    [
        (
            "not_finite",
            ModelError,
            "--model some: 1 vectors of safe images contain NaN or infinity",
        ),
        ("image_missing", InputError, "run the same command again"),
    ],
)
def test_what_is_the_models_fault_or_an_accident_is_no_result(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
    error: type[Exception],
    told: str,
) -> None:
    one = model(monkeypatch, tmp_path, Counting(reasons={b"picture 1.": reason}))
    with pytest.raises(error, match=told):
        VectorFolder(tmp_path, Silent()).pictures(one, pictures(3), "safe")
    assert not list(tmp_path.glob("*.npy"))
