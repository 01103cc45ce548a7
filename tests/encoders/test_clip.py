"""open_clip models: what identifies them, what cannot be loaded, and pictures that fail."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.odd_pictures import file_of
from torch.nn.functional import normalize

from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.enums import Precision
from nsfwcaps.errors import DeviceError, ModelError

TinyModel = Callable[..., tuple[str, str]]
LoadClip = Callable[..., ClipEncoder]
Draw = Callable[..., bytes]

CAPTIONS = ["a vase on a table", "a handgun on a table", "a dog", "a man with a kite by the sea"]


def silent(rows: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def encoder(tiny_model: TinyModel, clip_encoder: LoadClip) -> ClipEncoder:
    return clip_encoder(*tiny_model("tiny-clip"))


@pytest.mark.parametrize("batch_tokens", [1, 12, 10_000])
def test_the_company_in_a_batch_does_not_matter(
    tiny_model: TinyModel, clip_encoder: LoadClip, encoder: ClipEncoder, batch_tokens: int
) -> None:
    alone = np.concatenate([encoder.encode_text([item], silent).rows for item in CAPTIONS])
    other = clip_encoder(*tiny_model("tiny-clip"), batch_tokens=batch_tokens)
    np.testing.assert_allclose(
        other.encode_text(CAPTIONS[::-1], silent).rows, alone[::-1], atol=1e-6
    )


def test_rows_are_unit_and_progress_adds_up(encoder: ClipEncoder) -> None:
    heard: list[int] = []
    rows = encoder.encode_text(CAPTIONS, heard.append).rows
    assert sum(heard) == len(CAPTIONS)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert encoder.encode_text([], silent).rows.shape == (0, 32)


def test_quickgelu_and_gelu_on_one_checkpoint_are_two_encoders(
    tiny_model: TinyModel, clip_encoder: LoadClip
) -> None:
    """The trap: the same weights load under both names, and the numbers differ."""
    name, checkpoint = tiny_model("tiny-clip")
    quick, _ = tiny_model("tiny-clip-quickgelu", quick_gelu=True)
    plain, other = clip_encoder(name, checkpoint), clip_encoder(quick, checkpoint)
    assert plain.identity.weights_sha256 == other.identity.weights_sha256
    assert (plain.identity.activation, other.identity.activation) == ("GELU", "QuickGELU")
    assert plain.identity.digest != other.identity.digest
    gap = plain.encode_text(CAPTIONS, silent).rows - other.encode_text(CAPTIONS, silent).rows
    assert np.abs(gap).max() > 1e-3


def test_the_digest_follows_the_weights_and_not_the_name(
    tiny_model: TinyModel, clip_encoder: LoadClip, tmp_path: Path
) -> None:
    name, checkpoint = tiny_model("tiny-clip")
    copy = tmp_path / "renamed.pt"
    copy.write_bytes(Path(checkpoint).read_bytes())
    _, others = tiny_model("tiny-clip", seed=1)
    digest = clip_encoder(name, checkpoint).identity.digest
    assert clip_encoder(name, str(copy)).identity.name.endswith("renamed.pt")
    assert clip_encoder(name, str(copy)).identity.digest == digest
    assert clip_encoder(name, others).identity.digest != digest


def test_the_digest_follows_one_changed_weight_and_the_precision(
    tiny_model: TinyModel, clip_encoder: LoadClip, tmp_path: Path
) -> None:
    name, checkpoint = tiny_model("tiny-clip")
    state = torch.load(checkpoint)
    state["text_projection"][3, 5] += 1e-3
    torch.save(state, tmp_path / "changed.pt")
    digests = {
        clip_encoder(name, checkpoint).identity.digest,
        clip_encoder(name, str(tmp_path / "changed.pt")).identity.digest,
        clip_encoder(name, checkpoint, precision=Precision.BF16).identity.digest,
    }
    assert len(digests) == 3


def test_half_precision_resizes_with_torch_and_says_so(
    tiny_model: TinyModel, clip_encoder: LoadClip
) -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (3, 90, 120, 3), dtype=np.uint8)
    images = [("", lambda data=data: file_of(Image.fromarray(data))) for data in drawn]
    single, half = (
        clip_encoder(*tiny_model("tiny-clip"), precision=precision)
        for precision in (Precision.FP32, Precision.BF16)
    )
    assert (single.identity.resize, half.identity.resize) == ("pillow", "torch")
    earlier = replace(half.identity, resize="pillow")
    assert len({one.digest for one in (single.identity, half.identity, earlier)}) == 3
    rows = [one.encode_images(images, silent).rows for one in (single, half)]
    assert (rows[0] * rows[1]).sum(axis=1).min() > 0.99
    assert not np.array_equal(*rows)


def test_half_precision_stays_close(tiny_model: TinyModel, clip_encoder: LoadClip) -> None:
    rows = [
        clip_encoder(*tiny_model("tiny-clip"), precision=precision)
        .encode_text(CAPTIONS, silent)
        .rows
        for precision in (Precision.FP32, Precision.BF16)
    ]
    assert (rows[0] * rows[1]).sum(axis=1).min() > 0.99


@pytest.mark.parametrize(
    ("name", "weights", "says"),
    [
        ("ViT-B-32", "/nowhere/clip.pt", "there is no checkpoint /nowhere/clip.pt; check its path"),
        ("ViT-B-32", "no-such-tag", "ViT-B-32 has no weights with the tag 'no-such-tag'; it has "),
        ("ViT-B-32", "openai", "timm/vit_base_patch32_clip_224.openai is not in "),
        ("ViT-Z-99", "openai", "open_clip has no architecture 'ViT-Z-99'; did you mean "),
        ("hf-hub:someone/something", None, "someone/something is not in "),
        ("local-dir:/nowhere", None, "there is no folder /nowhere; check its path"),
    ],
)
def test_what_cannot_be_loaded_is_a_model_error_of_one_line(
    clip_encoder: LoadClip, name: str, weights: str | None, says: str
) -> None:
    with pytest.raises(ModelError) as caught:
        clip_encoder(name, weights)
    assert says in str(caught.value)
    assert f"{name}{'/' + weights if weights else ''}': " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_another_architecture_are_a_model_error(
    tiny_model: TinyModel, clip_encoder: LoadClip
) -> None:
    name, _ = tiny_model("tiny-clip-16", text={"context_length": 16})
    _, wide = tiny_model("tiny-clip-wide", text={"width": 64})
    with pytest.raises(ModelError, match="cannot load 'tiny-clip-16'") as caught:
        clip_encoder(name, wide)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_checkpoint_is_a_model_error(
    tiny_model: TinyModel, clip_encoder: LoadClip, tmp_path: Path
) -> None:
    (tmp_path / "notes.pt").write_text("not weights")
    with pytest.raises(ModelError, match="cannot load"):
        clip_encoder(tiny_model("tiny-clip")[0], str(tmp_path / "notes.pt"))


def test_a_text_tower_of_full_size_is_trimmed_without_a_difference(
    tiny_model: TinyModel, clip_encoder: LoadClip
) -> None:
    size = {"width": 512, "heads": 8, "layers": 12}  # as in ViT-B/32
    encoder = clip_encoder(*tiny_model("full-text", embed_dim=512, text=size, std=0.05))
    assert encoder.identity.padding.startswith("trimmed")
    assert (encoder.identity.width, encoder.identity.context_length) == (512, 77)
    with torch.inference_mode():
        tokens = encoder.tokenizer(CAPTIONS)
        full = normalize(encoder.model.encode_text(tokens), dim=-1).numpy()
    np.testing.assert_allclose(encoder.encode_text(CAPTIONS, silent).rows, full, atol=1e-5)


def test_pictures_that_fail_are_set_aside_and_the_rest_stay_in_order(
    encoder: ClipEncoder, picture: Draw
) -> None:
    def gone() -> bytes:
        raise FileNotFoundError("gone.png")

    red, blue, green = (picture(colour) for colour in ("red", "blue", "green"))
    images = [
        ("0", lambda: b"not a picture"),
        ("1", lambda: red),
        ("2", gone),
        ("3", lambda: blue),
        ("4", lambda: b""),
        ("5", lambda: green[:-30]),
        ("6", lambda: green),
    ]
    heard: list[int] = []
    encoded = encoder.encode_images(images, heard.append)
    undecodable = dict.fromkeys((0, 4, 5), "image_undecodable")
    assert encoded.failed == undecodable | {2: "image_missing"}
    assert sum(heard) == 7
    expected = [alone(encoder, data) for data in (red, blue, green)]
    np.testing.assert_allclose(encoded.rows, np.stack(expected), atol=1e-6)
    assert np.abs(encoded.rows[0] - encoded.rows[1]).max() > 1e-3


def alone(encoder: ClipEncoder, data: bytes) -> np.ndarray:
    """open_clip's own preprocessing and tower on one picture."""
    with Image.open(io.BytesIO(data)) as opened, torch.inference_mode():
        batch = encoder.preprocess(opened.convert("RGB")).unsqueeze(0)
        row: np.ndarray = normalize(encoder.model.encode_image(batch), dim=-1)[0].numpy()
    return row


def test_grey_and_palette_pictures_are_read_and_no_pictures_give_no_rows(
    encoder: ClipEncoder, picture: Draw
) -> None:
    images = [(mode, lambda mode=mode: picture("red", mode=mode)) for mode in ("L", "P", "1")]
    encoded = encoder.encode_images(images, silent)
    assert encoded.rows.shape == (3, 32)
    assert not encoded.failed
    nothing = encoder.encode_images([("0", lambda: b"")], silent)
    assert nothing.rows.shape == (0, 32)
    assert encoder.encode_images([], silent).rows.shape == (0, 32)


def test_a_batch_of_pictures_without_room_is_tried_in_halves(
    tiny_model: TinyModel,
    clip_encoder: LoadClip,
    picture: Draw,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = clip_encoder(*tiny_model("tiny-clip"), batch_images=8)
    files = [picture(colour) for colour in ("red", "blue", "green", "white", "grey")]
    images = [(str(number), lambda data=data: data) for number, data in enumerate(files)]
    images.insert(2, ("broken", lambda: b""))
    whole = encoder.encode_images(images, silent)
    encode, sizes = encoder.model.encode_image, []

    def small(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("no room")
        return encode(batch)

    monkeypatch.setattr(encoder.model, "encode_image", small)
    halves = encoder.encode_images(images, silent)
    assert halves.failed == whole.failed == {2: "image_undecodable"}
    np.testing.assert_allclose(halves.rows, whole.rows, atol=1e-6)
    assert sizes[0] == 5
    assert [size for size in sizes if size <= 2] == [2, 1, 2]


def test_running_out_of_memory_names_the_option_to_lower(
    encoder: ClipEncoder, picture: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(batch: object) -> object:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(encoder.model, "encode_image", full)
    with pytest.raises(DeviceError, match="lower --batch-images"):
        encoder.encode_images([("0", lambda: picture("red"))], silent)
