"""A text classifier of transformers whose weights are set so that it finds words, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_WIDTH = 16
_MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write_word_classifier(folder: Path, label_of: Mapping[str, str]) -> Path:
    """Write a BERT of one layer that labels a text by the word in it, and other texts `fine`.

    Each word has a direction of its own, all other tokens none. Attention is the mean of the
    tokens, which the norm after it makes large again however long the text is.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join([*_MARKS, *label_of]))
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    labels = ["fine", *dict.fromkeys(label_of.values())]
    config = BertConfig(
        vocab_size=len(_MARKS) + len(label_of),
        hidden_size=_WIDTH,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=_WIDTH,
        max_position_embeddings=128,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if "LayerNorm.weight" in name else 0.0)
        words = model.bert.embeddings.word_embeddings.weight
        attention = model.bert.encoder.layer[0].attention
        for linear in (attention.self.value, attention.output.dense, model.bert.pooler.dense):
            linear.weight.copy_(torch.eye(_WIDTH))
        model.classifier.bias[0] = 5.0
        for number, label in enumerate(label_of.values()):
            words[len(_MARKS) + number, number] = 1.0
            model.classifier.weight[labels.index(label), number] = 20.0
    model.save_pretrained(folder)
    return folder
