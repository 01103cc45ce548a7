"""`local:FOLDER`: a local transformers language model as editor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nsfwcaps.config import digest
from nsfwcaps.construction.editors.editor import Answer, EditorStatement, EditRequest
from nsfwcaps.construction.editors.prompt import PROMPT_VERSION, messages, parse
from nsfwcaps.enums import Device
from nsfwcaps.errors import ModelError
from nsfwcaps.files import sha256_file

PREFIX = "local:"

_MAX_TOKENS = 256
_BATCH = 8


class LocalEditor:
    """Decodes greedily in left-padded batches."""

    def __init__(self, name: str, device: Device) -> None:
        import torch
        import transformers

        from nsfwcaps.runtime.device import torch_device

        folder = _folder(name)
        self.statement = EditorStatement(
            name=name, version=f"prompt {PROMPT_VERSION}, {source_digest(name)}", only_inserts=False
        )
        self.models: Sequence[str] = (folder.name,)
        self._torch = torch
        self._device = torch_device(device)
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True, padding_side="left"
            )
            model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                str(folder), local_files_only=True, dtype="auto"
            )
        except (OSError, ValueError):
            raise ModelError(
                f"{name}: transformers cannot load a language model from this folder"
            ) from None
        if self._tokenizer.chat_template is None:
            raise ModelError(f"{name}: the model has no chat template; use a chat model")
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model = model.eval().to(self._device)

    def edit(self, requests: Sequence[EditRequest], advance: Callable[[int], None]) -> list[Answer]:
        """Answer n requests."""
        answers: list[Answer] = []
        for start in range(0, len(requests), _BATCH):
            batch = requests[start : start + _BATCH]
            answers += map(parse, self._complete(batch))
            advance(len(batch))
        return answers

    def _complete(self, requests: Sequence[EditRequest]) -> list[str]:
        tokens = self._tokenizer.apply_chat_template(
            [messages(request) for request in requests],
            add_generation_prompt=True,
            padding=True,
            return_tensors="pt",
            return_dict=True,
        ).to(self._device)
        with self._torch.inference_mode():
            out = self._model.generate(
                **tokens,
                do_sample=False,
                max_new_tokens=_MAX_TOKENS,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        written = out[:, tokens["input_ids"].shape[1] :]
        texts: list[str] = self._tokenizer.batch_decode(written, skip_special_tokens=True)
        return texts


def source_digest(name: str) -> str:
    """Digest of all files in the model's folder.

    Raises:
        ModelError: the folder does not exist or holds no model.
    """
    files = sorted(path for path in _folder(name).iterdir() if path.is_file())
    return digest([[path.name, sha256_file(path)] for path in files])


def check(name: str) -> None:
    """Check that the folder is there, without loading the model.

    Raises:
        ModelError: the folder does not exist or holds no model.
    """
    _folder(name)


def _folder(name: str) -> Path:
    folder = Path(name.removeprefix(PREFIX))
    if not (folder / "config.json").is_file():
        raise ModelError(f"{name}: not the folder of a transformers model: no config.json")
    return folder
