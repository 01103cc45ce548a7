"""FlagEmbedding: queries with their positives and negatives, and the pool of documents.

    train/train.jsonl    query, pos, neg
    pool/train.jsonl     text: the distinct safe captions, from which its hn_mine draws

Its `abc/finetune/embedder/AbsDataset.py` reads every JSON file of a folder that it is given: the
pool has a folder of its own. Scores are for distillation, and are not written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nsfwcaps.exports.examples import examples
from nsfwcaps.exports.request import ExportRequest, ExportTally
from nsfwcaps.exports.streams import json_lines


def write(request: ExportRequest, folder: Path, tally: ExportTally) -> dict[str, Any]:
    """Write the queries of each split, and its pool; return the size of each pool."""
    pools = {}
    for split in request.splits:
        known: set[str] = set()
        queries, pool = folder / split / f"{split}.jsonl", folder / "pool" / f"{split}.jsonl"
        with json_lines(queries) as add, json_lines(pool) as add_text:
            for example in examples(request, split, tally):
                negatives = [document.text for document in example.negatives]
                positive = example.positive
                add({"query": example.query.text, "pos": [positive.text], "neg": negatives})
                tally.wrote(split)
                for document in (positive, *example.negatives):
                    if document.id not in known and document.id != example.query.id:
                        known.add(document.id)
                        add_text({"text": document.text})
        pools[split.value] = len(known)
    return {"pool": pools}
