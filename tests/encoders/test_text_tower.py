"""Trimming a batch to its longest caption: only where it changes nothing, shown for each tower."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch.nn.functional import normalize

from nsfwcaps.encoders import text_tower
from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.encoders.token_counts import minilm_folder

TinyModel = Callable[..., tuple[str, str]]
LoadClip = Callable[..., ClipEncoder]

CAPTIONS = [
    "a vase",
    "a handgun on a table next to an open window",
    "a dog " * 60,  # longer than the context: cut, with the end token in the last place
    "x",
    "a man in a red coat walks two dogs along the river in the rain",
]

END = 49407
VISION = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 2, "head_width": 16}

CAUSAL = {
    "tiny-clip": {},
    "tiny-clip-eos": {"text": {"pool_type": "eos", "eos_id": END}},
    "tiny-clip-128": {"text": {"context_length": 128}},
    "tiny-clip-16": {"text": {"context_length": 16}},
    "tiny-text": {"custom_text": True},
    "tiny-text-eos": {"custom_text": True, "text": {"pool_type": "eos", "eos_id": END}},
    "tiny-text-bias": {"custom_text": True, "text": {"proj_bias": True}},
    "tiny-text-bare": {"custom_text": True, "text": {"proj_type": "none"}},
}

NOT_CAUSAL = {
    "tiny-both-ways": {"text": {"no_causal_mask": True}},
    "tiny-both-ways-text": {"custom_text": True, "text": {"no_causal_mask": True}},
    "tiny-both-ways-last": {
        "custom_text": True,
        "text": {"no_causal_mask": True, "pool_type": "last"},
    },
    "tiny-causal-last": {"custom_text": True, "text": {"pool_type": "last"}},
    "tiny-both-ways-first": {
        "custom_text": True,
        "text": {"no_causal_mask": True, "pool_type": "first"},
    },
    "tiny-class-token": {"custom_text": True, "text": {"embed_cls": True}},
}

COCA = {
    "custom_text": True,
    "text": {"context_length": 76, "embed_cls": True, "output_tokens": True},
    "vision_cfg": VISION | {"output_tokens": True},
    "multimodal_cfg": {
        "width": 32,
        "context_length": 76,
        "vocab_size": 49408,
        "layers": 1,
        "heads": 2,
        "dim_head": 16,
        "n_queries": 4,
        "attn_pooler_heads": 2,
    },
}


class Watched:
    """A tower that remembers the length of every batch."""

    def __init__(self, encoder: ClipEncoder) -> None:
        self.lengths: list[int] = []
        inner = encoder.tower

        def encode(tokens: Any) -> Any:
            self.lengths.append(int(tokens.shape[1]))
            return inner.encode(tokens)

        encoder.tower = text_tower.TextTower(
            lengths=inner.lengths, encode=encode, padding=inner.padding
        )


def full_context(encoder: ClipEncoder) -> np.ndarray:
    """The model's own `encode_text`, every caption padded to the context length."""
    tokens = encoder.tokenizer(CAPTIONS)
    with torch.inference_mode():
        rows: np.ndarray = normalize(encoder.model.encode_text(tokens), dim=-1).numpy()
    return rows


def assert_rows_agree(encoder: ClipEncoder) -> None:
    expected = full_context(encoder)
    spread = np.abs(expected - expected.mean(axis=0)).max()
    assert spread > 0.05, "captions must differ for the comparison to mean anything"
    rows = encoder.encode_text(CAPTIONS, lambda done: None).rows
    np.testing.assert_allclose(rows, expected, atol=2e-6)


@pytest.mark.parametrize("name", CAUSAL)
def test_causal_towers_pooled_at_the_end_are_trimmed_without_a_difference(
    tiny_model: TinyModel, clip_encoder: LoadClip, name: str
) -> None:
    encoder = clip_encoder(*tiny_model(name, **CAUSAL[name]), batch_tokens=10)
    context = CAUSAL[name].get("text", {}).get("context_length", 77)
    assert encoder.identity.padding == "trimmed to the longest of the batch; the tower is causal"
    assert encoder.identity.context_length == context
    assert_rows_agree(encoder)
    watched = Watched(encoder)
    encoder.encode_text(CAPTIONS, lambda done: None)
    # The two shortest captions together, then one by one; a long one fills the context.
    assert watched.lengths == [4, 13, min(context, 17), min(context, 122)]


@pytest.mark.parametrize("name", NOT_CAUSAL)
def test_towers_that_see_the_padding_get_the_full_context(
    tiny_model: TinyModel, clip_encoder: LoadClip, name: str
) -> None:
    encoder = clip_encoder(*tiny_model(name, **NOT_CAUSAL[name]), batch_tokens=10)
    assert encoder.identity.padding.startswith("full context")
    assert_rows_agree(encoder)
    watched = Watched(encoder)
    encoder.encode_text(CAPTIONS, lambda done: None)
    assert set(watched.lengths) == {77}


def test_trimming_a_bidirectional_tower_would_have_changed_its_numbers(
    tiny_model: TinyModel, clip_encoder: LoadClip
) -> None:
    """Guards the test above: on this model a trim is not harmless."""
    name = "tiny-both-ways-text"
    model = clip_encoder(*tiny_model(name, **NOT_CAUSAL[name])).model
    tokens = torch.zeros((1, 77), dtype=torch.long)
    tokens[0, :4] = torch.tensor([END - 1, 320, 1929, END])
    with torch.inference_mode():
        gap = normalize(model.encode_text(tokens), dim=-1) - normalize(
            model.encode_text(tokens[:, :4]), dim=-1
        )
    assert gap.abs().max() > 0.01


def test_coca_gets_the_full_context(tiny_model: TinyModel, clip_encoder: LoadClip) -> None:
    encoder = clip_encoder(*tiny_model("tiny-coca", **COCA), batch_tokens=10)
    assert encoder.identity.padding.startswith("full context")
    assert_rows_agree(encoder)


@pytest.fixture(scope="module")
def hugging_face_towers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small random towers of Transformers on disk, with a tokenizer that ships in a package."""
    configs = {
        "bert": transformers.BertConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
        ),
        "mt5": transformers.MT5Config(
            vocab_size=30522,
            d_model=32,
            d_kv=16,
            d_ff=64,
            num_layers=2,
            num_heads=2,
            pad_token_id=0,
        ),
    }
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(minilm_folder()))
    folders = {}
    for name, config in configs.items():
        folders[name] = tmp_path_factory.mktemp(name)
        torch.manual_seed(1)
        transformers.AutoModel.from_config(config).save_pretrained(folders[name])
        tokenizer.save_pretrained(folders[name])
    return folders


@pytest.mark.parametrize(
    ("tower", "pooler"), [("bert", "mean_pooler"), ("bert", "cls_pooler"), ("mt5", "mean_pooler")]
)
def test_hugging_face_towers_are_trimmed_behind_their_mask(
    tiny_model: TinyModel,
    clip_encoder: LoadClip,
    hugging_face_towers: dict[str, Path],
    tower: str,
    pooler: str,
) -> None:
    folder = str(hugging_face_towers[tower])
    text = {"hf_model_name": folder, "hf_tokenizer_name": folder, "hf_pooler_type": pooler}
    encoder = clip_encoder(
        *tiny_model(
            f"tiny-{tower}-{pooler}",
            text={**text, "hf_proj_type": "linear", "context_length": 40},
            custom_text=True,
        ),
        batch_tokens=10,
    )
    assert encoder.identity.padding == "trimmed to the longest of the batch; padding is masked"
    assert_rows_agree(encoder)
    watched = Watched(encoder)
    encoder.encode_text(CAPTIONS, lambda done: None)
    assert (watched.lengths[0], watched.lengths[-1]) == (4, 40)


def test_a_tower_whose_trim_changes_its_numbers_is_not_trimmed(
    tiny_model: TinyModel, clip_encoder: LoadClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe on the model itself, should a new kind of tower pass for a causal one."""
    model = clip_encoder(*tiny_model("tiny-clip")).model
    real = text_tower._encode_causal
    monkeypatch.setattr(
        text_tower, "_encode_causal", lambda text, tokens, ends: real(text, tokens, ends * 0)
    )
    tower = text_tower.text_tower(model)
    assert tower.padding == "full context; trimming changed this model's numbers"
    assert tower.lengths(torch.zeros((3, 77), dtype=torch.long)).tolist() == [77, 77, 77]


def test_lengths_count_up_to_and_with_the_end_token(
    tiny_model: TinyModel, clip_encoder: LoadClip
) -> None:
    encoder = clip_encoder(*tiny_model("tiny-clip"))
    lengths = encoder.tower.lengths(encoder.tokenizer(CAPTIONS))
    # Start and end marks, and one token a word, but for "handgun", which has two.
    assert lengths.tolist() == [4, 13, 77, 3, 17]
