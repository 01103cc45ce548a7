from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nsfwcaps.detectors.soft_prompts import read_soft_prompts
from nsfwcaps.errors import ModelError

ROWS = np.array([[3.0, 4.0], [0.0, -2.0]], dtype=np.float32)
UNIT = [[0.6, 0.8], [0.0, -1.0]]


def write(path: Path, rows: Any, protocol: int = 4) -> Path:
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix == ".pt":
        torch.save(torch.from_numpy(rows), path)
    else:
        path.write_bytes(pickle.dumps(rows, protocol=protocol))
    return path


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", ["q.npy", "q.pt", "q.p"])
def test_rows_come_as_unit_rows(name: str, kind: Any, tmp_path: Path) -> None:
    rows = read_soft_prompts(write(tmp_path / name, ROWS.astype(kind)))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, UNIT, atol=1e-6)


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol(protocol: int, tmp_path: Path) -> None:
    path = write(tmp_path / "prompts.p", ROWS, protocol)
    np.testing.assert_allclose(read_soft_prompts(path), UNIT, atol=1e-6)


@pytest.mark.filterwarnings("error")
def test_a_pickle_of_an_older_numpy(tmp_path: Path) -> None:
    """Protocol 0 names the module in plain text, so it can be renamed."""
    text = pickle.dumps(ROWS, protocol=0)
    text = text.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    (tmp_path / "prompts.p").write_bytes(text)
    np.testing.assert_allclose(read_soft_prompts(tmp_path / "prompts.p"), UNIT, atol=1e-6)


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("name", ["q.p", "q.pt"])
def test_code_in_a_file_is_not_run(name: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    if name.endswith(".pt"):
        torch.save(Harmful(trap), tmp_path / name)
    else:
        (tmp_path / name).write_bytes(pickle.dumps(Harmful(trap)))
    with pytest.raises(ModelError, match="is not a soft prompt file"):
        read_soft_prompts(tmp_path / name)
    assert not trap.exists()


@pytest.mark.parametrize(
    "rows",
    [np.zeros((2, 4)), np.ones((3, 4)), np.ones(4), np.array([[1, np.nan], [1, 1]]), np.float32(1)],
)
def test_what_are_no_two_directions(rows: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected an array \[2, d\]"):
        read_soft_prompts(write(tmp_path / "q.npy", rows))


def test_missing_and_damaged(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        read_soft_prompts(tmp_path / "none.npy")
    for name in ("q.npy", "q.pt", "q.p"):
        (tmp_path / name).write_bytes(b"damaged")
        with pytest.raises(ModelError, match="is not a soft prompt file"):
            read_soft_prompts(tmp_path / name)
