"""A small random model that is made here: what it writes is no answer, which is one too."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsfwcaps.construction.editors.editor import EditRequest, Refusal
from nsfwcaps.construction.editors.local import LocalEditor, source_digest
from nsfwcaps.enums import Category, Device
from nsfwcaps.errors import ModelError

TEMPLATE = "{% for m in messages %}<{{ m.role }}> {{ m.content }} {% endfor %}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a language model with two layers and a vocabulary of bytes."""
    import tokenizers
    import torch
    import transformers

    path = tmp_path_factory.mktemp("model")
    signs = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {sign: number for number, sign in enumerate(["<end>", *signs])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=0,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    return path


def requests(count: int) -> list[EditRequest]:
    return [
        EditRequest(f"{n:032x}", f"A cup on {'a table ' * (n + 1)}", Category.VIOLENCE)
        for n in range(count)
    ]


def test_every_request_is_answered(folder: Path) -> None:
    editor = LocalEditor(f"local:{folder}", Device.CPU)
    heard: list[int] = []
    answers = editor.edit(requests(9), heard.append)
    assert len(answers) == 9
    assert all(isinstance(answer, Refusal) for answer in answers)
    assert sum(heard) == 9
    assert editor.models == (folder.name,)
    assert source_digest(f"local:{folder}") in editor.statement.version


def test_a_batch_writes_what_each_writes_alone(folder: Path) -> None:
    editor = LocalEditor(f"local:{folder}", Device.CPU)
    together = editor._complete(requests(3))
    assert together == [text for item in requests(3) for text in editor._complete([item])]


def test_a_model_without_a_chat_template_is_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if path.name != "chat_template.jinja":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ModelError, match="no chat template"):
        LocalEditor(f"local:{tmp_path}", Device.CPU)


def test_folders_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not the folder of a transformers model"):
        source_digest(f"local:{tmp_path}")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot load"):
        LocalEditor(f"local:{tmp_path}", Device.CPU)
