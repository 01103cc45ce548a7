"""Vectors of another tool, found by content and never by position in another file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nsfwcaps.encoders.encoder import Encoded
from nsfwcaps.encoders.imported import ImportedVectors, source_digest
from nsfwcaps.errors import InputError

CAPTIONS = ["a vase on a table", "a dog on a beach", "a handgun on a table", "a kite"]
ROWS = np.array([[3, 4, 0], [0, 0, 2], [1, 0, 0], [0, -5, 0]], dtype=np.float32)
UNIT = np.array([[0.6, 0.8, 0], [0, 0, 1], [1, 0, 0], [0, -1, 0]], dtype=np.float32)
HASHES = [f"{number:02x}" * 32 for number in (7, 3, 250, 0x10)]


def write(
    folder: Path,
    number: int,
    rows: Any,
    metadata: dict[str, Sequence[Any]],
    *,
    kind: str = "text_emb",
    digits: int = 4,
) -> None:
    """One shard in the layout of clip-retrieval."""
    suffix = f"{number:0{digits}d}"
    (folder / kind).mkdir(parents=True, exist_ok=True)
    (folder / "metadata").mkdir(exist_ok=True)
    np.save(folder / kind / f"{kind}_{suffix}.npy", rows)
    pq.write_table(pa.table(metadata), folder / "metadata" / f"metadata_{suffix}.parquet")


def text(folder: Path, captions: Sequence[str]) -> Encoded:
    return ImportedVectors(folder).encode_text(captions, lambda done: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, 0, ROWS[:3], {"caption": CAPTIONS[:3]})
    write(tmp_path, 1, ROWS[3:], {"caption": CAPTIONS[3:]})
    return tmp_path


def test_captions_are_found_by_content_in_any_order_and_scaled_to_unit(folder: Path) -> None:
    order = [3, 0, 2, 0, 1]
    encoded = text(folder, [CAPTIONS[at] for at in order])
    assert not encoded.failed
    np.testing.assert_allclose(encoded.rows, UNIT[order], atol=1e-7)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_any_float_is_read(tmp_path: Path, kind: type) -> None:
    write(tmp_path, 0, ROWS.astype(kind), {"caption": CAPTIONS})
    np.testing.assert_allclose(text(tmp_path, CAPTIONS).rows, UNIT, atol=1e-3)


def test_a_row_without_a_short_suffix_and_other_caption_columns_are_recognised(
    tmp_path: Path,
) -> None:
    write(tmp_path, 0, ROWS[:2], {"url": ["", ""], "TEXT": CAPTIONS[:2]}, digits=1)
    write(tmp_path, 1, ROWS[2:], {"text": CAPTIONS[2:]}, digits=1)
    np.testing.assert_allclose(text(tmp_path, CAPTIONS).rows, UNIT, atol=1e-7)


def test_metadata_is_normalised_as_pools_are(tmp_path: Path) -> None:
    write(tmp_path, 0, ROWS[:1], {"caption": ["  a vase\u00a0on a   table "]})
    np.testing.assert_allclose(text(tmp_path, [CAPTIONS[0]]).rows, UNIT[:1], atol=1e-7)


def test_absent_captions_fail_alone(folder: Path) -> None:
    encoded = text(folder, ["never seen", CAPTIONS[1], "A dog on a beach", CAPTIONS[2]])
    assert encoded.failed == {0: "not_in_source", 2: "not_in_source"}
    np.testing.assert_allclose(encoded.rows, UNIT[[1, 2]], atol=1e-7)


def test_rows_that_are_no_direction_fail_as_not_finite(tmp_path: Path) -> None:
    rows = ROWS.copy()
    rows[0, 1], rows[1, 0], rows[2] = np.nan, np.inf, 0
    write(tmp_path, 0, rows, {"caption": CAPTIONS})
    encoded = text(tmp_path, ["never seen", *CAPTIONS])
    bad = dict.fromkeys((1, 2, 3), "not_finite")
    assert encoded.failed == {0: "not_in_source"} | bad
    np.testing.assert_allclose(encoded.rows, UNIT[[3]], atol=1e-7)


def test_pictures_are_found_by_the_hash_of_their_bytes(folder: Path) -> None:
    write(folder, 0, ROWS[:3], {"caption": CAPTIONS[:3], "sha256": HASHES[:3]}, kind="img_emb")
    write(folder, 1, ROWS[3:], {"caption": CAPTIONS[3:], "sha256": HASHES[3:]}, kind="img_emb")
    encoder = ImportedVectors(folder)
    assert encoder.identity.image_width == 3
    wanted = [HASHES[3], "ab" * 32, HASHES[0]]
    encoded = encoder.encode_images([(sha256, bytes) for sha256 in wanted], lambda done: None)
    assert encoded.failed == {1: "not_in_source"}
    np.testing.assert_allclose(encoded.rows, UNIT[[3, 0]], atol=1e-7)


def test_a_folder_without_pictures_has_no_image_width(folder: Path) -> None:
    assert ImportedVectors(folder).identity.image_width is None


def test_pictures_without_hashes_are_refused(folder: Path) -> None:
    (folder / "img_emb").mkdir()
    np.save(folder / "img_emb" / "img_emb_0000.npy", ROWS[:3])
    with pytest.raises(InputError, match="column sha256 is missing"):
        ImportedVectors(folder)


@pytest.mark.parametrize("bad", ["xyz", "abc", 5.0])
def test_hashes_that_are_no_hashes_are_refused(folder: Path, bad: object) -> None:
    column = [bad, bad, bad] if isinstance(bad, float) else [*HASHES[:2], bad]
    write(folder, 0, ROWS[:3], {"caption": CAPTIONS[:3], "sha256": column}, kind="img_emb")
    digits = r"metadata_0000\.parquet: expected 64 hexadecimal digits in row [02] of column sha256"
    with pytest.raises(InputError, match=digits):
        ImportedVectors(folder)


@pytest.mark.parametrize("rows", [2, 4])
def test_metadata_that_is_not_row_aligned_is_refused(folder: Path, rows: int) -> None:
    write(folder, 0, ROWS[:rows], {"caption": CAPTIONS[:3]})
    with pytest.raises(InputError, match=rf"{rows} vectors, but metadata_0000\.parquet has 3 rows"):
        ImportedVectors(folder)


def test_two_widths_in_one_folder_are_refused(folder: Path) -> None:
    write(folder, 1, np.ones((1, 5), np.float32), {"caption": CAPTIONS[3:]})
    with pytest.raises(InputError, match="expected vectors of width 3, got 5"):
        ImportedVectors(folder)


def test_missing_parts_are_named(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(InputError, match=r"no text_emb/\*\.npy"):
        source_digest(tmp_path_factory.mktemp("gone"))
    with pytest.raises(InputError, match=r"no text_emb/\*\.npy"):
        ImportedVectors(tmp_path_factory.mktemp("empty"))
    (folder / "metadata" / "metadata_0001.parquet").unlink()
    with pytest.raises(InputError, match=r"metadata_0001\.parquet is missing"):
        ImportedVectors(folder)


@pytest.mark.parametrize(
    "array", [np.ones(3, np.float32), np.ones((3, 3), np.int64), np.ones((3, 3, 1), np.float32)]
)
def test_arrays_of_another_kind_are_refused(folder: Path, array: np.ndarray) -> None:
    write(folder, 0, array, {"caption": CAPTIONS[:3]})
    with pytest.raises(InputError, match=r"expected floats \[n, d\]"):
        ImportedVectors(folder)


def test_cut_files_are_refused(folder: Path) -> None:
    path = folder / "text_emb" / "text_emb_0000.npy"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"truncated or not a \.npy array"):
        ImportedVectors(folder)
    np.save(path, ROWS[:3])
    metadata = folder / "metadata" / "metadata_0000.parquet"
    metadata.write_bytes(metadata.read_bytes()[:-5])
    with pytest.raises(InputError, match="damaged or truncated"):
        ImportedVectors(folder)


def test_metadata_without_captions_names_its_columns(folder: Path) -> None:
    write(folder, 0, ROWS[:3], {"url": ["1", "2", "3"], "key": ["1", "2", "3"]})
    with pytest.raises(InputError, match="no caption column; available columns: url, key"):
        ImportedVectors(folder)


def test_the_digest_follows_arrays_and_metadata(folder: Path) -> None:
    digests = [source_digest(folder)]
    np.save(folder / "text_emb" / "text_emb_0001.npy", ROWS[:1])
    digests.append(source_digest(folder))
    write(folder, 1, ROWS[:1], {"caption": ["another"]})
    digests.append(source_digest(folder))
    assert len(set(digests)) == 3
    assert ImportedVectors(folder).identity.weights_sha256 == digests[-1]


def test_unit_rows_in_half_precision_are_kept_to_the_bit(tmp_path: Path) -> None:
    """Their lengths differ from one by rounding; dividing by them would round once more."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2_000, 4))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    captions = [f"{number} kites" for number in range(len(rows))]
    write(tmp_path, 0, rows, {"caption": captions})
    np.testing.assert_array_equal(text(tmp_path, captions).rows.astype(np.float16), rows)
