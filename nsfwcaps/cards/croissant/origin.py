"""Provenance in PROV-O: the pools that a data set is from, and the stages that made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ORDER = ("construct", "illustrate", "ingest", "embed", "mine", "grade", "publish")
_WHAT = {
    "construct": "writing of unsafe captions from safe ones",
    "illustrate": "drawing of images for unsafe captions",
    "ingest": "reading, normalising and folding of the pools",
    "embed": "vectors of captions and images",
    "mine": "pairing",
    "grade": "grading by difficulty",
    "publish": "splits and files",
}


def derived_from(stages: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Describe the pools, each with its digest where it has one."""
    return [
        {
            "@type": "prov:Entity",
            "@id": pool_id(number),
            "prov:label": pool["name"],
            "description": (
                f"{pool['label']} pool: {pool['rows']:,} rows, {pool['captions']:,} captions"
            ),
            **({"sha256": pool["sha256"]} if pool.get("sha256") else {}),
        }
        for number, pool in enumerate(stages["ingest"]["facts"]["pools"])
    ]


def pool_id(number: int) -> str:
    """Return the id of a pool by its place in the list of pools."""
    return f"provenance/pool-{number}"


def pools_of(stages: Mapping[str, Any], label: str | None = None) -> list[dict[str, str]]:
    """Refer to the pools of a label, or to all."""
    return [
        {"@id": pool_id(number)}
        for number, pool in enumerate(stages["ingest"]["facts"]["pools"])
        if label in (None, pool["label"])
    ]


def stage_id(name: str) -> str:
    """Return the id of the activity of a stage."""
    return f"provenance/{name}"


def generated_by(stages: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Describe the stages in order: the software, what each read, and the models used."""
    found: list[dict[str, Any]] = []
    names = [name for name in _ORDER if name in stages]
    for name, before in zip(names, [None, *names], strict=False):
        activity: dict[str, Any] = {
            "@type": "prov:Activity",
            "@id": stage_id(name),
            "prov:label": f"{name}: {_WHAT[name]}",
        }
        # publish is of the version that grade was: it has no record of its own yet.
        version = stages[name if "version" in stages[name] else "grade"]["version"]
        activity["prov:wasAssociatedWith"] = {
            "@type": "prov:SoftwareAgent",
            "prov:label": f"nsfwcaps {version}",
        }
        if used := [*(pools_of(stages) if name == "ingest" else []), *_models(stages, name)]:
            activity["prov:used"] = used
        if before is not None:
            activity["prov:wasInformedBy"] = {"@id": stage_id(before)}
        found.append(activity)
    return found


def _models(stages: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Describe the models that a stage used."""
    facts = stages[name].get("facts", {})
    if name == "embed":
        encoder = facts["encoder"]
        return [_model(encoder["name"], encoder.get("weights_sha256"))]
    if name == "construct":
        editor = facts["editor"]
        return [_model(f"{editor['name']} {editor['version']}"), _model(facts["aligner"]["name"])]
    if name == "illustrate":
        return [_model(facts["painter"]["name"])]
    return []


def _model(name: str, sha256: str | None = None) -> dict[str, Any]:
    digest = {"sha256": sha256} if sha256 else {}
    return {"@type": "prov:Entity", "prov:label": name, **digest}
