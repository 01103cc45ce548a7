"""Mild pictures, and a tiny text classifier of random weights."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

WORDS = ("a", "the", "red", "kite", "handgun", "table", "on", "above", "lake", "cup")


def picture(seed: int, size: tuple[int, int] = (48, 40), form: str = "PNG") -> bytes:
    """A file of coloured cells."""
    cells = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC).save(buffer, form)
    return buffer.getvalue()


def write_classifier(folder: Path, labels: tuple[str, ...], *, several: bool = False) -> Path:
    """Write a BERT of one layer with its tokenizer."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder.mkdir(parents=True)
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join([*marks, *WORDS]))
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(marks) + len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
        problem_type="multi_label_classification" if several else None,
    )
    torch.manual_seed(0)
    model = BertForSequenceClassification(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    model.save_pretrained(folder)
    return folder
