"""Arrays of a user become unit rows in half precision, as the embed stage makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nsfwcaps.encoders.encoder import unit_rows
from nsfwcaps.encoders.imported import ImportedVectors
from nsfwcaps.errors import InputError
from nsfwcaps.vectors import unit
from nsfwcaps.vectors.unit import unit_halves


def random(rows: int, width: int = 48, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def test_rows_are_divided_by_their_length() -> None:
    got = unit_halves([[3.0, 4.0], [0.0, -2.0]], where="rows")
    assert got.dtype == np.float16
    assert got.tolist() == [[float(np.float16(0.6)), float(np.float16(0.8))], [0.0, -1.0]]


def test_rows_are_those_of_vectors_that_were_imported(tmp_path: Path) -> None:
    from support.shell import write_vectors

    rows, captions = random(200), [f"a vase, {n}" for n in range(200)]
    folder = write_vectors(tmp_path / "vectors", captions, rows)
    imported = ImportedVectors(folder).encode_text(captions, lambda count: None).rows
    np.testing.assert_array_equal(unit_halves(rows, where="rows"), imported.astype(np.float16))


def test_rows_that_an_encoder_gave_and_embed_stored_stay_as_they_are() -> None:
    stored = unit_rows(torch.from_numpy(random(5000))).numpy().astype(np.float16)
    np.testing.assert_array_equal(unit_halves(stored, where="rows"), stored)


def test_halves_of_another_length_are_scaled() -> None:
    halves = (2 * random(50)).astype(np.float16)
    got = unit_halves(halves, where="rows").astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=2**-11)


def test_brain_floats_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.from_numpy(random(9)).bfloat16()
    np.testing.assert_array_equal(
        unit_halves(rows, where="rows"), unit_halves(rows.float().numpy(), where="rows")
    )


def test_parts_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = random(23)
    whole = unit_halves(rows, where="rows")
    monkeypatch.setattr(unit, "_PART_ROWS", 5)
    np.testing.assert_array_equal(unit_halves(rows, where="rows"), whole)
    rows[[3, 22]] = 0
    with pytest.raises(InputError, match=r"rows: 2 of 23 rows are zero .* \(row 3, 22\)"):
        unit_halves(rows, where="rows")


def test_only_the_first_bad_rows_are_named() -> None:
    with pytest.raises(InputError, match=r"9 of 9 rows .* \(row 0, 1, 2, 3, 4, …\)"):
        unit_halves(np.zeros((9, 2)), where="rows")


def test_no_rows_are_no_error() -> None:
    assert unit_halves(np.empty((0, 3)), where="rows").shape == (0, 3)
