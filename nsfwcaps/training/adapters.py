"""LoRA on the towers of any open_clip model, in place, and full fine-tuning of the same towers.

`peft` replaces layers inside the model it is given, which stays an open_clip model. An object that
was kept as the frozen reference is therefore trained too: copy it, or its state dict, before.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from nsfwcaps.enums import Tower
from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.training.low_rank import ADAPTER, LowRankAttention, LowRankLinear, LowRankWeight

Tensor = torch.Tensor


class LayerKind(enum.StrEnum):
    """Kinds of layers that can be adapted, whatever the architecture calls them.

    In towers whose final projection is a bare parameter (`visual.proj` and `text_projection` of
    CLIP) there is no layer of kind projection; full fine-tuning trains it.
    """

    ATTENTION = "attention"
    """Queries, keys, values and the output, also of attention that pools."""
    MLP = "mlp"
    """Both layers of a block's perceptron, also where they are 1 x 1 convolutions (ConvNeXt)."""
    CONVOLUTION = "convolution"
    """All others: patch embedding, stem, pointwise, depthwise, squeeze-and-excitation."""
    PROJECTION = "projection"
    """The head that maps a tower's output to the common space."""


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """What is trained: LoRA on some kinds of layers, or all weights, of one tower or both."""

    rank: int = 16
    alpha: float = 16.0
    """The update is scaled by alpha / rank."""
    dropout: float = 0.0
    """Of the input of an adapter; fused attention and convolutions have none to drop."""
    image: bool = True
    text: bool = True
    image_targets: tuple[LayerKind, ...] = (
        LayerKind.ATTENTION,
        LayerKind.MLP,
        LayerKind.CONVOLUTION,
    )
    text_targets: tuple[LayerKind, ...] = (LayerKind.ATTENTION, LayerKind.MLP)
    full: bool = False
    """Train the towers' own weights; rank, alpha, dropout and targets do not matter."""

    def __post_init__(self) -> None:
        """Refuse what cannot train.

        Raises:
            ConfigError: no tower, or a number out of its range.
        """
        if not (self.image or self.text):
            raise ConfigError("adapters: no tower is to be trained; set image or text")
        if self.rank < 1:
            raise ConfigError(f"adapters: rank must be at least 1, got {self.rank}")
        if not self.alpha > 0:
            raise ConfigError(f"adapters: alpha must be above 0, got {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"adapters: dropout must be in [0, 1), got {self.dropout}")

    def towers(self) -> dict[Tower, tuple[LayerKind, ...]]:
        """The towers to train and the kinds of their layers to adapt."""
        asked = {}
        if self.image:
            asked[Tower.IMAGE] = self.image_targets
        if self.text:
            asked[Tower.TEXT] = self.text_targets
        return asked


# Tried in this order: attention pools contain perceptrons, and BERT names the output layers of its
# attention and of its perceptron alike.
_KINDS = (
    (LayerKind.PROJECTION, r"^(visual\.(trunk\.)?head|text\.proj|(text\.)?text_projection)(\.|$)"),
    (LayerKind.MLP, r"(^|\.)(mlp|ffn|DenseReluDense)\."),
    (LayerKind.ATTENTION, r"(?i)attn|attention|token_mixer\.(qkv|proj)$"),
    (LayerKind.MLP, r"\.(intermediate|output)\."),
)


def adapt(model: nn.Module, adaptation: Adaptation) -> list[str]:
    """Make a model trainable in place, and return the names of the parameters that train.

    All others are frozen, the logit scale too. Nothing changes in what the model computes until a
    step is made. The adapters' start is drawn from torch's generator.

    Raises:
        ConfigError: a tower has no layers of the kinds that were asked for.
        ModelError: the model has adapters already.
    """
    if any(isinstance(layer, LoraLayer) for layer in model.modules()):
        raise ModelError("the model has adapters already; adapt one that was loaded afresh")
    towers = adaptation.towers()
    names = [] if adaptation.full else _targets(model, towers)
    model.requires_grad_(False)
    if adaptation.full:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(tower_of(name) in towers)
    else:
        # One pattern of whole names: peft takes a list for endings of names, and in CLIP the names
        # of the text tower's layers end those of the image tower's.
        config = LoraConfig(
            r=adaptation.rank,
            lora_alpha=adaptation.alpha,  # type: ignore[arg-type]  # any number works
            lora_dropout=adaptation.dropout,
            target_modules="|".join(map(re.escape, names)),
        )
        config._register_custom_module(
            {
                nn.MultiheadAttention: LowRankAttention,
                nn.Conv2d: LowRankWeight,
                nn.Linear: LowRankLinear,
            }
        )
        inject_adapter_in_model(config, model, ADAPTER)
        # In single precision, whatever the model's is: steps can be too small for half.
        for parameter in _trainable(model).values():
            parameter.data = parameter.data.float()
    return list(_trainable(model))


def layer_kinds(model: nn.Module, tower: Tower) -> dict[str, LayerKind]:
    """Layers of a tower that can be adapted, by name.

    Left out are the parts of fused attention, which is adapted as a whole, fused attention whose
    keys have another width than its queries, and linear layers of no kind (BERT's pooler).
    """
    kinds = {}
    fused: tuple[str, ...] = ()
    for name, layer in model.named_modules():
        if isinstance(layer, nn.MultiheadAttention):
            fused += (f"{name}.",)
        kind = _kind(name, layer)
        if kind and tower_of(name) is tower and not name.startswith(fused):
            kinds[name] = kind
    return kinds


def train_mode(model: nn.Module) -> None:
    """Evaluation mode for all but the adapters' dropout.

    The frozen reference was embedded without dropout and with fixed BatchNorm statistics; a model
    that is compared with it must not differ from it by more than its training.
    """
    model.eval()
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            layer.lora_dropout.train()


def check_gradients(model: nn.Module) -> None:
    """Check after a backward pass that it reached every trainable parameter.

    A second factor starts at zero, so the gradient of the first is zero in the first step; that of
    the second is not.

    Raises:
        ModelError: some parameters have no gradient, or nothing is trainable.
    """
    trainable = _trainable(model)
    if not trainable:
        raise ModelError("nothing in the model is trainable; call adapt first")
    dead = [
        name
        for name, parameter in trainable.items()
        if parameter.grad is None or (".lora_B." in name and not parameter.grad.any())
    ]
    if dead:
        raise ModelError(
            f"{len(dead)} of {len(trainable)} trainable tensors got no gradient: {_some(dead)}; "
            "leave their kind of layer out of the targets, or check that the loss uses their tower"
        )


def adapter_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Copies of what makes the model another, by name: the adapters, or all that trains.

    Adapters are whole, also where a part of them was fixed before training.
    """
    return {name: tensor.detach().clone() for name, tensor in _changing(model).items()}


def load_adapter(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put saved tensors into a model that was adapted in the same way.

    Raises:
        ModelError: names or shapes differ from the model's; it is left as it was.
    """
    own = _changing(model)
    missing = [name for name in own if name not in tensors]
    unknown = [name for name in tensors if name not in own]
    reshaped = [
        f"{name} {list(tensors[name].shape)} for {list(parameter.shape)}"
        for name, parameter in own.items()
        if name in tensors and tensors[name].shape != parameter.shape
    ]
    problems = {"missing": missing, "unknown": unknown, "of another shape": reshaped}
    if any(problems.values()):
        found = "; ".join(
            f"{len(names)} {what} ({_some(names)})" for what, names in problems.items() if names
        )
        raise ModelError(
            f"the adapter does not fit: {found}; adapt the same architecture with the same settings"
        )
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(tensors[name])


@torch.no_grad()
def merged_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """State dict of the plain open_clip model with the adapters added in; the model stays as it is.

    Names, shapes and precision are those of the model before `adapt`; all tensors are copies.
    """
    merged = {
        _plain(name): tensor.detach().clone()
        for name, tensor in model.state_dict().items()
        if ".lora_" not in name
    }
    for name, layer in model.named_modules():
        if isinstance(layer, LowRankLinear | LowRankWeight):
            key = f"{_plain(name)}.{layer.adapted}"
            # Summed in single precision and rounded once.
            total = merged[key].float() + layer.get_delta_weight(ADAPTER).float()
            merged[key] = total.to(merged[key].dtype)
    return merged


def tower_of(name: str) -> Tower | None:
    """Tower of a layer or parameter: open_clip's older class has the text tower at its root."""
    if name.startswith("visual."):
        return Tower.IMAGE
    neither = ("logit_scale", "logit_bias", "text_decoder.")
    return None if name.startswith(neither) else Tower.TEXT


def _targets(model: nn.Module, towers: Mapping[Tower, tuple[LayerKind, ...]]) -> list[str]:
    names = []
    for tower, wanted in towers.items():
        kinds = layer_kinds(model, tower)
        chosen = [name for name, kind in kinds.items() if kind in wanted]
        if not chosen:
            has = ", ".join(kind for kind in LayerKind if kind in kinds.values()) or "none"
            raise ConfigError(
                f"adapters: the {tower} tower has no layers of kind {', '.join(wanted) or 'none'}; "
                f"it has: {has}; choose among them with {tower}_targets, or set {tower} to false"
            )
        names += chosen
    return names


def _kind(name: str, layer: nn.Module) -> LayerKind | None:
    if isinstance(layer, nn.MultiheadAttention):
        return LayerKind.ATTENTION if layer.in_proj_weight is not None else None
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        return None
    for kind, pattern in _KINDS:
        if re.search(pattern, name):
            return kind
    return LayerKind.CONVOLUTION if isinstance(layer, nn.Conv2d) else None


def _trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}


def _changing(model: nn.Module) -> dict[str, nn.Parameter]:
    return {
        name: tensor
        for name, tensor in model.named_parameters()
        if tensor.requires_grad or ".lora_" in name
    }


def _plain(name: str) -> str:
    return name.replace(".base_layer", "")


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
