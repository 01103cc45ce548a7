"""What adapters read once it is fixed: directions against a solver of another make, and effects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft.tuners.lora import LoraLayer
from scipy.linalg import eigh, subspace_angles
from support.tiny_models import SIZE_PX, build
from torch import nn
from torch.nn.functional import normalize

from nsfwcaps.encoders.text_tower import text_tower
from nsfwcaps.errors import ConfigError
from nsfwcaps.training.adapters import (
    Adaptation,
    LayerKind,
    adapt,
    adapter_tensors,
    check_gradients,
    load_adapter,
    train_mode,
)
from nsfwcaps.training.inputs import Encoders, Inputs
from nsfwcaps.training.subspace import read_differences

torch.set_num_threads(1)

PAIRS, TOKENS, RANK = 24, 16, 4
END = 99  # CLIP's towers pool at the largest token


class Heads(nn.Module):
    """Two linear heads under the names that they have in open_clip."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.visual, self.text = nn.Module(), nn.Module()
        self.visual.head = nn.Linear(width, 6, bias=False)
        self.text.proj = nn.Linear(width, 6, bias=False)

    def encode_image(self, features: torch.Tensor) -> torch.Tensor:
        return self.visual.head(features)

    def encode_text(self, features: torch.Tensor) -> torch.Tensor:
        return self.text.proj(features)


def encoders(model: Any) -> Encoders:
    return Encoders(
        model=model,
        encode_text=model.encode_text if isinstance(model, Heads) else text_tower(model).encode,
        prepare=lambda rows: pytest.fail("batches are given"),
        device="cpu",
        dtype=torch.float32,
    )


def features(seed: int = 0, width: int = 12) -> Inputs:
    """Safe items vary most along the first axes, and unsafe ones lie off along the last two."""
    stream = torch.Generator().manual_seed(seed)
    scale = torch.linspace(3, 0.2, width)
    safe = torch.randn(PAIRS, width, generator=stream) * scale
    hazard = torch.randn(PAIRS, width, generator=stream) * 0.05
    hazard[:, -2:] += torch.randn(PAIRS, 2, generator=stream) * 2 + 1
    both = torch.cat([safe + hazard, safe])
    return Inputs(rows=np.arange(PAIRS), tokens=both, pixels=both.flip(-1))


def pictures_and_words() -> Inputs:
    """Random pictures, and captions of several lengths."""
    stream = torch.Generator().manual_seed(3)
    lengths = torch.randint(3, TOKENS - 3, (2 * PAIRS,), generator=stream)
    tokens = torch.randint(1, END, (2 * PAIRS, TOKENS), generator=stream)
    for row, length in enumerate(lengths):
        tokens[row, length - 1] = END
        tokens[row, length:] = 0
    pixels = torch.randn(2 * PAIRS, 3, SIZE_PX, SIZE_PX, generator=stream)
    return Inputs(rows=np.arange(PAIRS), tokens=tokens, pixels=pixels)


def in_batches(inputs: Inputs, size: int) -> Iterator[Inputs]:
    for start in range(0, PAIRS, size):
        rows = np.arange(start, min(start + size, PAIRS))
        both = np.concatenate([rows, rows + PAIRS])
        yield Inputs(rows=rows, tokens=inputs.tokens[both], pixels=inputs.pixels[both])


def adapted(model: Any, rank: int = RANK, *kinds: LayerKind) -> Any:
    torch.manual_seed(0)
    some = kinds or (LayerKind.PROJECTION,)
    adapt(model, Adaptation(rank=rank, alpha=rank, image_targets=some, text_targets=some))
    return model


def first_factors(model: Any) -> dict[str, torch.Tensor]:
    return {
        name: layer.lora_A["default"].weight.detach()
        for name, layer in model.named_modules()
        if isinstance(layer, LoraLayer)
    }


@pytest.mark.parametrize("ridge", [0.01, 0.3, 5.0])
@pytest.mark.parametrize("side", ["image", "text"])
def test_the_directions_solve_the_eigenproblem(ridge: float, side: str) -> None:
    inputs, model = features(), adapted(Heads())
    read_differences(encoders(model), [inputs], ridge=ridge)
    given = (inputs.pixels if side == "image" else inputs.tokens).double().numpy()
    unsafe, safe = given[:PAIRS], given[PAIRS:]
    difference = (unsafe - safe).T @ (unsafe - safe) / PAIRS
    spread = np.cov(safe.T, bias=True)
    spread += ridge * np.diag(spread).mean() * np.eye(len(spread))
    _, solutions = eigh(difference, spread)  # ascending
    name = "visual.head" if side == "image" else "text.proj"
    found = first_factors(model)[name].double().numpy()
    assert subspace_angles(found.T, solutions[:, -RANK:]).max() < 1e-3
    np.testing.assert_allclose(found @ found.T, np.eye(RANK) / 3, atol=1e-5)


def test_the_batches_do_not_matter() -> None:
    inputs = features()
    whole, parts = adapted(Heads()), adapted(Heads())
    read_differences(encoders(whole), [inputs], ridge=0.3)
    read_differences(encoders(parts), in_batches(inputs, 7), ridge=0.3)
    for one, other in zip(
        first_factors(whole).values(), first_factors(parts).values(), strict=True
    ):
        assert subspace_angles(one.T.numpy(), other.T.numpy()).max() < 1e-3


def test_what_adapters_read_stays_and_the_rest_trains() -> None:
    inputs, model = features(), adapted(Heads())
    names = read_differences(encoders(model), [inputs], ridge=0.3)
    assert sorted(names) == ["text.proj", "visual.head"]
    trained = {name for name, item in model.named_parameters() if item.requires_grad}
    assert trained == {f"{name}.lora_B.default.weight" for name in names}


def test_an_input_without_these_directions_is_left_alone() -> None:
    inputs, model = features(), adapted(Heads())
    read_differences(encoders(model), [inputs], ridge=0.3)
    before = model.encode_text(inputs.tokens).detach()
    with torch.no_grad():
        model.text.proj.lora_B["default"].weight.normal_()
    first = first_factors(model)["text.proj"]
    inside = inputs.tokens @ first.T @ first * 3  # rows of the factor are sqrt(1/3) long
    outside = inputs.tokens - inside
    base = model.text.proj.get_base_layer()
    torch.testing.assert_close(model.encode_text(outside), base(outside), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(model.encode_text(inputs.tokens), before, atol=0.1)


def test_safe_inputs_move_less_than_with_directions_at_random() -> None:
    inputs = features()
    moved = {}
    for kind in ("differences", "random"):
        model = adapted(Heads())
        if kind == "differences":
            read_differences(encoders(model), [inputs], ridge=0.3)
        first = first_factors(model)["text.proj"]
        unsafe, safe = inputs.tokens.chunk(2)
        moved[kind] = ((safe @ first.T).norm() / ((unsafe - safe) @ first.T).norm()).item()
    assert moved["differences"] < moved["random"] / 2


def test_too_few_pairs_are_an_error() -> None:
    inputs, model = features(), adapted(Heads(), 6)
    few = next(in_batches(inputs, 5))
    with pytest.raises(ConfigError, match=r"rank 6 .* got 5; lower --rank"):
        read_differences(encoders(model), [few], ridge=0.3)


@pytest.mark.parametrize(
    "name", ["clip-vit", "clip-resnet", "efficientnet-bert", "convnext-bert", "eva-bert"]
)
def test_every_architecture_can_be_trained_so(name: str, tmp_path: Path) -> None:
    inputs = pictures_and_words()
    model = adapted(
        build(name, tmp_path), 4, LayerKind.ATTENTION, LayerKind.MLP, LayerKind.CONVOLUTION
    )
    with torch.no_grad():
        before = model.encode_image(inputs.pixels), model.encode_text(inputs.tokens)
    read = read_differences(encoders(model), in_batches(inputs, 8), ridge=0.3, lengths=lengths_of)
    assert read
    with torch.no_grad():  # nothing is trained yet
        torch.testing.assert_close(model.encode_image(inputs.pixels), before[0])
        torch.testing.assert_close(model.encode_text(inputs.tokens), before[1])
    train_mode(model)
    image = normalize(model.encode_image(inputs.pixels), dim=-1)
    text = normalize(model.encode_text(inputs.tokens), dim=-1)
    (image * text).sum().backward()
    check_gradients(model)
    factors = first_factors(model)
    for layer in factors:
        rows = factors[layer]
        if layer in read:
            torch.testing.assert_close(
                rows @ rows.T, torch.eye(len(rows)) / 3, atol=1e-4, rtol=1e-4
            )
    for layer in set(factors) - set(read):
        assert not any(
            item.requires_grad
            for item_name, item in model.named_parameters()
            if item_name.startswith(f"{layer}.lora_")
        )


def lengths_of(tokens: torch.Tensor) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = (tokens != 0).sum(dim=1).numpy()
    return found


def test_padding_is_not_read(tmp_path: Path) -> None:
    """More padding behind the same captions changes nothing."""
    inputs = pictures_and_words()
    longest = int(lengths_of(inputs.tokens).max())
    short, longer = inputs.tokens[:, :longest], inputs.tokens
    assert short.shape != longer.shape
    found = []
    for tokens in (short, longer):
        model = adapted(build("clip-vit", tmp_path), 4, LayerKind.ATTENTION, LayerKind.MLP)
        some = Inputs(rows=inputs.rows, tokens=tokens, pixels=inputs.pixels)
        read_differences(encoders(model), [some], ridge=0.3, lengths=lengths_of)
        found.append(first_factors(model))
    for name, one in found[0].items():
        if name.startswith("transformer") and "out_proj" not in name:
            angles = subspace_angles(one.T.numpy(), found[1][name].T.numpy())
            assert angles.max() < 1e-2, name


def test_adapters_are_saved_whole() -> None:
    inputs, model = features(), adapted(Heads())
    read_differences(encoders(model), [inputs], ridge=0.3)
    with torch.no_grad():
        model.text.proj.lora_B["default"].weight.normal_()
    saved = adapter_tensors(model)
    assert len(saved) == 4
    other = adapted(Heads())
    other.load_state_dict(
        {name: item for name, item in model.state_dict().items() if "lora_" not in name},
        strict=False,
    )
    load_adapter(other, saved)
    torch.testing.assert_close(other.encode_text(inputs.tokens), model.encode_text(inputs.tokens))
