from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.detector_place import picture

from nsfwcaps.detectors import registry
from nsfwcaps.detectors.detector import Detector, Modality, unsafe
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, InputError, ModelError
from nsfwcaps.models import create
from nsfwcaps.stages.embed.settings import EmbedSettings


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    return [picture(seed) for seed in range(6)]


@pytest.fixture(scope="module")
def rows(pictures: list[bytes]) -> np.ndarray:
    settings = EmbedSettings(model="mini", device=Device.CPU, precision=Precision.FP32)
    images = [(str(n), lambda data=data: data) for n, data in enumerate(pictures)]
    return (
        create.load(str(settings.model), EncoderOptions.of(settings))
        .encode_images(images, lambda n: None)
        .rows
    )


def detector(folder: Path, prompts: np.ndarray) -> Detector[bytes]:
    np.save(folder / "prompts.npy", prompts)
    return registry.load(f"q16:{folder / 'prompts.npy'}#mini", Modality.IMAGE, Device.CPU)


def test_the_nearer_prompt_decides(pictures: list[bytes], rows: np.ndarray, tmp_path: Path) -> None:
    """The prompts are two of the pictures: of each other, the nearer one."""
    found = detector(tmp_path, 5 * rows[[0, 3]])
    scores = found.score(pictures)
    sims = rows @ rows[[0, 3]].T
    assert unsafe(found.statement, scores).tolist() == (sims[:, 1] >= sims[:, 0]).tolist()
    assert scores[0] < 0.5 < scores[3]
    expected = np.exp(100 * sims.astype(np.float64))
    np.testing.assert_allclose(scores, expected[:, 1] / expected.sum(axis=1), atol=1e-4)
    assert found.score([]).shape == (0,)


def test_it_names_file_and_encoder(rows: np.ndarray, tmp_path: Path) -> None:
    statement = detector(tmp_path, rows[:2]).statement
    assert "prompts.npy" in statement.trained_for
    assert "mini" in statement.licence
    assert str(tmp_path) not in str(statement.as_json())
    assert detector(tmp_path, rows[1:3]).statement.scores_digest != statement.scores_digest


def test_prompts_of_another_space(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="soft prompts have width 2, images of mini have"):
        detector(tmp_path, np.eye(2))


def test_an_encoder_that_is_none(tmp_path: Path) -> None:
    np.save(tmp_path / "q.npy", np.eye(2))
    with pytest.raises(ConfigError, match="q16"):
        registry.load(f"q16:{tmp_path / 'q.npy'}#nosuch", Modality.IMAGE, Device.CPU)


def test_what_is_no_picture(rows: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="could not decode 1 images"):
        detector(tmp_path, rows[:2]).score([b"no picture", picture(0)])
