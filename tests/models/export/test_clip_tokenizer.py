from __future__ import annotations

from pathlib import Path

from support.tiny_clip import tokenizer
from transformers import CLIPTokenizer

from nsfwcaps.models.export.clip_tokenizer import write_tokenizer

SENTENCES = [
    "a photo of a cat",
    "Two Dogs, one ball; it's 3 o'clock!",
    "A handgun on a table, isn't it? We're sure they'll see 1,024 of them (50%).",
    "  spaces   and\ttabs\n",
    "naïve café, Über die Straße",
    "emoji 🙂 and 日本語",
    "semi-detached e-mail@example.org #tag_with_underscores $5.99",
    "x" * 300,
    "word " * 200,
    "",
]


def test_token_ids_are_those_of_open_clip(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, tokenizer)
    theirs = CLIPTokenizer.from_pretrained(tmp_path)
    ids = theirs(SENTENCES, truncation=True)["input_ids"]
    for ours, found in zip(tokenizer(SENTENCES).tolist(), ids, strict=True):
        whole = ours.index(tokenizer.eot_token_id) + 1
        assert found == ours[:whole]
        assert not any(ours[whole:])


def test_padding_is_the_end_token_at_the_same_length(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, tokenizer)
    theirs = CLIPTokenizer.from_pretrained(tmp_path)
    ids = theirs(["a cat"], padding="max_length")["input_ids"][0]
    assert len(ids) == 77
    assert set(ids[4:]) == {tokenizer.eot_token_id}
    assert len(theirs) == tokenizer.vocab_size
    assert theirs.decode(ids, skip_special_tokens=True).split() == ["a", "cat"]
