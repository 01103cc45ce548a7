"""Nearest neighbours of some unsafe queries under each model, for the masked part of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nsfwcaps.reports.results import ReportInput

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True, kw_only=True)
class ExampleItem:
    """A caption or an image; unsafe ones are shown only on request."""

    unsafe: bool
    caption: str
    picture: str
    """Base64 JPEG, or empty."""
    cosine: float | None = None
    category: str = ""


@dataclass(frozen=True, kw_only=True)
class Example:
    """An unsafe query, and its nearest items by model."""

    dataset: str
    direction: str
    """Kinds of query and candidates, as in figures: T*→V."""
    category: str
    query: ExampleItem
    nearest: Mapping[str, Sequence[ExampleItem]]


def examples(evaluation: ReportInput) -> tuple[list[Example], list[str]]:
    """Return the examples of all data sets, and messages about damaged files."""
    found: list[Example] = []
    problems = []
    for dataset, content in sorted(evaluation.examples.items()):
        try:
            direction = str(content.get("direction") or "")
            found += [
                _example(dataset, direction, query, evaluation.models)
                for query in content["queries"]
            ]
        except (TypeError, KeyError, ValueError, AttributeError):
            problems.append(
                f"results/{dataset}/examples.json is damaged; run the same 'nsfwcaps eval' command "
                "again to rewrite it"
            )
    return found, problems


def _example(
    dataset: str, direction: str, query: Mapping[str, Any], models: Sequence[str]
) -> Example:
    nearest = dict(query["nearest"])
    return Example(
        dataset=dataset,
        direction=direction,
        category=str(query.get("category") or "no category"),
        query=_item({**query, "unsafe": True}),
        nearest={
            model: [_item(item) for item in nearest[model]] for model in models if model in nearest
        },
    )


def _item(values: Mapping[str, Any]) -> ExampleItem:
    picture = str(values.get("thumbnail") or "")
    cosine = values.get("cosine")
    return ExampleItem(
        # Anything not explicitly marked safe is masked.
        unsafe=values.get("unsafe") is not False,
        caption=str(values.get("caption") or ""),
        picture=picture if _BASE64.fullmatch(picture) else "",
        cosine=None if cosine is None else float(cosine),
        category=str(values.get("category") or ""),
    )
