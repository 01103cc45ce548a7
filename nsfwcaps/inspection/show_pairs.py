"""Pairs as lines of text and as JSON; captions are covered unless they are revealed."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nsfwcaps.enums import Similarity
from nsfwcaps.inspection.choice import PairChoice, PairOrder, choose_pairs
from nsfwcaps.inspection.facts import COVER
from nsfwcaps.inspection.pairs import SIDES, CaptionOfPair, PairTable, captions_of_pairs
from nsfwcaps.inspection.plain import label, plain
from nsfwcaps.mining.deciding import cosines_by, similarity_of

_DIGITS = 12
_INDENT = " " * 4
_NARROW = 40
_LONGEST = 2000
GONE = "(text not kept: the pools were read again since, or ingest's files are gone)"


@dataclass(frozen=True, kw_only=True)
class ShownPairs:
    """The pairs chosen, with their captions."""

    pairs: PairTable
    choice: PairChoice
    matching: int
    rows: Sequence[Mapping[str, Any]]
    captions: Sequence[tuple[CaptionOfPair, CaptionOfPair]]

    def as_dict(self, *, reveal: bool) -> dict[str, Any]:
        """Return plain values; captions only if revealed."""
        return {
            "run": str(self.pairs.folder),
            "pairs_of": self.pairs.stage or "data set",
            "similarity": similarity_of(self.pairs.made_by.settings).value,
            "pairs": self.pairs.table.num_rows,
            "matching": self.matching,
            "shown": [
                {
                    **{key: value for key, value in row.items() if not key.endswith("_id")},
                    "pair_id": row["pair_id"],
                    **{
                        side: caption_as_dict(caption, reveal=reveal)
                        for side, caption in zip(SIDES, both, strict=True)
                    },
                }
                for row, both in zip(self.rows, self.captions, strict=True)
            ],
        }


def shown_pairs(pairs: PairTable, choice: PairChoice) -> ShownPairs:
    """Choose pairs and read their captions.

    Raises:
        ConfigError: a category, level or split does not exist, or the cosines exclude each other.
        ArtifactError: the pairs have no levels or splits yet, or a file is damaged.
    """
    table, matching = choose_pairs(pairs, choice)
    return ShownPairs(
        pairs=pairs,
        choice=choice,
        matching=matching,
        rows=table.to_pylist(),
        captions=list(captions_of_pairs(pairs, table)),
    )


def caption_as_dict(caption: CaptionOfPair, *, reveal: bool) -> dict[str, Any]:
    """Return a caption's id and origin, its lengths and, if revealed, its text and image."""
    found: dict[str, Any] = {"id": caption.id, "source": caption.source, "row": caption.row}
    if caption.text is not None:
        found |= {"characters": len(caption.text), "words": len(caption.text.split())}
    if reveal:
        found |= {"caption": caption.text, "image": caption.image}
    return found


def lines(found: ShownPairs, *, reveal: bool) -> Iterator[str]:
    """Yield the pairs as lines, wrapped to the terminal if there is one."""
    yield _head(found)
    by = similarity_of(found.pairs.made_by.settings)
    if by is not Similarity.TEXT:
        yield cosines_by(by, label(str(found.pairs.made_by.encoder.get("name", "unknown"))))
    if not found.rows:
        yield _nothing(found)
        return
    columns = _columns(found.rows)
    for number, (row, both) in enumerate(zip(found.rows, found.captions, strict=True), start=1):
        yield ""
        yield f"{number:>3} {'  '.join(_cells(row, columns))}  pair {row['pair_id'][:_DIGITS]}"
        for side, caption in zip(SIDES, both, strict=True):
            yield from caption_lines(f"{_INDENT}{side:<6} ", caption, reveal=reveal)
    if not reveal:
        yield ""
        yield "Captions are covered, as they may offend; --reveal shows them."


def _head(found: ShownPairs) -> str:
    pairs = found.pairs
    of = f"pairs of {pairs.stage}" if pairs.stage else "pairs of the data set"
    filters = ", ".join(found.choice.described())
    matching = f", {found.matching:,} with {filters}" if filters else ""
    text = f"{pairs.folder}: {pairs.table.num_rows:,} {of}{matching}"
    if found.matching > len(found.rows):
        order = found.choice.order
        how = (
            f"at random (seed {found.choice.seed})" if order is PairOrder.RANDOM else f"by {order}"
        )
        text += f"; {len(found.rows):,} of them {how}"
    return text


def _nothing(found: ShownPairs) -> str:
    import pyarrow.compute as pc

    table = found.pairs.table
    if table.num_rows == 0:
        return f"no pairs; 'nsfwcaps rejects {shlex.quote(str(found.pairs.folder))}' shows why"
    if found.choice.unsafe or found.choice.target:
        return "no pair: 'nsfwcaps rejects' shows captions that were set aside"
    ends = pc.min_max(table["cosine"]).as_py()
    if ends["min"] is None:
        return "no pair"
    return f"no pair; all cosines are from {ends['min']:.3f} to {ends['max']:.3f}"


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the widths of the columns that tell pairs apart."""
    named = [name for name in ("stage", "category", "split") if name in rows[0]]
    return {name: max(len(label(row[name] or "none")) for row in rows) for name in named}


def _cells(row: Mapping[str, Any], columns: Mapping[str, int]) -> Iterator[str]:
    cosine = row["cosine"]
    yield "  -  " if cosine is None else f"{cosine:.3f}"
    for name, width in columns.items():
        yield f"{label(row[name] or 'none'):<{width}}"


def caption_lines(start: str, caption: CaptionOfPair, *, reveal: bool) -> Iterator[str]:
    """Yield a caption after its id: covered with its lengths, or its text and image."""
    head = f"{start}{caption.id[:_DIGITS]}  "
    if caption.text is None:
        yield f"{head}{GONE}"
    elif reveal:
        yield from wrapped(head, plain(caption.text))
        if caption.image is not None:
            yield from wrapped(f"{' ' * len(start)}image  ", plain(caption.image))
    else:
        yield f"{head}{covered(caption.text)}"


def covered(text: str) -> str:
    """Return what is shown in place of a text."""
    words, signs = len(text.split()), len(text)
    return f"{COVER} {_of(words, 'word')}, {_of(signs, 'character')}"


def wrapped(head: str, text: str) -> Iterator[str]:
    """Yield a text after its head, wrapped to the terminal; in one line if there is none.

    A text of more than 2,000 characters is cut, with a note; the JSON output has all of it.
    """
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}… ({len(text) - _LONGEST:,} more characters; --json has all)"
    if not sys.stdout.isatty():
        yield head + text
        return
    from rich.console import Console
    from rich.text import Text

    width = max(shutil.get_terminal_size().columns - len(head), _NARROW)
    # Counts wide characters as two columns.
    parts = [part.plain for part in Text(text).wrap(Console(width=width), width)] or [""]
    yield head + parts[0].rstrip()
    yield from (" " * len(head) + part.rstrip() for part in parts[1:])


def _of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
