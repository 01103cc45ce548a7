"""tevatron 2: queries with ids of documents, and the corpus that the ids are of.

    train/train.jsonl     query_id, query_text, query_image, positive_document_ids,
                          negative_document_ids
    train/corpus.jsonl    docid, text, document_text, id

Its `retriever/dataset.py` reads `text`, and takes an empty one where a corpus has only
`document_text`, the name in its README: both are written. Some of its versions take a docid for
the number of a row, so it is that here. `id` is the content id of the caption.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nsfwcaps.enums import Split
from nsfwcaps.exports.examples import TextDocument, examples
from nsfwcaps.exports.request import ExportRequest, ExportTally
from nsfwcaps.exports.streams import AddRow, json_lines


def write(request: ExportRequest, folder: Path, tally: ExportTally) -> dict[str, Any]:
    """Write queries and corpus of each split; return the number of documents by split."""
    return {"documents": {s.value: _split(request, s, folder, tally) for s in request.splits}}


def _split(request: ExportRequest, split: Split, folder: Path, tally: ExportTally) -> int:
    place = folder / split
    with (
        json_lines(place / f"{split}.jsonl") as add,
        json_lines(place / "corpus.jsonl") as add_text,
    ):
        corpus = _Corpus(add_text)
        for example in examples(request, split, tally):
            positive = corpus.docid(example.positive)
            negatives = [corpus.docid(document) for document in example.negatives]
            add(
                {
                    "query_id": example.pair_id,
                    "query_text": example.query.text,
                    "query_image": None,
                    "positive_document_ids": [positive],
                    "negative_document_ids": negatives,
                }
            )
            tally.wrote(split)
        return corpus.size


class _Corpus:
    """Distinct documents, numbered as they come."""

    def __init__(self, add: AddRow) -> None:
        self._add = add
        self._number: dict[str, int] = {}

    @property
    def size(self) -> int:
        return len(self._number)

    def docid(self, document: TextDocument) -> str:
        if document.id not in self._number:
            docid = str(self.size)
            self._number[document.id] = self.size
            text = {"text": document.text, "document_text": document.text}
            self._add({"docid": docid, **text, "id": document.id})
        return str(self._number[document.id])
