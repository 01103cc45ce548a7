"""Rejects as lines of text and as JSON; texts are covered unless they are revealed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from nsfwcaps.inspection.plain import label, plain
from nsfwcaps.inspection.rejects import RejectedRow, Rejects
from nsfwcaps.inspection.show_pairs import covered, wrapped

_DIGITS = 12
_BLANK = "(nothing but blanks)"
_GONE = "(text not kept: the pools were read again since, or its file is gone)"


def rejects_as_dict(found: Rejects, *, reveal: bool) -> dict[str, Any]:
    """Return counts and rows as plain values; texts and images only if revealed."""
    return {
        "run": str(found.run),
        "set_aside": found.total,
        "stages": [
            {"stage": item.stage, "finished": item.finished, "rejects": dict(item.counts)}
            for item in found.stages
        ],
        "also_dropped": list(found.also),
        "shown": [_as_dict(row, reveal=reveal) for row in found.rows],
    }


def _as_dict(row: RejectedRow, *, reveal: bool) -> dict[str, Any]:
    values = asdict(row)
    texts, image = values.pop("texts"), values.pop("image")
    lengths = {
        name: None if text is None else {"characters": len(text), "words": len(text.split())}
        for name, text in texts.items()
    }
    return {**values, **({"image": image, "texts": texts} if reveal else {"lengths": lengths})}


def reject_lines(found: Rejects, *, reveal: bool) -> Iterator[str]:
    """Yield the counts by stage and reason, then rows of each."""
    if not found.total:
        stages = ", ".join(item.stage for item in found.stages)
        yield f"{found.run}: nothing was set aside by {stages}"
    else:
        yield f"{found.run}: {found.total:,} set aside"
    rows = [(item, reason, n) for item in found.stages for reason, n in item.counts.items()]
    width = max((len(reason) for _, reason, _ in rows), default=0)
    for item, reason, count in rows:
        unfinished = "" if item.finished else "  (of a run that has not finished)"
        yield f"  {item.stage:<10} {reason:<{width}}  {count:>9,}{unfinished}"
    if found.also:
        yield "Dropped without a row here:"
        yield from (f"  {text}" for text in found.also)
    yield from _rows(found, reveal=reveal)


def _rows(found: Rejects, *, reveal: bool) -> Iterator[str]:
    last = None
    for row in found.rows:
        if (row.stage, row.reason) != last:
            last = row.stage, row.reason
            yield ""
            yield f"{row.stage}, {row.reason}:"
        yield f"  {'  '.join(_where(row))}"
        for name, text in row.texts.items():
            head = f"    {name:<6} "
            if text is None:
                yield f"{head}{_GONE}"
            elif reveal:
                yield from wrapped(head, plain(text) if text.strip() else _BLANK)
            else:
                yield f"{head}{covered(text)}"
        if reveal and row.image:
            yield from wrapped("    image  ", plain(row.image))
    if found.rows and not reveal:
        yield ""
        yield "Texts are covered, as they may offend; --reveal shows them, --n 100 shows more rows."


def _where(row: RejectedRow) -> Iterator[str]:
    if row.id is not None:
        yield f"{'pair ' if row.stage == 'publish' else ''}{row.id[:_DIGITS]}"
    if row.source is not None:
        yield f"{label(row.source)} row {row.row}"
    if row.label is not None:
        yield row.label
    if row.category is not None:
        yield label(row.category)
