"""LoRA or full fine-tuning of the towers of any open_clip model, in place.

`peft` replaces layers inside the given model, which stays an open_clip model. Copy the model or its
state dict first if you need it as the frozen reference.
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
    """Kinds of layers that can be adapted, independent of their names in an architecture.

    Towers whose final projection is a bare parameter (`visual.proj` and `text_projection` of CLIP)
    have no layer of kind projection; only full fine-tuning trains it.
    """

    ATTENTION = "attention"
    """Query, key, value and output projections, including attention pooling."""
    MLP = "mlp"
    """Both layers of a block's MLP, also if they are 1 x 1 convolutions (ConvNeXt)."""
    CONVOLUTION = "convolution"
    """All other convolutions: patch embedding, stem, pointwise, depthwise, squeeze-and-excite."""
    PROJECTION = "projection"
    """The head that maps a tower's output to the shared embedding space."""


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """What to train: LoRA on some kinds of layers, or all weights, of one tower or both."""

    rank: int = 16
    alpha: float = 16.0
    """The update is scaled by alpha / rank."""
    dropout: float = 0.0
    """Dropout on the adapters' input; not used by fused attention and convolutions."""
    image: bool = True
    text: bool = True
    image_targets: tuple[LayerKind, ...] = (
        LayerKind.ATTENTION,
        LayerKind.MLP,
        LayerKind.CONVOLUTION,
    )
    text_targets: tuple[LayerKind, ...] = (LayerKind.ATTENTION, LayerKind.MLP)
    full: bool = False
    """Train the towers' own weights; rank, alpha, dropout and targets are ignored."""

    def __post_init__(self) -> None:
        """Validate the fields.

        Raises:
            ConfigError: no tower is selected, or a number is out of range.
        """
        if not (self.image or self.text):
            raise ConfigError("adapters: no tower selected for training; set image or text")
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


# Order matters: attention pools contain MLPs, and BERT uses the same name for the output layers of
# attention and MLP.
_KINDS = (
    (
        LayerKind.PROJECTION,
        r"^(visual\.(trunk\.)?head|text\.(proj|transformer\.head)|(text\.)?text_projection)(\.|$)",
    ),
    (LayerKind.MLP, r"(^|\.)(mlp|ffn|DenseReluDense)\."),
    (LayerKind.ATTENTION, r"(?i)attn|attention|token_mixer\.(qkv|proj)$"),
    (LayerKind.MLP, r"\.(intermediate|output)\."),
)


def adapt(model: nn.Module, adaptation: Adaptation) -> list[str]:
    """Make a model trainable in place, and return the names of its trainable parameters.

    All other parameters are frozen, including the logit scale. The model's outputs do not change
    until the first step. Adapters are initialised from torch's global generator.

    Raises:
        ConfigError: a tower has no layers of the requested kinds.
        ModelError: the model already has adapters.
    """
    if any(isinstance(layer, LoraLayer) for layer in model.modules()):
        raise ModelError("the model already has adapters; reload the base model first")
    towers = adaptation.towers()
    names = [] if adaptation.full else _targets(model, towers)
    model.requires_grad_(False)
    if adaptation.full:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(tower_of(name) in towers)
    else:
        # One pattern of full names: peft matches a list as suffixes, and in CLIP the text tower's
        # layer names are suffixes of the image tower's.
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
        # Single precision regardless of the model's: steps can underflow in half.
        for parameter in _trainable(model).values():
            parameter.data = parameter.data.float()
    return list(_trainable(model))


def layer_kinds(model: nn.Module, tower: Tower) -> dict[str, LayerKind]:
    """Layers of a tower that can be adapted, by name.

    Not included: the parts of fused attention, which is adapted as a whole; fused attention with
    different widths of keys and queries; and linear layers of no known kind (BERT's pooler).
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
    """Set evaluation mode for everything except the adapters' dropout.

    The frozen reference was embedded without dropout and with fixed BatchNorm statistics. The
    trained model must differ from it by its training only.
    """
    model.eval()
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            layer.lora_dropout.train()


def check_gradients(model: nn.Module) -> None:
    """Check after a backward pass that every trainable parameter has a gradient.

    B is initialised to zero, so in the first step the gradient of A is zero, but not that of B.

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
            "remove their kind of layer from the targets, or check that the loss uses their tower"
        )


def adapter_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all tensors that differ from the base model, by name.

    Adapters are complete, including factors that were fixed before training.
    """
    return {name: tensor.detach().clone() for name, tensor in _changing(model).items()}


def load_adapter(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load saved tensors into a model that was adapted in the same way.

    Raises:
        ModelError: names or shapes do not match; the model is not changed.
    """
    own = _changing(model)
    missing = [name for name in own if name not in tensors]
    unknown = [name for name in tensors if name not in own]
    reshaped = [
        f"{name} {list(tensors[name].shape)} for {list(parameter.shape)}"
        for name, parameter in own.items()
        if name in tensors and tensors[name].shape != parameter.shape
    ]
    problems = {"missing": missing, "unknown": unknown, "with the wrong shape": reshaped}
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
    """State dict of the plain open_clip model with merged adapters; the model is not changed.

    Names, shapes and precision are those from before `adapt`. All tensors are copies.
    """
    merged = {
        _plain(name): tensor.detach().clone()
        for name, tensor in model.state_dict().items()
        if ".lora_" not in name
    }
    for name, layer in model.named_modules():
        if isinstance(layer, LowRankLinear | LowRankWeight):
            key = f"{_plain(name)}.{layer.adapted}"
            # Sum in single precision and round once.
            total = merged[key].float() + layer.get_delta_weight(ADAPTER).float()
            merged[key] = total.to(merged[key].dtype)
    return merged


def tower_of(name: str) -> Tower | None:
    """Tower of a layer or parameter; open_clip's `CLIP` class has its text tower at the root."""
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
                f"it has: {has}; choose from these with {tower}_targets, or set {tower} to false"
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
