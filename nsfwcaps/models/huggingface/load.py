"""Loading of a model of transformers, its preprocessing and its tokenizer."""

from __future__ import annotations

import hashlib
from typing import Any

from nsfwcaps.errors import ModelError, first_line
from nsfwcaps.models.huggingface.files import HuggingFaceFiles, found
from nsfwcaps.models.huggingface.patches import patches_of
from nsfwcaps.models.huggingface.pictures import Preprocessing, preprocessing_of
from nsfwcaps.models.huggingface.tokens import TransformersTokenizer
from nsfwcaps.models.huggingface.towers import (
    CausalTextTower,
    PaddedTextTower,
    TransformersClip,
    TransformersImageTower,
    TransformersPatchTower,
)
from nsfwcaps.models.names import ModelName
from nsfwcaps.runtime.silence import silence
from nsfwcaps.runtime.weights import load_complete

_CAUSAL, _PATCHES = "clip", "siglip2"
_TOWERS = ("text_model.", "vision_model.", "text_projection.", "visual_projection.")


def create(name: ModelName) -> tuple[Any, Any, Any]:
    """Create the model on the CPU in single precision, its preprocessing and its tokenizer.

    All three follow open_clip's interfaces.

    Raises:
        ModelError: files are missing or damaged, or do not belong together.
    """
    what = f"embed.model: '{name.given}'"
    files = found(name, what)
    with silence():
        whole = _model(files, what)
        tokenizer = _tokenizer(files, whole.config.text_config, what)
        pictures = _preprocessing(files, whole.config.vision_config, what)
    facts = {**pictures.facts, "configuration": _digest(whole.config, tokenizer)}
    context = tokenizer.context_length
    if files.kind == _CAUSAL:
        text: Any = CausalTextTower(whole.text_model, whole.text_projection, context=context)
    else:
        text = PaddedTextTower(whole.text_model, context=context, masked=tokenizer.masked)
    tower = TransformersPatchTower if files.kind == _PATCHES else TransformersImageTower
    visual = tower(whole.vision_model, getattr(whole, "visual_projection", None), facts)
    return TransformersClip(whole, visual, text, files).eval(), pictures.apply, tokenizer


def _model(files: HuggingFaceFiles, what: str) -> Any:
    """Load the weights, all of them, in single precision."""
    import torch
    import transformers

    transformers.logging.disable_progress_bar()
    kind = getattr(transformers, files.loads_as, None)
    if kind is None:
        raise ModelError(
            f"{what}: transformers {transformers.__version__} has no {files.loads_as}; run "
            "'pip install --upgrade transformers'"
        )
    try:
        # The model is initialised randomly first; keep the caller's generator state.
        with torch.random.fork_rng(devices=[]):
            model = load_complete(kind, str(files.folder), known=_TOWERS, local_files_only=True)
    except Exception as error:  # transformers, torch and safetensors raise many types
        raise ModelError(
            f"{what}: cannot be loaded as {files.loads_as}: its weights are damaged, incomplete "
            f"or of another model ({_reason(error)}); copy the whole folder again"
        ) from None
    return model.float()


def _tokenizer(files: HuggingFaceFiles, config: Any, what: str) -> TransformersTokenizer:
    from transformers import AutoTokenizer

    try:
        made = AutoTokenizer.from_pretrained(str(files.folder), local_files_only=True)
    except Exception as error:  # transformers raises many types
        raise ModelError(
            f"{what}: its tokenizer cannot be loaded ({_reason(error)}"
            "); copy the tokenizer's files again; a spiece.model needs 'pip install sentencepiece "
            "protobuf'"
        ) from None
    if len(made) > config.vocab_size:
        raise ModelError(
            f"{what}: its tokenizer knows {len(made):,} tokens, but its text tower "
            f"{config.vocab_size:,}; copy the tokenizer's files of this very model"
        )
    causal = files.kind == _CAUSAL
    if causal and made.padding_side != "right":
        raise ModelError(
            f"{what}: its tokenizer pads on the left; a causal text tower needs 'padding_side': "
            "'right' in tokenizer_config.json"
        )
    if made.pad_token is None:
        if not causal:
            raise ModelError(f"{what}: its tokenizer has no pad token; copy its files again")
        made.pad_token = made.eos_token  # behind the end, where a causal tower never looks
    return TransformersTokenizer(
        made,
        context=min(int(made.model_max_length), int(config.max_position_embeddings)),
        masked=not causal and "attention_mask" in made.model_input_names,
    )


def _preprocessing(files: HuggingFaceFiles, config: Any, what: str) -> Preprocessing:
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(str(files.folder), local_files_only=True)
    except Exception as error:  # transformers raises many types
        raise ModelError(
            f"{what}: its image processor cannot be loaded ({type(error).__name__}: "
            f"{first_line(error)}); copy preprocessor_config.json again"
        ) from None
    if files.kind == _PATCHES:
        return patches_of(processor, int(config.patch_size), what)
    side = config.image_size
    height, width = (side, side) if isinstance(side, int) else side
    return preprocessing_of(processor, (int(height), int(width)), what)


def _digest(config: Any, tokenizer: TransformersTokenizer) -> str:
    """Digest of what determines the numbers beside weights and pictures: heads, norms, tokens."""
    facts = {
        tower: sorted(
            (name, value)
            for name, value in getattr(config, tower).to_dict().items()
            if name not in ("transformers_version", "_name_or_path", "dtype", "torch_dtype")
        )
        for tower in ("text_config", "vision_config")
    }
    return hashlib.sha256(f"{facts}{tokenizer.digest}".encode()).hexdigest()[:32]


def _reason(error: Exception) -> str:
    """Return type and first line of a library's error; some begin with an empty line."""
    if "ignore_mismatched_sizes" in str(error):
        return "their shapes are not those of config.json"
    return f"{type(error).__name__}: {first_line(str(error).strip())}"
