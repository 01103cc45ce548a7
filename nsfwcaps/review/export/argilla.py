"""Export of judged pairs to Argilla, as a folder for `argilla.Dataset.from_disk`.

    argilla/records.json               fields, responses, metadata
    argilla/.argilla/settings.json     fields, questions and metadata of the data set
    argilla/.argilla/dataset.json      name of the data set

Contains captions. Argilla identifies users by UUID: each pseudonym maps to the same UUID in every
export; the server accepts responses of its own users only. Format of argilla 2.8.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nsfwcaps.review.export.judged import Judged, write_rows
from nsfwcaps.review.log.answers import CHOICES, QUESTIONS, RIGHT, Option

NAME = "nsfwcaps-review"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "nsfwcaps review")
_FIELDS = {"unsafe_caption": "Unsafe caption", "safe_caption": "Safe caption"}
_TEXTS = {
    "unsafe_caption": ("fixed_unsafe_caption", "Unsafe caption as it should read"),
    "safe_caption": ("fixed_safe_caption", "Safe caption as it should read"),
    "comment": ("comment", "Comment"),
}
"""Answer to the name and title of its question."""
# A question must not share its name with a metadata property.
_TERMS = ("category_given", "stage", "split", "outcome")
_NUMBERS = ("sim_text", "difficulty")


def write(
    folder: Path, judged: Sequence[Judged], categories: Sequence[str], about: Mapping[str, Any]
) -> None:
    """Write the three files."""
    (folder / ".argilla").mkdir(parents=True)
    overlap = about["policy"]["overlap"]
    files = {
        ".argilla/settings.json": settings(categories, overlap),
        ".argilla/dataset.json": _dataset(overlap),
    }
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value) + "\n", "utf-8")
    write_rows(folder / "records.json", (_record(item) for item in judged))


def user_of(account_id: str) -> str:
    """Return the UUID of an account."""
    return str(uuid.uuid5(_NAMESPACE, account_id))


def settings(categories: Sequence[str], overlap: int) -> dict[str, Any]:
    """Return the settings of the data set: the review's questions, in the same words."""
    return {
        "guidelines": None,
        "questions": [*_questions(categories)],
        "fields": [
            _property(name, title, _text(), required=True, description=None, type="text")
            for name, title in _FIELDS.items()
        ],
        "vectors": [],
        "metadata": [
            *(_metadata(name, {"type": "terms", "values": None}) for name in _TERMS),
            *(_metadata(name, {"type": "float", "min": None, "max": None}) for name in _NUMBERS),
        ],
        "allow_extra_metadata": False,
        "distribution": _distribution(overlap),
        "mapping": None,
    }


def _questions(categories: Sequence[str]) -> list[dict[str, Any]]:
    found = []
    for question in QUESTIONS:
        if question.name == "meaning":
            values = [{"value": int(option.value)} for option in question.options]
            kind = {"type": "rating", "options": values}
        elif question.name == "category":
            others = [name for name in categories if name != RIGHT]
            kind = _labels([*_named(question.options), *((name, name) for name in others)])
        else:
            kind = _labels(_named(question.options))
        found.append(_question(question.name, question.text, kind, required=False))
    choice = _labels(_named(CHOICES))
    found.append(_question("choice", "What should happen to the pair?", choice, required=True))
    for name, title in _TEXTS.values():
        found.append(_question(name, title, _text(), required=False))
    return found


def _named(options: Sequence[Option]) -> list[tuple[str, str]]:
    return [(str(option.value), option.label) for option in options]


def _labels(options: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "type": "label_selection",
        "options": [{"value": value, "text": text} for value, text in options],
        # Show all options: Argilla folds the rest, and requires at least 3.
        "visible_options": len(options) if len(options) > 2 else None,
    }


def _text() -> dict[str, Any]:
    # Captions are plain text: never render Markdown in them.
    return {"type": "text", "use_markdown": False}


def _question(name: str, title: str, kind: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return _property(name, title, kind, required=required, description=None, type=kind["type"])


def _metadata(name: str, kind: dict[str, Any]) -> dict[str, Any]:
    shown = {"visible_for_annotators": True}
    return _property(name, name, {**shown, **kind}, **shown)


def _property(name: str, title: str, kind: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Fields common to questions, fields and metadata; the server fills in the nulls."""
    nothing = dict.fromkeys(("id", "inserted_at", "updated_at", "dataset_id"))
    return {**nothing, "name": name, "title": title, "settings": kind, **more}


def _dataset(overlap: int) -> dict[str, Any]:
    nothing = dict.fromkeys(
        ("id", "inserted_at", "updated_at", "guidelines", "workspace_id", "last_activity_at")
    )
    return {
        **nothing,
        "name": NAME,
        "status": "draft",
        "allow_extra_metadata": False,
        "distribution": _distribution(overlap),
    }


def _distribution(overlap: int) -> dict[str, Any]:
    return {"strategy": "overlap", "min_submitted": overlap}


def _record(item: Judged) -> dict[str, Any]:
    pair = item.pair
    terms = {
        "category_given": pair["category"],
        "stage": pair["stage"],
        "split": pair["split"],
        "outcome": item.outcome.state.value,
    }
    numbers = {name: pair[name] for name in _NUMBERS}
    return {
        "id": pair["pair_id"],
        "fields": {name: pair[name] for name in _FIELDS},
        "metadata": terms | {name: value for name, value in numbers.items() if value is not None},
        "suggestions": {},
        "responses": _responses(item),
        "vectors": {},
        "status": "completed" if item.outcome.choice is not None else "pending",
        "_server_id": None,
    }


def _responses(item: Judged) -> dict[str, list[dict[str, Any]]]:
    """Return answers by question. An account's last row counts: Argilla keeps one per user."""
    of_account = {row.by: body for row, body in item.entries}
    found: dict[str, list[dict[str, Any]]] = {}
    for account, given in of_account.items():
        for name, value in given.items():
            question = _TEXTS[name][0] if name in _TEXTS else name
            response = {"value": value, "user_id": user_of(account), "status": "submitted"}
            found.setdefault(question, []).append(response)
    return found
