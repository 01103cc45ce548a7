"""Training examples of text models: an unsafe caption, its safe counterpart, and negatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from nsfwcaps.enums import Split
from nsfwcaps.errors import InputError
from nsfwcaps.exports.formats import Negatives
from nsfwcaps.exports.request import ExportRequest, ExportTally

_COLUMNS = ("pair_id", "unsafe_id", "safe_id", "unsafe_caption", "safe_caption", "rank")


@dataclass(frozen=True, kw_only=True)
class TextDocument:
    """A caption with its id."""

    id: str
    text: str


@dataclass(frozen=True, kw_only=True)
class TrainingExample:
    """A query with the document that answers it, and documents that do not."""

    pair_id: str
    query: TextDocument
    positive: TextDocument
    negatives: Sequence[TextDocument]


def examples(request: ExportRequest, split: Split, tally: ExportTally) -> Iterator[TrainingExample]:
    """Yield the examples of a split, in the order of its rows.

    With negatives from candidates, there is one example for each unsafe caption: its counterpart
    of the lowest rank is the positive, and the next ones are negatives, unless their text is that
    of the positive or of the query. Otherwise each pair is an example.

    Raises:
        InputError: the pairs of an unsafe caption are not one after the other.
    """
    rows = _usable(request.pairs.rows(split, _COLUMNS), tally)
    if request.negatives is Negatives.CANDIDATES:
        yield from _with_candidates(request, rows, tally)
        return
    for row in rows:
        query = _document(row, "unsafe")
        negatives = [query] if request.negatives is Negatives.UNSAFE else []
        yield _example(row, query, negatives)


def _usable(rows: Iterator[dict[str, Any]], tally: ExportTally) -> Iterator[dict[str, Any]]:
    for row in rows:
        tally.advance(1)
        if all((row[f"{side}_caption"] or "").strip() for side in ("unsafe", "safe")):
            yield row
        else:
            tally.left_out["caption_missing"] += 1


def _with_candidates(
    request: ExportRequest, rows: Iterator[dict[str, Any]], tally: ExportTally
) -> Iterator[TrainingExample]:
    seen: set[str] = set()
    for unsafe_id, group in groupby(rows, key=lambda row: str(row["unsafe_id"])):
        if unsafe_id in seen:
            raise InputError(
                f"{request.pairs.folder}: the pairs of unsafe_id {unsafe_id} are not one after the "
                "other, so its candidates cannot be found; sort the rows by unsafe_id, or add "
                "--negatives none"
            )
        seen.add(unsafe_id)
        best, *others = sorted(group, key=lambda row: row.get("rank") or 0)
        query, known = _document(best, "unsafe"), {_key(best[f"{s}_caption"]) for s in _SIDES}
        negatives = []
        for document in (_document(row, "safe") for row in others):
            if _key(document.text) not in known:
                known.add(_key(document.text))
                negatives.append(document)
        if negatives:
            yield _example(best, query, negatives[: request.count])
        else:
            tally.left_out["no_negative"] += 1


_SIDES = ("unsafe", "safe")


def _key(text: str) -> str:
    return " ".join(text.split()).casefold()


def _document(row: dict[str, Any], side: str) -> TextDocument:
    return TextDocument(id=str(row[f"{side}_id"]), text=row[f"{side}_caption"])


def _example(
    row: dict[str, Any], query: TextDocument, negatives: Sequence[TextDocument]
) -> TrainingExample:
    positive = _document(row, "safe")
    return TrainingExample(
        pair_id=str(row["pair_id"]), query=query, positive=positive, negatives=negatives
    )
