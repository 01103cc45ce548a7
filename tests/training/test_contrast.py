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
from nsfwcaps.training.contrast import fix_directions
from nsfwcaps.training.directions import Directions
from nsfwcaps.training.inputs import Encoders, Items

torch.set_num_threads(1)

SAFE, UNSAFE, TOKENS, RANK = 40, 24, 16, 4
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
        prepare=lambda rows, each: pytest.fail("batches are given"),
        device="cpu",
        dtype=torch.float32,
    )


def items(tokens: torch.Tensor, pixels: torch.Tensor | None = None) -> Items:
    return Items(tokens=tokens, pixels=tokens.flip(-1) if pixels is None else pixels)


def features(width: int = 12) -> tuple[Items, Items]:
    """Safe items vary most along the first axes, and unsafe ones lie off along the last two.

    There are more safe items, and none of them belongs to an unsafe one.
    """
    stream = torch.Generator().manual_seed(0)
    scale = torch.linspace(3, 0.2, width)
    safe = torch.randn(SAFE, width, generator=stream) * scale + 5
    unsafe = torch.randn(UNSAFE, width, generator=stream) * scale + 5
    unsafe[:, -2:] += torch.randn(UNSAFE, 2, generator=stream) * 2 + 1
    return items(safe), items(unsafe)


def pictures_and_words() -> tuple[Items, Items]:
    """Random pictures, and captions of several lengths."""
    stream = torch.Generator().manual_seed(3)
    lengths = torch.randint(3, TOKENS - 3, (SAFE + UNSAFE,), generator=stream)
    tokens = torch.randint(1, END, (SAFE + UNSAFE, TOKENS), generator=stream)
    for row, length in enumerate(lengths):
        tokens[row, length - 1] = END
        tokens[row, length:] = 0
    pixels = torch.randn(SAFE + UNSAFE, 3, SIZE_PX, SIZE_PX, generator=stream)
    return items(tokens[:SAFE], pixels[:SAFE]), items(tokens[SAFE:], pixels[SAFE:])


def in_batches(some: Items, size: int) -> Iterator[Items]:
    for start in range(0, len(some.tokens), size):
        part = slice(start, start + size)
        yield items(some.tokens[part], some.pixels[part])


def fix(model: Any, sides: tuple[Items, Items], size: int = 1000, **options: Any) -> list[str]:
    safe, unsafe = (in_batches(side, size) for side in sides)
    return fix_directions(encoders(model), safe, unsafe, **{"ridge": 0.3} | options)


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
    """Of safe items and other, fewer unsafe ones: nothing pairs them."""
    sides, model = features(), adapted(Heads())
    fix(model, sides, ridge=ridge)
    safe, unsafe = (
        (some.pixels if side == "image" else some.tokens).double().numpy() for some in sides
    )
    off = unsafe - safe.mean(0)
    spread = np.cov(safe.T, bias=True)
    spread += ridge * np.diag(spread).mean() * np.eye(len(spread))
    _, solutions = eigh(off.T @ off / UNSAFE, spread)  # ascending
    name = "visual.head" if side == "image" else "text.proj"
    found = first_factors(model)[name].double().numpy()
    assert subspace_angles(found.T, solutions[:, -RANK:]).max() < 1e-3
    np.testing.assert_allclose(found @ found.T, np.eye(RANK) / 3, atol=1e-5)


def test_the_batches_do_not_matter() -> None:
    whole, parts = adapted(Heads()), adapted(Heads())
    fix(whole, features())
    fix(parts, features(), 7)
    for one, other in zip(
        first_factors(whole).values(), first_factors(parts).values(), strict=True
    ):
        assert subspace_angles(one.T.numpy(), other.T.numpy()).max() < 1e-3


def test_the_order_of_the_items_does_not_matter() -> None:
    """Shuffling one side is shuffling the pairs, if there were any."""
    (safe, unsafe), model, other = features(), adapted(Heads()), adapted(Heads())
    order = torch.randperm(UNSAFE, generator=torch.Generator().manual_seed(1))
    fix(model, (safe, unsafe))
    fix(other, (safe, items(unsafe.tokens[order], unsafe.pixels[order])))
    one, two = (first_factors(some)["text.proj"] for some in (model, other))
    assert subspace_angles(one.T.numpy(), two.T.numpy()).max() < 1e-3


def test_what_adapters_read_stays_and_the_rest_trains() -> None:
    model = adapted(Heads())
    names = fix(model, features())
    assert sorted(names) == ["text.proj", "visual.head"]
    trained = {name for name, item in model.named_parameters() if item.requires_grad}
    assert trained == {f"{name}.lora_B.default.weight" for name in names}


def test_an_input_without_these_directions_is_left_alone() -> None:
    sides, model = features(), adapted(Heads())
    fix(model, sides)
    tokens = sides[1].tokens
    before = model.encode_text(tokens).detach()
    with torch.no_grad():
        model.text.proj.lora_B["default"].weight.normal_()
    first = first_factors(model)["text.proj"]
    inside = tokens @ first.T @ first * 3  # rows of the factor are sqrt(1/3) long
    base = model.text.proj.get_base_layer()
    torch.testing.assert_close(
        model.encode_text(tokens - inside), base(tokens - inside), atol=1e-4, rtol=1e-4
    )
    assert not torch.allclose(model.encode_text(tokens), before, atol=0.1)


def test_safe_inputs_move_less_than_with_directions_at_random() -> None:
    sides = features()
    moved = {}
    for kind in (Directions.CONTRAST, Directions.RANDOM):
        model = adapted(Heads())
        fix(model, sides, kind=kind)
        first = first_factors(model)["text.proj"]
        safe, unsafe = (some.tokens - sides[0].tokens.mean(0) for some in sides)
        moved[kind] = ((safe @ first.T).norm() / (unsafe @ first.T).norm()).item()
    assert moved[Directions.CONTRAST] < moved[Directions.RANDOM] / 1.5


def test_too_few_unsafe_items_are_an_error() -> None:
    safe, unsafe = features()
    few = next(in_batches(unsafe, 5))
    with pytest.raises(ConfigError, match=r"rank 6 .* 6 unsafe items, got 5; lower --rank"):
        fix(adapted(Heads(), 6), (safe, few))


@pytest.mark.parametrize(
    "name", ["clip-vit", "clip-resnet", "efficientnet-bert", "convnext-bert", "eva-bert"]
)
def test_every_architecture_can_be_trained_so(name: str, tmp_path: Path) -> None:
    sides = pictures_and_words()
    unsafe = sides[1]
    model = adapted(
        build(name, tmp_path), 4, LayerKind.ATTENTION, LayerKind.MLP, LayerKind.CONVOLUTION
    )
    with torch.no_grad():
        before = model.encode_image(unsafe.pixels), model.encode_text(unsafe.tokens)
    read = fix(model, sides, 8, lengths=lengths_of)
    assert read
    with torch.no_grad():  # nothing is trained yet
        torch.testing.assert_close(model.encode_image(unsafe.pixels), before[0])
        torch.testing.assert_close(model.encode_text(unsafe.tokens), before[1])
    train_mode(model)
    image = normalize(model.encode_image(unsafe.pixels), dim=-1)
    text = normalize(model.encode_text(unsafe.tokens), dim=-1)
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
    sides = pictures_and_words()
    longest = max(int(lengths_of(some.tokens).max()) for some in sides)
    assert longest < TOKENS
    found = []
    for length in (longest, TOKENS):
        model = adapted(build("clip-vit", tmp_path), 4, LayerKind.ATTENTION, LayerKind.MLP)
        safe, unsafe = (items(some.tokens[:, :length], some.pixels) for some in sides)
        fix(model, (safe, unsafe), lengths=lengths_of)
        found.append(first_factors(model))
    for name, one in found[0].items():
        if name.startswith("transformer") and "out_proj" not in name:
            angles = subspace_angles(one.T.numpy(), found[1][name].T.numpy())
            assert angles.max() < 1e-2, name


@pytest.mark.parametrize("kind", list(Directions))
def test_every_choice_can_be_fixed_in_every_kind_of_layer(kind: Directions, tmp_path: Path) -> None:
    model = adapted(
        build("clip-vit", tmp_path), 4, LayerKind.ATTENTION, LayerKind.MLP, LayerKind.CONVOLUTION
    )
    read = fix(model, pictures_and_words(), lengths=lengths_of, kind=kind)
    assert {name.rsplit(".", 1)[-1] for name in read} == {"attn", "c_fc", "c_proj", "conv1"}
    for name in read:
        rows = first_factors(model)[name]
        torch.testing.assert_close(rows @ rows.T, torch.eye(4) / 3, atol=1e-4, rtol=1e-4)


def test_adapters_are_saved_whole() -> None:
    (safe, unsafe), model = features(), adapted(Heads())
    fix(model, (safe, unsafe))
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
    torch.testing.assert_close(other.encode_text(unsafe.tokens), model.encode_text(unsafe.tokens))
