"""Ranking of edits: by the aligner's cosine, or by a small language model that is made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nsfwcaps.construction import plausibility
from nsfwcaps.enums import Device
from nsfwcaps.errors import ConfigError, ModelError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a language model with one layer and a vocabulary of bytes."""
    import tokenizers
    import torch
    import transformers

    path = tmp_path_factory.mktemp("model")
    signs = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {sign: number for number, sign in enumerate(["<end>", *signs])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    fast.save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=0,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    return path


def test_cosines_rank_as_they_are() -> None:
    cosines = np.array([0.9, 0.8], np.float32)
    ranking = plausibility.load("aligner", Device.CPU)
    assert ranking.statement == "aligner"
    assert ranking.score(["a", "a"], ["a b", "a c"], cosines).tolist() == cosines.tolist()


def test_a_language_model_scores_each_added_word(folder: Path) -> None:
    """By brute force: token by token, one text at a time, without padding."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()

    def log_probability(text: str) -> float:
        ids = tokenizer("<end>" + text, add_special_tokens=False)["input_ids"]
        total = 0.0
        for at in range(1, len(ids)):
            with torch.inference_mode():
                logits = model(torch.tensor([ids[:at]])).logits[0, -1]
            total += float(torch.log_softmax(logits, dim=-1)[ids[at]])
        return total

    source, one, three = "A cup on a desk", "A cup gun on a desk", "A cup and a gun on a desk"
    ranking = plausibility.load(f"local:{folder}", Device.CPU)
    found = ranking.score([source, source], [one, three], np.zeros(2, np.float32))
    before = log_probability(source)
    assert found[0] == pytest.approx(log_probability(one) - before, abs=1e-2)
    assert found[1] == pytest.approx((log_probability(three) - before) / 3, abs=1e-2)


def test_names(tmp_path: Path) -> None:
    plausibility.check("aligner")
    plausibility.check("local:folder")
    with pytest.raises(ConfigError, match="expected aligner or local:FOLDER"):
        plausibility.check("gpt2")
    with pytest.raises(ModelError, match="config"):
        plausibility.digest_of(f"local:{tmp_path}")
