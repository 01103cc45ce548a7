"""export-data, sentence-transformers: what its collator makes of the rows, and its trainer too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import load_dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.data_collator import BaseDataCollator
from support.pair_release import row, write_release
from support.shell import call

from nsfwcaps.exports import pairs
from nsfwcaps.exports.formats import DataFormat, Negatives
from nsfwcaps.exports.pair_files import pair_files
from nsfwcaps.progress import Silent

RANKED = [row(1, 1), row(1, 2, 2), row(1, 3, 3), row(2, 2), row(2, 4, 2), row(3, 5)]


def exported(tmp_path: Path, *options: object, data: Any = RANKED) -> tuple[Path, Any]:
    release = write_release(tmp_path / "data", {"train": data, "test": [row(9, 9)]})
    out = tmp_path / "out"
    said = call(
        "export-data", release, "--to", "sentence-transformers", "--out", out, "--json", *options
    )
    assert (said.code, said.err) == (0, "")
    return out, said.json


def texts(out: Path, split: str = "train") -> list[dict[str, str]]:
    """Rows as its documentation loads them: from the folder, by the card."""
    loaded: list[dict[str, str]] = load_dataset(str(out), split=split).to_list()
    return loaded


def test_next_counterparts_are_negatives(tmp_path: Path) -> None:
    out, facts = exported(tmp_path)
    assert facts["written"] == {"train": 2}
    assert facts["left_out"] == {"no_negative": 1}
    first = {"anchor": "a broken window 1", "positive": "a clean window 1"}
    second = {"anchor": "a broken window 2", "positive": "a clean window 2"}
    assert texts(out) == [
        {**first, "negative": "a clean window 2"},
        {**second, "negative": "a clean window 4"},
    ]


def test_every_row_has_as_many_negatives(tmp_path: Path) -> None:
    out, facts = exported(tmp_path, "--negative-count", 2)
    assert facts["left_out"] == {"no_negative": 1, "too_few_negatives": 1}
    assert [list(found) for found in texts(out)] == [
        ["anchor", "positive", "negative_1", "negative_2"]
    ]
    assert texts(out)[0]["negative_2"] == "a clean window 3"


def test_without_negatives_every_pair_is_a_row(tmp_path: Path) -> None:
    out, facts = exported(tmp_path, "--negatives", "none", "--split", "test", "--split", "train")
    assert facts["written"] == {"train": 6, "test": 1}
    assert texts(out)[5] == {"anchor": "a broken window 3", "positive": "a clean window 5"}
    assert texts(out, "test") == [{"anchor": "a broken window 9", "positive": "a clean window 9"}]


def test_the_unsafe_caption_as_negative(tmp_path: Path) -> None:
    out, _ = exported(tmp_path, "--negatives", "unsafe")
    assert [(found["anchor"], found["negative"]) for found in texts(out)][4:] == [
        ("a broken window 2", "a broken window 2"),
        ("a broken window 3", "a broken window 3"),
    ]


def test_one_counterpart_each_makes_plain_pairs(tmp_path: Path) -> None:
    out, facts = exported(tmp_path, data=[row(1, 1), row(2, 1)])
    assert (facts["written"], facts["negatives"]) == ({"train": 2}, "none")
    assert [*texts(out)[0]] == ["anchor", "positive"]


def test_texts_survive_as_they_are(tmp_path: Path) -> None:
    odd = ["None", "NA", 'a "quoted" cup', "tab\tinside", "two\nlines", "un café ✓"]
    data = [row(n, n, safe_caption=text) for n, text in enumerate(odd)]
    out, _ = exported(tmp_path, data=data)
    assert [found["positive"] for found in texts(out)] == odd


def test_its_collator_takes_the_columns_in_order(tmp_path: Path) -> None:
    out, _ = exported(tmp_path)
    read: list[list[str]] = []

    def preprocess(inputs: list[str], **_: Any) -> dict[str, torch.Tensor]:
        read.append(inputs)
        return {"input_ids": torch.zeros(len(inputs), 1)}

    batch = BaseDataCollator(preprocess_fn=preprocess)(texts(out))
    assert read == [
        ["a broken window 1", "a broken window 2"],
        ["a clean window 1", "a clean window 2"],
        ["a clean window 2", "a clean window 4"],
    ]
    assert [*batch] == ["anchor_input_ids", "positive_input_ids", "negative_input_ids"]


def test_its_trainer_trains_on_it(tmp_path: Path) -> None:
    from sentence_transformers import (
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = ["[UNK]", "a", "broken", "clean", "window", *"0123456789"]
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu")
    out, _ = exported(tmp_path)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "model"),
        max_steps=2,
        per_device_train_batch_size=2,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=load_dataset(str(out), split="train"),
        loss=MultipleNegativesRankingLoss(model),
    )
    assert trainer.train().global_step == 2


def test_rows_of_a_caption_that_are_apart_are_refused(tmp_path: Path) -> None:
    apart = [row(1, 1), row(2, 2), row(1, 3, 2)]
    release = write_release(tmp_path / "data", {"train": apart}, rows=1)
    request = pairs.request_of(
        DataFormat.SENTENCE_TRANSFORMERS,
        pair_files(release),
        pairs.Choices(negatives=Negatives.CANDIDATES),
        tmp_path / "out",
    )
    with pytest.raises(Exception, match="not one after the other"):
        pairs.write(DataFormat.SENTENCE_TRANSFORMERS, request, Silent(), [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
