"""`croissant.json` against the one that the manifest gives, its names, and the card."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from nsfwcaps.card_check import names
from nsfwcaps.card_check.card import front_matter
from nsfwcaps.card_check.published import CARD, DATA, SAFE, Finding, PublishedFolder
from nsfwcaps.card_check.trees import Rules, differences
from nsfwcaps.cards import dataset
from nsfwcaps.cards.croissant import document
from nsfwcaps.cards.croissant.usage import licence

NAME = document.NAME
_PROSE = re.compile(r"(.+\.)?description|rai:\w+(\[\d+\])?")
_NAMES = ("rai:dataBiases", "rai:dataCollectionRawData", "rai:machineAnnotationTools")
"""Texts that name files, categories or models, so that their wording counts too."""
_FIELD = re.compile(r"recordSet\[(?P<records>\w+)\]\.field\[(?P<field>[^\]]+)\]: is (?P<how>.+)")
_PARTS = {document.PAIRS: DATA, document.SAFE: SAFE}


def read_description(published: PublishedFolder) -> dict[str, Any] | None:
    """Return the content of `croissant.json`; None if it is missing or no JSON object."""
    try:
        found = json.loads((published.folder / NAME).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def expected_description(published: PublishedFolder) -> dict[str, Any]:
    """Return the description that the manifest and the columns of the files give."""
    columns = {document.PAIRS: published.columns(DATA)}
    if published.files(SAFE):
        columns[document.SAFE] = published.columns(SAFE)
    meanings = dataset.meanings(published.manifest, columns[document.PAIRS])
    settings = published.stages["publish"]["settings"]
    found: dict[str, Any] = json.loads(
        document.as_json(document.describe(settings, published.manifest, columns, meanings))
    )
    return found


def check_description(published: PublishedFolder) -> Iterator[Finding]:
    """Yield each value that the data do not bear out, and each name that is wrong."""
    if not (published.folder / NAME).exists():
        what = "is missing, as an earlier version wrote the data set; publish again"
        yield Finding(file=NAME, what=what)
        return
    found = read_description(published)
    if found is None:
        yield Finding(file=NAME, what="is no JSON object; publish again")
        return
    wrong = [*names.unknown(found)]
    rules = Rules(
        prose=lambda place: _PROSE.fullmatch(place) is not None and not place.startswith(_NAMES),
        free=lambda place: place in ("name", "keywords", "inLanguage"),
        may_add=_may_add,
    )
    wrong += [_said(what) for what in differences(expected_description(published), found, rules)]
    for what in (*wrong, *_against_card(published, found)):
        yield Finding(file=NAME, what=what)


def _may_add(place: str) -> bool:
    """Whether a user may add a key: one that describes the data set, not its files or fields.

    Names of no vocabulary were said already.
    """
    at_top = "." not in place and "[" not in place
    described = ("distribution", "recordSet", "usageInfo", "prov:wasGeneratedBy")
    return at_top or not place.startswith(described)


def _said(what: str) -> str:
    """Say which column or field has no partner."""
    match = _FIELD.fullmatch(what)
    if match is None:
        return what
    name, part = match["field"].partition("/")[2], _PARTS.get(match["records"])
    if part is None:
        return what
    if match["how"].startswith("missing"):
        return f"column {name} of {part}/*.parquet has no field in record set {match['records']}"
    return f"field {match['field']} has no column in {part}/*.parquet"


def _against_card(published: PublishedFolder, found: dict[str, Any]) -> Iterator[str]:
    """Compare the licence and the terms of access with those of the card."""
    place = published.folder / CARD
    if not place.is_file():
        return
    front = front_matter(place.read_text(encoding="utf-8", errors="replace"))
    if front is None:
        return
    noted = front.get("license")
    if isinstance(noted, str) and licence(noted) != found.get("license"):
        yield f"license: is {found.get('license')!r}; the front matter of {CARD} says {noted!r}"
    terms = found.get("usageInfo")
    offers = terms if isinstance(terms, list) else [terms]
    texts = [item.get("text") for item in offers if isinstance(item, dict)]
    if front.get("extra_gated_prompt") not in texts:
        yield f"usageInfo: its terms of access are not those that {CARD} asks readers to accept"
