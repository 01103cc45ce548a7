from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.detector_place import WORDS, write_classifier
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from nsfwcaps.detectors import registry
from nsfwcaps.detectors.detector import CategoryDetector, Modality
from nsfwcaps.enums import Category, Device
from nsfwcaps.errors import ConfigError, ModelError

LABELS = ("fine", "rude", "hateful")
TEXTS = [" ".join(WORDS[i : i + 3]) for i in range(8)] * 5


def logits(folder: Path, texts: list[str]) -> torch.Tensor:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        rows = [model(**tokenizer(text, return_tensors="pt")).logits for text in texts]
    return torch.cat(rows)


def test_one_label_each_the_unsafe_ones_are_added(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "toxic", LABELS)
    detector = registry.load(f"transformers:{folder}#rude,hateful", Modality.TEXT, Device.CPU)
    expected = logits(folder, TEXTS).softmax(1)[:, 1:].sum(1)
    np.testing.assert_allclose(detector.score(TEXTS), expected, atol=1e-5)
    assert expected.std() > 1e-2
    assert detector.score([]).shape == (0,)


def test_several_labels_each_the_surest_counts(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "toxic", LABELS, several=True)
    detector = registry.load(f"transformers:{folder}#hateful,rude", Modality.TEXT, Device.CPU)
    expected = logits(folder, TEXTS).sigmoid()[:, 1:].amax(1)
    np.testing.assert_allclose(detector.score(TEXTS), expected, atol=1e-5)


def test_a_long_text_is_cut(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "toxic", LABELS)
    detector = registry.load(f"transformers:{folder}#rude", Modality.TEXT, Device.CPU)
    long, longer = (" ".join(["kite"] * n) for n in (22, 500))
    np.testing.assert_allclose(*detector.score([long, longer]), atol=1e-6)


def test_it_names_the_folder_and_the_labels_only(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "private" / "toxic", LABELS)
    statement = registry.load(f"transformers:{folder}#rude", Modality.TEXT, Device.CPU).statement
    assert statement.name == "transformers:toxic"
    assert "unsafe: rude" in statement.trained_for
    assert "private" not in str(statement.as_json())


@pytest.mark.parametrize("labels", ["", "#", "#rud", "#fine,rud"])
def test_labels_that_it_does_not_have(labels: str, tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "toxic", LABELS)
    with pytest.raises(ConfigError, match="it has fine, rude, hateful"):
        registry.load(f"transformers:{folder}{labels}", Modality.TEXT, Device.CPU)


def test_a_model_that_classifies_nothing(tmp_path: Path) -> None:
    """By itself transformers would give it a head of random numbers."""
    folder = write_classifier(tmp_path / "toxic", LABELS)
    AutoModel.from_pretrained(folder).save_pretrained(folder)
    with pytest.raises(ModelError, match="cannot load a text classifier"):
        registry.load(f"transformers:{folder}#rude", Modality.TEXT, Device.CPU)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load a text classifier"):
        registry.load(f"transformers:{tmp_path}#rude", Modality.TEXT, Device.CPU)


@pytest.mark.parametrize("several", [False, True])
def test_labels_that_stand_for_categories(several: bool, tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "toxic", LABELS, several=several)
    plain = registry.load(f"transformers:{folder}#rude,hateful", Modality.TEXT, Device.CPU)
    written = f"transformers:{folder}#rude=harassment,hateful=hate"
    detector = registry.load(written, Modality.TEXT, Device.CPU)
    assert isinstance(detector, CategoryDetector)
    assert list(detector.categories) == [Category.HARASSMENT, Category.HATE]
    rows = logits(folder, TEXTS)
    expected = (rows.sigmoid() if several else rows.softmax(1))[:, 1:]
    np.testing.assert_allclose(detector.score_categories(TEXTS), expected, atol=1e-5)
    np.testing.assert_array_equal(detector.score(TEXTS), plain.score(TEXTS))
    assert "rude=harassment" in detector.statement.trained_for


def test_a_category_that_is_none(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "toxic", LABELS)
    with pytest.raises(ConfigError, match="unknown category 'weather'"):
        registry.load(f"transformers:{folder}#rude=weather", Modality.TEXT, Device.CPU)


def test_a_label_may_have_an_equals_sign(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "toxic", ("fine", "rude=hate"))
    detector = registry.load(f"transformers:{folder}#rude=hate", Modality.TEXT, Device.CPU)
    assert isinstance(detector, CategoryDetector)
    assert list(detector.categories) == []
    assert detector.score_categories(TEXTS).shape == (len(TEXTS), 0)
