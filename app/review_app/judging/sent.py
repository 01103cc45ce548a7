"""What the browser is sent: the open pair as far as it was uncovered, questions and keys."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from nsfwcaps.errors import InputError
from nsfwcaps.review.log.answers import CHOICES, QUESTIONS, RIGHT, Option, Question
from nsfwcaps.review.pairs import SIDES, Pair, ReviewPairs
from nsfwcaps.review.people.keys import Keys
from nsfwcaps.review.queue.guidelines import Guidelines
from nsfwcaps.review.queue.policy import SEVERITY_NAMES
from nsfwcaps.review.queue.states import NextPair, ReviewTask
from review_app.judging.messages import Heard

_KINDS = ("text", "image")


def data(
    pairs: ReviewPairs,
    task: ReviewTask,
    heard: Heard,
    keys: Keys,
    categories: Mapping[str, str],
) -> dict[str, Any]:
    """Return all that the page shows; `categories` are commands by category."""
    pair = pairs.pair(task.pair_id)
    pictures, broken = _pictures(pairs, task, pair, heard)
    undoable, following = task.undoable, task.next
    return {
        "session": heard.session,
        "client": heard.client,
        "acked": heard.applied,
        "refused": heard.refused,
        "task": {
            **_cover(task.token, task.category, task.severity),
            "answers": task.answers.as_json(),
            "items": {
                f"{side} {kind}": _item(pair, task, broken | task.broken, side, kind)
                for side in SIDES
                for kind in _KINDS
            },
            "left": {
                "pairs": task.left.pairs,
                "reveals": task.left.reveals,
                "minutes": max(0, round(task.left.minutes)),
            },
        },
        "next": following and _announced(following),
        "judged": task.judged,
        "undoable": undoable and {"kind": undoable.kind.value, "token": undoable.token},
        "pictures": pictures,
        **_fixed(pairs, keys, categories),
    }


def guidelines(found: Guidelines | None, heard: Heard) -> dict[str, str] | None:
    """Return the guidelines, without their text where the browser has it."""
    if found is None:
        return None
    has_it = f"guidelines/{found.sha256}" in heard.have
    return {"sha256": found.sha256, **({} if has_it else {"html": found.html})}


def _cover(token: str, category: str, severity: int) -> dict[str, Any]:
    return {"token": token, "category": category, "severity": SEVERITY_NAMES[severity]}


def _announced(pair: NextPair) -> dict[str, Any]:
    """Return the covers of a pair of which only token, category and severity are known yet."""
    items = {f"{side} text": {"state": "covered"} for side in SIDES}
    items |= {f"{side} image": {"state": "unknown"} for side in SIDES}
    return {**_cover(pair.token, pair.category, pair.severity), "items": items}


def _item(
    pair: Pair, task: ReviewTask, broken: frozenset[str], side: str, kind: str
) -> dict[str, Any]:
    what = f"{side} {kind}"
    if kind == "image" and side not in pair.images:
        return {"state": "absent"}
    if what in broken:
        return {"state": "broken"}
    if what not in task.uncovered:
        return {"state": "covered"}
    return {"state": "shown", **({"text": pair.caption(side)} if kind == "text" else {})}


def _pictures(
    pairs: ReviewPairs, task: ReviewTask, pair: Pair, heard: Heard
) -> tuple[dict[str, str], frozenset[str]]:
    """Return uncovered images that the browser lacks, and those that cannot be shown."""
    found, broken = {}, set()
    for side in pair.images:
        what = f"{side} image"
        name = f"{task.token}/{what}"
        if what not in task.uncovered or name in heard.have:
            continue
        try:
            image = pairs.image(task.pair_id, side)
        except InputError:
            broken.add(what)
        else:
            found[name] = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    return found, frozenset(broken)


def _fixed(pairs: ReviewPairs, keys: Keys, categories: Mapping[str, str]) -> dict[str, Any]:
    """Return what is the same for every pair."""
    by_key: dict[str, list[str]] = {}
    for command, key in keys.of_command.items():
        by_key.setdefault(key, []).append(command)
    return {
        "questions": [_question(question) for question in QUESTIONS],
        "choice": {
            "name": "choice",
            "text": "What should happen to the pair?",
            "options": [_option("choice", option) for option in CHOICES],
        },
        "categories": [
            {"value": name, "label": f"No: {name}", "command": categories.get(name, f"other {at}")}
            for at, name in enumerate(pairs.categories)
            if name != RIGHT
        ],
        "keys": by_key,
        "keys_off": keys.off,
    }


def _question(question: Question) -> dict[str, Any]:
    return {
        "name": question.name,
        "text": question.text,
        "sides": list(question.sides),
        "options": [_option(question.name, option) for option in question.options],
    }


def _option(name: str, option: Option) -> dict[str, Any]:
    value: str | int = int(option.value) if name == "meaning" else option.value
    return {"value": value, "label": option.label, "command": f"{name} {option.value}"}
