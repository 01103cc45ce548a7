"""Adapters on every kind of tower: alive, exact when merged, and nothing else moves."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file, save_file
from support.tiny_models import MODELS, SIZE_PX, build
from torch.nn.functional import normalize
from torch.nn.modules.batchnorm import _BatchNorm

from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.training.adapters import (
    Adaptation,
    LayerKind,
    Tower,
    adapt,
    adapter_tensors,
    check_gradients,
    layer_kinds,
    load_adapter,
    merged_state_dict,
    train_mode,
)

Tensor = torch.Tensor

EVERY_MODEL = pytest.mark.parametrize("name", MODELS)
BOTH_WAYS = pytest.mark.parametrize("full", [False, True], ids=["lora", "full"])


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def batch(size_px: int = SIZE_PX) -> tuple[Tensor, Tensor]:
    """Pictures `[3, 3, px, px]` and tokens `[3, 16]`."""
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randn((3, 3, size_px, size_px), generator=generator)
    return pictures, torch.randint(1, 99, (3, 16), generator=generator)


def embed(model: Any, size_px: int = SIZE_PX) -> Tensor:
    """Unit rows `[6, d]`, pictures then captions, without autograd as in evaluation."""
    pictures, tokens = batch(size_px)
    with torch.no_grad():
        rows = [model.encode_image(pictures), model.encode_text(tokens)]
    return normalize(torch.cat(rows).float(), dim=-1)


def backward(model: Any, size_px: int = SIZE_PX) -> None:
    pictures, tokens = batch(size_px)
    image, text = model.encode_image(pictures), model.encode_text(tokens)
    goal = torch.linspace(-1, 1, image.numel()).view_as(image)
    (normalize(image.float()) * goal - normalize(text.float()) * goal.flip(0)).sum().backward()


def train(model: Any, steps: int = 3, *, lr: float = 1e-2, size_px: int = SIZE_PX) -> None:
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
    train_mode(model)
    for _ in range(steps):
        optimiser.zero_grad()
        backward(model, size_px)
        optimiser.step()


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def frozen(model: Any) -> dict[str, Tensor]:
    """The plain model's tensors inside an adapted one, by their plain names."""
    return {
        name.replace(".base_layer", ""): tensor.detach().clone()
        for name, tensor in model.state_dict().items()
        if ".lora_" not in name
    }


@EVERY_MODEL
def test_adapting_changes_no_output(name: str, tmp_path: Path) -> None:
    model = build(name, tmp_path)
    before = embed(model)
    adapt(model, Adaptation())
    train_mode(model)
    torch.testing.assert_close(embed(model), before, rtol=0, atol=1e-6)


@EVERY_MODEL
def test_every_adapter_gets_a_gradient(name: str, tmp_path: Path) -> None:
    model = build(name, tmp_path)
    trainable = adapt(model, Adaptation())
    train_mode(model)
    backward(model)
    check_gradients(model)
    assert trainable == [n for n, p in model.named_parameters() if p.grad is not None]
    assert all(".lora_" in name for name in trainable)
    train(model)
    backward(model)
    moved = adapter_tensors(model)
    assert all(moved[name].any() for name in trainable if ".lora_B." in name)


@EVERY_MODEL
def test_merged_weights_load_into_the_plain_model_and_embed_alike(
    name: str, tmp_path: Path
) -> None:
    model = build(name, tmp_path)
    plain = copied(model.state_dict())
    untrained = embed(model)
    adapt(model, Adaptation())
    train(model)
    trained, inside = embed(model), copied(model.state_dict())
    merged = merged_state_dict(model)
    assert same(inside, copied(model.state_dict()))
    assert {n: (t.shape, t.dtype) for n, t in merged.items()} == {
        n: (t.shape, t.dtype) for n, t in plain.items()
    }
    fresh = build(name, tmp_path, seed=1)
    fresh.load_state_dict(merged, strict=True)
    assert (trained - untrained).abs().max() > 1e-2
    torch.testing.assert_close(embed(fresh), trained, rtol=0, atol=1e-5)


@EVERY_MODEL
def test_frozen_weights_and_statistics_stay_to_the_bit(name: str, tmp_path: Path) -> None:
    model = build(name, tmp_path)
    before = copied(model.state_dict())
    adapt(model, Adaptation(dropout=0.1))
    train(model)
    embed(model)
    assert same(frozen(model), before)


def test_mini_trains_in_convolutions_and_in_minilm() -> None:
    from nsfwcaps.encoders.mini.model import create

    model, _, _ = create(heads=None)
    before = embed(model)
    trainable = adapt(model, Adaptation())
    assert torch.equal(embed(model), before)
    assert any("conv_dw" in name for name in trainable)
    train(model, steps=1, lr=1e-3)
    check_gradients(model)
    merged = merged_state_dict(model)
    trained = embed(model)
    assert not torch.equal(trained, before)
    plain, _, _ = create(heads=None)
    plain.load_state_dict(merged, strict=True)
    torch.testing.assert_close(embed(plain), trained, rtol=0, atol=1e-5)


def test_peft_alone_leaves_adapters_of_a_fused_output_dead(tmp_path: Path) -> None:
    model = build("clip-vit", tmp_path)
    inject_adapter_in_model(LoraConfig(target_modules=["out_proj", "c_fc"]), model)
    backward(model)
    # 2 towers of 2 blocks, two factors each.
    with pytest.raises(ModelError, match=r"8 of 16 trainable .*attn\.out_proj\.lora_A"):
        check_gradients(model)


@pytest.mark.skipif(
    not hasattr(peft.tuners.lora.layer, "MultiheadAttention"),
    reason="this peft does not know fused attention",
)
def test_peft_alone_moves_the_frozen_weights_of_fused_attention(tmp_path: Path) -> None:
    model = build("clip-vit", tmp_path)
    before = copied(model.state_dict())
    inject_adapter_in_model(LoraConfig(target_modules=["attn"]), model)
    train(model)
    assert not same(frozen(model), before)


def test_second_factor_without_gradient_is_dead(tmp_path: Path) -> None:
    model = build("clip-vit", tmp_path)
    trainable = adapt(model, Adaptation())
    with pytest.raises(ModelError, match=f"{len(trainable)} of {len(trainable)}"):
        check_gradients(model)
    train_mode(model)
    backward(model)
    check_gradients(model)
    second = [name for name in trainable if ".lora_B." in name]
    model.get_parameter(second[0]).grad.zero_()
    with pytest.raises(ModelError, match="1 of") as raised:
        check_gradients(model)
    assert second[0] in str(raised.value)


def test_nothing_trainable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing"):
        check_gradients(build("clip-vit", tmp_path).requires_grad_(False))


@BOTH_WAYS
def test_the_same_object_is_no_reference_but_copies_are(full: bool, tmp_path: Path) -> None:
    model = build("clip-vit", tmp_path)
    same_object, weights = model, copied(model.state_dict())
    deep_copy = copy.deepcopy(model)
    before = embed(model)
    adapt(model, Adaptation(full=full))
    train(model)
    assert not torch.allclose(embed(same_object), before, atol=1e-3)
    assert torch.equal(embed(deep_copy), before)
    assert same(copied(deep_copy.state_dict()), weights)
    again = build("clip-vit", tmp_path, seed=1)
    again.load_state_dict(weights)
    assert torch.equal(embed(again), before)


@pytest.mark.parametrize("name", ["clip-resnet", "efficientnet-bert", "custom-text-clip"])
@pytest.mark.parametrize("tower", Tower)
def test_full_fine_tuning_trains_one_tower_and_no_statistics(
    name: str, tower: Tower, tmp_path: Path
) -> None:
    model = build(name, tmp_path)
    before = copied(model.state_dict())
    trainable = adapt(
        model, Adaptation(full=True, image=tower is Tower.IMAGE, text=tower is Tower.TEXT)
    )
    train(model)
    check_gradients(model)
    after = copied(model.state_dict())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    # The bias of attention's keys shifts all scores of a query alike: its gradient is zero.
    assert moved <= set(trainable)
    assert {name for name in trainable if not name.endswith("bias")} <= moved
    parameters = {n for n, _ in model.named_parameters() if n != "logit_scale"}
    assert set(trainable) == {
        n for n in parameters if n.startswith("visual.") == (tower is Tower.IMAGE)
    }
    assert same(merged_state_dict(model), after)


@pytest.mark.parametrize("name", ["clip-vit", "custom-text-clip", "efficientnet-bert"])
@pytest.mark.parametrize("tower", Tower)
def test_one_tower_is_adapted_and_the_other_is_not(name: str, tower: Tower, tmp_path: Path) -> None:
    model = build(name, tmp_path)
    before = embed(model)
    image = tower is Tower.IMAGE
    trainable = adapt(model, Adaptation(image=image, text=not image))
    assert {n.startswith("visual.") for n in trainable} == {image}
    train(model)
    after = embed(model)
    still, moved = (slice(3, 6), slice(0, 3)) if image else (slice(0, 3), slice(3, 6))
    # Not to the bit: torch computes attention by another kernel where its weights are frozen.
    torch.testing.assert_close(after[still], before[still], rtol=0, atol=1e-6)
    assert (after[moved] - before[moved]).abs().max() > 1e-2


@BOTH_WAYS
@pytest.mark.parametrize("name", ["clip-resnet", "efficientnet-bert"])
def test_train_mode_computes_what_evaluation_does(name: str, full: bool, tmp_path: Path) -> None:
    model = build(name, tmp_path)
    adapt(model, Adaptation(full=full, dropout=0.5))
    before = embed(model)
    model.train()
    assert not torch.equal(embed(model), before)
    model = build(name, tmp_path)
    adapt(model, Adaptation(full=full, dropout=0.5))
    train_mode(model)
    assert torch.equal(embed(model), before)
    norms = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    assert norms
    assert not any(layer.training for layer in norms)


def test_only_the_adapters_dropout_is_active(tmp_path: Path) -> None:
    model = build("timm-vit-bert", tmp_path)
    adapt(model, Adaptation(dropout=0.5))
    train(model)
    assert not torch.equal(embed(model), embed(model))
    model.eval()
    assert torch.equal(embed(model), embed(model))


def test_adapters_survive_a_file_and_refuse_another_shape(tmp_path: Path) -> None:
    model = build("efficientnet-bert", tmp_path)
    adapt(model, Adaptation())
    train(model)
    save_file(adapter_tensors(model), tmp_path / "adapter.safetensors")
    tensors = load_file(tmp_path / "adapter.safetensors")
    other = build("efficientnet-bert", tmp_path)
    adapt(other, Adaptation())
    load_adapter(other, tensors)
    assert torch.equal(embed(other), embed(model))

    smaller = build("efficientnet-bert", tmp_path)
    adapt(smaller, Adaptation(rank=4))
    untouched = adapter_tensors(smaller)
    with pytest.raises(ModelError, match=r"with the wrong shape .*\[16, .* for \[4, "):
        load_adapter(smaller, tensors)
    text_only = build("efficientnet-bert", tmp_path)
    adapt(text_only, Adaptation(image=False))
    with pytest.raises(ModelError, match=r"unknown \(visual\."):
        load_adapter(text_only, tensors)
    del tensors[next(iter(tensors))]
    with pytest.raises(ModelError, match="1 missing"):
        load_adapter(smaller, tensors)
    assert same(adapter_tensors(smaller), untouched)


def test_saved_tensors_are_copies(tmp_path: Path) -> None:
    model = build("clip-vit", tmp_path)
    adapt(model, Adaptation())
    saved, merged = adapter_tensors(model), merged_state_dict(model)
    before = copied(saved), copied(merged)
    train(model)
    assert same(saved, before[0])
    assert same(merged, before[1])


def test_half_precision_is_kept_and_adapters_are_single(tmp_path: Path) -> None:
    model = build("clip-vit", tmp_path).bfloat16()
    dtypes = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    adapt(model, Adaptation())
    assert {tensor.dtype for tensor in adapter_tensors(model).values()} == {torch.float32}
    pictures, tokens = batch()
    rows = model.encode_image(pictures.bfloat16()) * model.encode_text(tokens)
    assert rows.dtype == torch.bfloat16
    rows.sum().backward()
    check_gradients(model)
    assert {name: t.dtype for name, t in merged_state_dict(model).items()} == dtypes


def test_an_update_is_worth_alpha_by_rank(tmp_path: Path) -> None:
    model = build("efficientnet-bert", tmp_path)
    plain = copied(model.state_dict())
    adapt(model, Adaptation(rank=16, alpha=8.0))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_" in name:
                parameter.fill_(1.0)
    merged = merged_state_dict(model)
    query = "text.transformer.encoder.layer.0.attention.self.query.weight"
    torch.testing.assert_close(merged[query] - plain[query], torch.full((64, 64), 8.0))
    # A depthwise 3 x 3 kernel has 9 columns, hence rank 9 and the same scale of 8 / 16.
    depthwise = next(n for n, t in plain.items() if "conv_dw" in n and t.shape[1:] == (1, 3, 3))
    expected = torch.full_like(plain[depthwise], 9 * 0.5)
    torch.testing.assert_close(merged[depthwise] - plain[depthwise], expected)


KINDS = {
    "clip-vit": {
        "visual.conv1": LayerKind.CONVOLUTION,
        "visual.transformer.resblocks.1.attn": LayerKind.ATTENTION,
        "visual.transformer.resblocks.1.attn.out_proj": None,
        "visual.transformer.resblocks.0.mlp.c_fc": LayerKind.MLP,
        "transformer.resblocks.0.mlp.c_proj": LayerKind.MLP,
        "token_embedding": None,
    },
    "clip-resnet": {
        "visual.layer1.0.conv2": LayerKind.CONVOLUTION,
        "visual.layer1.0.downsample.0": LayerKind.CONVOLUTION,
        "visual.attnpool.q_proj": LayerKind.ATTENTION,
    },
    "attention-pool": {
        "visual.attn_pool.attn": None,  # its keys are wider than its queries
        "text.transformer.resblocks.0.attn": LayerKind.ATTENTION,
    },
    "efficientnet-bert": {
        "visual.trunk.conv_stem": LayerKind.CONVOLUTION,
        "visual.head.mlp.fc1": LayerKind.PROJECTION,
        "text.proj.2": LayerKind.PROJECTION,
        "text.transformer.encoder.layer.0.attention.self.key": LayerKind.ATTENTION,
        "text.transformer.encoder.layer.0.attention.output.dense": LayerKind.ATTENTION,
        "text.transformer.encoder.layer.0.intermediate.dense": LayerKind.MLP,
        "text.transformer.encoder.layer.0.output.dense": LayerKind.MLP,
    },
    "convolutional-mlp-bert": {
        "visual.trunk.stages.0.blocks.0.conv_dw": LayerKind.CONVOLUTION,
        "visual.trunk.stages.0.blocks.0.mlp.fc1": LayerKind.MLP,
    },
    "timm-vit-bert": {
        "visual.trunk.patch_embed.proj": LayerKind.CONVOLUTION,
        "visual.trunk.blocks.0.attn.qkv": LayerKind.ATTENTION,
        "visual.trunk.blocks.0.attn.proj": LayerKind.ATTENTION,
        "visual.trunk.blocks.0.mlp.fc2": LayerKind.MLP,
        "visual.head.proj": LayerKind.PROJECTION,
    },
}


@pytest.mark.parametrize("name", KINDS)
def test_layers_are_of_the_kind_that_their_names_say(name: str, tmp_path: Path) -> None:
    model = build(name, tmp_path)
    kinds = layer_kinds(model, Tower.IMAGE) | layer_kinds(model, Tower.TEXT)
    assert {layer: kinds.get(layer) for layer in KINDS[name]} == KINDS[name]
    assert all(model.get_submodule(layer) is not None for layer in KINDS[name])


@pytest.mark.parametrize("kind", LayerKind)
def test_only_layers_of_the_asked_kind_are_adapted(kind: LayerKind, tmp_path: Path) -> None:
    model = build("timm-vit-bert", tmp_path)
    kinds = layer_kinds(model, Tower.IMAGE)
    trainable = adapt(model, Adaptation(text=False, image_targets=(kind,)))
    adapted = {name.split(".lora_")[0] for name in trainable}
    assert adapted == {layer for layer, its in kinds.items() if its is kind}


def test_tower_without_such_layers_names_what_it_has(tmp_path: Path) -> None:
    model = build("efficientnet-bert", tmp_path)
    before = copied(model.state_dict())
    with pytest.raises(ConfigError, match=r"image tower .* attention, mlp; it has: convolution, p"):
        adapt(model, Adaptation(image_targets=(LayerKind.ATTENTION, LayerKind.MLP)))
    with pytest.raises(ConfigError, match=r"text tower .* convolution; it has: attention, mlp, p"):
        adapt(model, Adaptation(text_targets=(LayerKind.CONVOLUTION,)))
    assert same(copied(model.state_dict()), before)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_model_is_adapted_once(tmp_path: Path) -> None:
    model = build("clip-vit", tmp_path)
    adapt(model, Adaptation())
    with pytest.raises(ModelError, match="already"):
        adapt(model, Adaptation())


@pytest.mark.parametrize(
    "wrong",
    [{"rank": 0}, {"alpha": 0.0}, {"dropout": 1.0}, {"image": False, "text": False}],
    ids=str,
)
def test_settings_that_cannot_train_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="adapters"):
        dataclasses.replace(Adaptation(), **wrong)
