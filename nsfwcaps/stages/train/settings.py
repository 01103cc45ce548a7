"""Settings of the stage train: recipe keys and command-line options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from nsfwcaps.config import STRICT_KEYS, Fraction, setting
from nsfwcaps.enums import AdapterInputs, Device, Precision, RateDecay, Targets, Tower, TrainMethod
from nsfwcaps.models import names


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Fine-tune a model on the pairs of a data set: redirect unsafe items, preserve safe ones."""

    __pydantic_config__ = STRICT_KEYS

    data: str = setting("", "Folder of a published data set with images.")
    model: str = setting("mini", "Model to train, named as for embed.")
    method: TrainMethod = setting(
        TrainMethod.SAFER_CLIP,
        "safer-clip, safe-clip, safe-only or contrastive-subspace: terms, weights, curriculum, "
        "adapters.",
    )
    targets: Targets | None = setting(
        None,
        "nearest: the mined counterpart; fixed: the partner of the pair. Default: that of the "
        "method (fixed for safe-clip, nearest for the others).",
    )
    weight: tuple[str, ...] = setting(
        (), "Weight of a loss term, such as redirect_text=3; 0 removes it."
    )
    curriculum: str | None = setting(
        None, "Levels by epoch, such as easy/all. Default: that of the method."
    )
    epochs: Annotated[int, Ge(1)] = setting(9, "Epochs.")
    batch_size: Annotated[int, Ge(2)] = setting(48, "Pairs per step.")
    accumulate: Annotated[int, Ge(1)] = setting(
        1, "Parts in which a batch is computed: less memory, same gradient.", affects_output=False
    )
    learning_rate: Annotated[float, Gt(0)] | None = setting(
        None,
        "Peak learning rate of Adam. Default: that of the method (1e-3 for contrastive-subspace, "
        "1e-4 for the others).",
    )
    warmup_share: Fraction = setting(0.05, "Share of the steps for warm-up.")
    rate_decay: RateDecay = setting(
        RateDecay.COSINE, "Learning rate after warm-up: cosine, down to zero, or none."
    )
    weight_decay: Annotated[float, Ge(0)] = setting(0.0, "Weight decay.")
    clip_norm: Annotated[float, Gt(0)] | Literal["none"] | None = setting(
        1.0, "Maximum gradient norm, or none."
    )
    scale: Annotated[float, Gt(0)] | Literal["model"] = setting(
        "model", "Logit scale of InfoNCE; model: that of the model, 100 for OpenAI's CLIP."
    )
    rank: Annotated[int, Ge(1)] = setting(16, "LoRA rank.")
    alpha: Annotated[float, Gt(0)] = setting(16.0, "LoRA updates are scaled by alpha / rank.")
    dropout: Annotated[float, Ge(0), Lt(1)] = setting(0.0, "Dropout on the adapters' input.")
    adapter_inputs: AdapterInputs | None = setting(
        None,
        "any; contrast: adapters read only the directions that unsafe inputs use most beside safe "
        "ones. Default: that of the method (contrast for contrastive-subspace, any for the "
        "others).",
    )
    ridge: Annotated[float, Gt(0)] = setting(
        0.3,
        "With contrast: the higher, the less adapters rely on directions rare in safe inputs.",
    )
    towers: tuple[Tower, ...] = setting(("image", "text"), "Tower to train: image or text.")
    image_layers: tuple[str, ...] = setting(
        ("attention", "mlp", "convolution"), "Kinds of image-tower layers that get an adapter."
    )
    text_layers: tuple[str, ...] = setting(
        ("attention", "mlp"), "Kinds of text-tower layers that get an adapter."
    )
    full: bool = setting(False, "Train all weights of the towers instead of adapters.")
    patience: Annotated[int, Ge(1)] | None = setting(
        None, "Stop after this many epochs without a better validation score."
    )
    max_reject_share: Fraction = setting(
        0.05, "Stop if more than this share of the pairs lacks a usable image."
    )
    precision: Precision = field(
        default=Precision.AUTO,
        metadata={
            "help": "auto: half precision if the device supports it; fp32, fp16 or bf16.",
            "affects_output": True,
            "metavar": "<str>",  # leaves room for the names of methods
        },
    )
    compile: bool = setting(
        False, "Compile the towers (torch.compile): minutes once, then fewer launches on a GPU."
    )
    seed: Annotated[int, Ge(0)] = setting(0, "Seed of adapters, order and dropout.")
    save_every: Annotated[int, Ge(1)] = setting(
        200, "Steps between checkpoints.", affects_output=False
    )
    checkpoint_minutes: Annotated[float, Gt(0)] = setting(
        5.0, "Minutes between checkpoints, if they pass before the steps.", affects_output=False
    )
    events: bool | None = setting(
        None,
        "Write TensorBoard event files. Default: if TensorBoard is installed.",
        affects_output=False,
    )
    device: Device = setting(Device.AUTO, "auto: the GPU if there is one.", affects_output=False)
    batch_tokens: Annotated[int, Ge(1)] | None = setting(
        None,
        "Padded tokens per text batch of the frozen model. Default: as many as fit on a GPU; 4096 "
        "on a CPU.",
        affects_output=False,
    )
    batch_images: Annotated[int, Ge(1)] | None = setting(
        None,
        "Images per batch of the frozen model. Default: as many as fit on a GPU; 32 on a CPU.",
        affects_output=False,
    )
    workers: Annotated[int, Ge(1)] | None = setting(
        None,
        "Threads that decode images and tokenise text. Default: one a core.",
        affects_output=False,
    )

    def __post_init__(self) -> None:
        if wrong := names.problem(self.model, images=True):
            raise ValueError(wrong)
