"""Export of judged pairs to Label Studio: tasks and their labelling interface.

Contains captions. An import cannot create users, so annotations come without one;
`data.verdicts` lists the annotator of each, in the same order.
Format: labelstud.io/guide/task_format, as of November 2026.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree as Xml

from nsfwcaps.review.export.judged import Judged
from nsfwcaps.review.log.answers import CHOICES, QUESTIONS, Option
from nsfwcaps.review.log.outcomes import Body
from nsfwcaps.review.log.verdicts import VerdictKind

_DATA = ("pair_id", "unsafe_caption", "safe_caption", "category", "stage")
_RATING = "meaning"
_TEXTS = {
    "fixed_unsafe_caption": ("unsafe", "unsafe_caption", "Unsafe caption as it should read"),
    "fixed_safe_caption": ("safe", "safe_caption", "Safe caption as it should read"),
    "comment": ("safe", "comment", "Comment"),
}
"""Control to its side, answer and header."""


def tasks(judged: Sequence[Judged]) -> Iterator[dict[str, Any]]:
    """Yield tasks with their annotations; decisions of leads and known answers are ground truth."""
    for item in judged:
        yield {
            "data": {
                **{name: item.pair[name] for name in _DATA},
                "outcome": item.outcome.state.value,
                "verdicts": [row._asdict() for row, _ in item.entries],
            },
            "annotations": [
                {"result": _result(body, row.seq), "ground_truth": row.kind != VerdictKind.JUDGE}
                for row, body in item.entries
            ],
        }


def config(categories: Sequence[str]) -> str:
    """Return the labelling interface as XML."""
    view = Xml.Element("View")
    for side in ("unsafe", "safe"):
        Xml.SubElement(view, "Header", value=f"{side.capitalize()} side")
        # Without valueType, Label Studio would fetch a caption that looks like a URL.
        about = {"name": side, "value": f"${side}_caption", "valueType": "text"}
        Xml.SubElement(view, "Text", about)
    for question in QUESTIONS:
        Xml.SubElement(view, "Header", value=question.text)
        about = {"name": question.name, "toName": question.sides[0]}
        if question.name == _RATING:
            Xml.SubElement(view, "Rating", {**about, "maxRating": str(len(question.options))})
            continue
        options = [option.value for option in question.options]
        if question.name == "category":
            options += [name for name in categories if name not in options]
        _choices(view, about, options)
    Xml.SubElement(view, "Header", value="What should happen to the pair?")
    _choices(view, {"name": "choice", "toName": "safe"}, _values(CHOICES))
    for name, (side, _, header) in _TEXTS.items():
        Xml.SubElement(view, "Header", value=header)
        Xml.SubElement(view, "TextArea", name=name, toName=side)
    Xml.indent(view)
    return Xml.tostring(view, encoding="unicode") + "\n"


def _choices(view: Xml.Element, about: dict[str, str], values: Sequence[str]) -> None:
    choices = Xml.SubElement(view, "Choices", {**about, "choice": "single"})
    for value in values:
        Xml.SubElement(choices, "Choice", value=value)


def _values(options: Sequence[Option]) -> list[str]:
    return [str(option.value) for option in options]


def _result(given: Body, seq: int) -> list[dict[str, Any]]:
    """Return one region per answer."""
    sides = {question.name: question.sides[0] for question in QUESTIONS} | {"choice": "safe"}
    found = []
    for name, side in sides.items():
        if name in given:
            kind = "rating" if name == _RATING else "choices"
            value = given[name] if kind == "rating" else [given[name]]
            found.append(_region(seq, name, side, kind, kind, value))
    for name, (side, answer, _) in _TEXTS.items():
        if answer in given:
            found.append(_region(seq, name, side, "textarea", "text", [given[answer]]))
    return found


def _region(seq: int, name: str, side: str, kind: str, key: str, value: Any) -> dict[str, Any]:
    return {
        "id": f"{seq}-{name}",
        "from_name": name,
        "to_name": side,
        "type": kind,
        "value": {key: value},
    }
