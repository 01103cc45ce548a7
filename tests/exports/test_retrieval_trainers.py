"""export-data, tevatron and FlagEmbedding.

FlagEmbedding's own reader reads the export. tevatron 2 is in no package, so the test does what its
`src/tevatron/retriever/dataset.py` does (`TrainDataset`, `EncodeDataset`).
"""

from __future__ import annotations

import importlib
import importlib.util
import random
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from support.pair_release import row, write_release
from support.shell import call

RANKED = [row(1, 1), row(1, 2, 2), row(1, 3, 3), row(2, 2), row(2, 4, 2), row(3, 5)]


def exported(to: str, tmp_path: Path, *options: object, data: Any = RANKED) -> tuple[Path, Any]:
    release = write_release(tmp_path / "set", {"train": data})
    said = call(
        *("export-data", release, "--to", to, "--out", tmp_path / "out", "--json", *options)
    )
    assert (said.code, said.err) == (0, "")
    return tmp_path / "out", said.json


def lines(path: Path) -> Any:
    return load_dataset("json", data_files=str(path), split="train")


class Tevatron:
    """Queries and documents as `TrainDataset` reads them, `train_group_size` for each."""

    def __init__(self, out: Path, group_size: int) -> None:
        self._queries = lines(out / "train" / "train.jsonl")
        self._corpus = lines(out / "train" / "corpus.jsonl")
        self._row_of = {docid: at for at, docid in enumerate(self._corpus["docid"])}
        self._negatives = group_size - 1

    def text(self, docid: str) -> str:
        by_id, by_row = self._corpus[self._row_of[docid]], self._corpus[int(docid)]
        assert by_id == by_row  # earlier versions take the id for a row
        return by_id.get("text", "") or ""

    def __getitem__(self, item: int) -> tuple[str, list[str]]:
        group = self._queries[item]
        assert group["query_image"] is None
        text = group.get("query_text", "") or ""
        negatives = group["negative_document_ids"]
        if len(negatives) < self._negatives:
            chosen = random.choices(negatives, k=self._negatives)
        else:
            chosen = negatives[: self._negatives]
        return text, [self.text(docid) for docid in [group["positive_document_ids"][0], *chosen]]


def test_tevatron_trains_on_the_texts(tmp_path: Path) -> None:
    out, facts = exported("tevatron", tmp_path, "--negative-count", 5)
    assert (facts["written"], facts["documents"]) == ({"train": 2}, {"train": 4})
    assert facts["left_out"] == {"no_negative": 1}
    read = Tevatron(out, group_size=3)
    assert read[0] == (
        "a broken window 1",
        ["a clean window 1", "a clean window 2", "a clean window 3"],
    )
    twice = ["a clean window 4", "a clean window 4"]
    assert read[1] == ("a broken window 2", ["a clean window 2", *twice])
    corpus = lines(out / "train" / "corpus.jsonl")
    assert corpus["document_text"] == corpus["text"]


def test_tevatron_without_negatives_has_groups_of_one(tmp_path: Path) -> None:
    out, facts = exported("tevatron", tmp_path, "--negatives", "none")
    assert facts["written"] == {"train": 6}
    assert Tevatron(out, group_size=1)[5] == ("a broken window 3", ["a clean window 5"])


def test_tevatron_has_the_unsafe_text_as_document(tmp_path: Path) -> None:
    out, facts = exported("tevatron", tmp_path, "--negatives", "unsafe")
    assert facts["documents"] == {"train": 5 + 3}
    assert Tevatron(out, group_size=2)[5] == (
        "a broken window 3",
        ["a clean window 5", "a broken window 3"],
    )


def flag_embedding(out: Path, group_size: int, item: int) -> tuple[str, list[str]]:
    """The query and passages of an item, by FlagEmbedding's training set."""
    if "FlagEmbedding" not in sys.modules:
        # Its __init__ imports rerankers that need an older transformers.
        found = importlib.util.find_spec("FlagEmbedding")
        assert found is not None
        package = types.ModuleType("FlagEmbedding")
        package.__path__ = list(found.submodule_search_locations or [])
        sys.modules["FlagEmbedding"] = package
    reader = importlib.import_module("FlagEmbedding.abc.finetune.embedder.AbsDataset")
    options = importlib.import_module("FlagEmbedding.abc.finetune.embedder.AbsArguments")
    given = options.AbsEmbedderDataArguments(
        train_data=[str(out / "train")], train_group_size=group_size, cache_path=str(out.parent)
    )
    query, passages, _ = reader.AbsEmbedderTrainDataset(given, tokenizer=None)[item]
    return query, passages


def test_flag_embedding_draws_passages(tmp_path: Path) -> None:
    out, _ = exported("flagembedding", tmp_path, "--negative-count", 2)
    query, (positive, *negatives) = flag_embedding(out, 3, 0)
    assert (query, positive) == ("a broken window 1", "a clean window 1")
    assert sorted(negatives) == ["a clean window 2", "a clean window 3"]
    assert flag_embedding(out, 4, 1)[1] == ["a clean window 2", *["a clean window 4"] * 3]


def test_flag_embedding_without_negatives_and_its_pool(tmp_path: Path) -> None:
    out, facts = exported("flagembedding", tmp_path, "--negatives", "none")
    assert flag_embedding(out, 1, 5) == ("a broken window 3", ["a clean window 5"])
    assert facts["pool"] == {"train": 5}
    pool = lines(out / "pool" / "train.jsonl")
    assert pool.column_names == ["text"]
    assert pool["text"] == [f"a clean window {n}" for n in (1, 2, 3, 4, 5)]


@pytest.mark.parametrize("to", ["tevatron", "flagembedding"])
def test_texts_survive_as_they_are(to: str, tmp_path: Path) -> None:
    odd = ["None", "2020-01-01", "007", 'a "quoted" cup', "two\nlines\u2028three", "un café ✓"]
    data = [row(n, n, unsafe_caption=text, safe_caption=text) for n, text in enumerate(odd)]
    out, _ = exported(to, tmp_path, data=data)
    table = lines(out / "train" / "train.jsonl")
    assert [str(text) for text in table["query_text" if to == "tevatron" else "query"]] == odd
