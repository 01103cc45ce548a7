"""`nsfwcaps.embed`: the rows that the embed stage stores."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from support.ingest_place import Place, table

import nsfwcaps
from nsfwcaps.errors import ConfigError, InputError, ModelError
from nsfwcaps.pipeline import run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.vectors.store import VectorTable

CAPTIONS = ["A vase on a table.", "A man at a bus stop.", "A parked red car."]


def test_rows_are_those_of_the_stage(tmp_path: Path) -> None:
    place = Place(tmp_path)
    record = place.ingest(safe=(place.pool("safe.jsonl", CAPTIONS),))
    embedded = run_stage(
        STAGE["embed"], EmbedSettings(model="minilm"), place.folder / "work", Silent()
    ).record
    stored = VectorTable(embedded.paths("safe"))
    ordered = table(record, "safe")["caption"].to_pylist()
    rows = nsfwcaps.embed(ordered, model="minilm")
    assert (rows.shape, rows.dtype) == ((3, 384), np.float16)
    np.testing.assert_array_equal(rows, stored.read(0, 3))
    np.testing.assert_allclose(np.linalg.norm(rows.astype(float), axis=1), 1, atol=2**-11)


@pytest.mark.parametrize(
    "convert", [tuple, pd.Series, pa.array, lambda items: pa.chunked_array([items]), np.array]
)
def test_captions_come_from_any_column(convert: Any) -> None:
    np.testing.assert_array_equal(nsfwcaps.embed(convert(CAPTIONS)), nsfwcaps.embed(CAPTIONS))


def png(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(out, "PNG")
    return out.getvalue()


def test_images_come_as_files_or_as_bytes(tmp_path: Path) -> None:
    data = [png("red"), png("green")]
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for path, item in zip(paths, data, strict=True):
        path.write_bytes(item)
    rows = nsfwcaps.embed(paths)
    assert (rows.shape, rows.dtype) == ((2, 512), np.float16)
    np.testing.assert_array_equal(nsfwcaps.embed(data, model="mini"), rows)
    assert not np.array_equal(rows[0], rows[1])


def test_images_that_fail_are_named_and_none_is_left_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 of 3 inputs cannot be embedded: 1 \(\w+\), 2 \(\w+\)"):
        nsfwcaps.embed([png("red"), b"no image", b"nor this"], model="mini")
    with pytest.raises(InputError, match=r"1 of 1 inputs cannot be embedded: 0 \(image_missing\)"):
        nsfwcaps.embed([tmp_path / "gone.png"], model="mini")


def test_a_model_of_captions_takes_no_images() -> None:
    with pytest.raises(ModelError, match="minilm does not accept images"):
        nsfwcaps.embed([png("red")], model="minilm")


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ("A vase on a table.", "expected captions .*, got str"),
        (7, "expected captions .*, got int"),
        (["A vase.", 7], "item 1 is int"),
        (["A vase.", Path("a.png")], "item 1 is PosixPath"),
        (pa.array(["A vase.", None]), "item 1 is missing"),
        (pd.DataFrame({"caption": ["A vase."]}), "expected captions, got a table"),
        (pa.array([1, 2]), "expected a column of strings, got int64"),
    ],
)
def test_other_inputs_are_refused(inputs: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        nsfwcaps.embed(inputs)


def test_wrong_options_are_config_errors() -> None:
    with pytest.raises(ConfigError, match="unknown model 'minlm'"):
        nsfwcaps.embed(CAPTIONS, model="minlm")
    with pytest.raises(ConfigError, match=r"embed\.batch_token: unknown key; did you mean"):
        nsfwcaps.embed(CAPTIONS, batch_token=5)  # type: ignore[call-arg]


def test_no_captions_are_no_rows() -> None:
    assert nsfwcaps.embed([], model="minilm").shape == (0, 384)
