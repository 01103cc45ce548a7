"""The RAI properties of a data set: each from counts and settings that the run recorded.

What a run does not know is left out: who the annotators are, when the pools were collected, who
maintains the data set. `nsfwcaps card check` accepts such properties where a user adds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nsfwcaps.cards.croissant.usage import GATE_PURPOSES
from nsfwcaps.enums import Pairing


def properties(stages: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties that the run bears out, with their prefix."""
    facts = stages["publish"]["facts"]
    found = {
        "dataCollection": _collection(stages),
        "dataCollectionType": _collection_types(stages),
        "dataCollectionMissingData": _missing(stages),
        "dataCollectionRawData": _raw(stages),
        "dataManipulationProtocol": _manipulation(stages),
        "dataPreprocessingProtocol": [*_preprocessing(stages)],
        "dataAnnotationProtocol": _annotation(stages),
        "dataAnnotationPlatform": ["nsfwcaps review"] if "review" in facts else [],
        "dataAnnotationAnalysis": [*_outcomes(facts)],
        "machineAnnotationTools": [*_tools(stages)],
        "dataBiases": [*_biases(stages)],
        "dataLimitations": [*_limitations(stages)],
        "dataUseCases": list(GATE_PURPOSES),
        "dataSocialImpact": "The pairs link unsafe concepts to safe ones. Reversed, they could "
        "steer a model towards the unsafe side.",
    }
    return {f"rai:{name}": value for name, value in found.items() if value}


def _paired(stages: Mapping[str, Any]) -> bool:
    return bool(stages["mine"]["settings"]["pairing"] == Pairing.PARTNER)


def _collection(stages: Mapping[str, Any]) -> str:
    captions, pools = stages["ingest"]["facts"]["captions"], stages["ingest"]["facts"]["pools"]
    how = "paired with their partners from the source data" if _paired(stages) else "mined"
    return (
        f"{stages['publish']['facts']['pairs']:,} pairs, {how} from {captions['unsafe']:,} unsafe "
        f"and {captions['safe']:,} safe captions of {len(pools)} pool files."
    )


def _collection_types(stages: Mapping[str, Any]) -> list[str]:
    """Name types of the property's list of recommended values."""
    return ["Secondary Data analysis", *(["Others"] if "construct" in stages else [])]


def _raw(stages: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{pool['name']} ({pool['label']}): {pool['rows']:,} rows"
        for pool in stages["ingest"]["facts"]["pools"]
    )


def _missing(stages: Mapping[str, Any]) -> str:
    reasons: dict[str, int] = {}
    for pool in stages["ingest"]["facts"]["pools"]:
        for reason, count in (pool["rejects"] or {}).items():
            reasons[reason] = reasons.get(reason, 0) + count
    parts = [f"rows set aside: {_counts(reasons)}"]
    if without := stages["embed"].get("rejects"):
        parts.append(f"captions without a vector: {_counts(without)}")
    if unpaired := stages["mine"].get("rejects"):
        parts.append(f"unsafe captions without a pair: {_counts(unpaired)}")
    if lost := stages["publish"]["facts"].get("images_lost"):
        parts.append(f"images not included: {_counts(lost)}")
    return "; ".join(parts)


def _counts(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.items()) or "0"


def _manipulation(stages: Mapping[str, Any]) -> str:
    if "construct" not in stages:
        return ""
    facts = stages["construct"]["facts"]
    return (
        "Unsafe captions were written from safe ones by adding one element. Editor: "
        f"{facts['editor']['name']} {facts['editor']['version']}; "
        f"{facts['elements']['distinct']:,} distinct elements."
    )


def _preprocessing(stages: Mapping[str, Any]) -> Iterator[str]:
    ingest, grade = stages["ingest"]["facts"], stages["grade"]["facts"]
    yield (
        f"Captions were Unicode-normalised; {ingest['copies_folded']:,} copies were folded; "
        f"{ingest['safe_dropped_as_also_unsafe']:,} safe captions that are also unsafe ones were "
        "dropped."
    )
    side = ingest.get("safe_side")
    if side and side["screen"] != "off":
        done = "dropped" if side["screen"] == "drop" else "flagged and kept"
        yield f"A screen of words found {side['flagged']:,} safe captions, which were {done}."
    yield f"Vectors were computed by {stages['embed']['facts']['encoder']['name']}."
    levels = ", ".join(f"{count:,} {name}" for name, count in grade["stages"].items())
    yield f"Pairs were graded by difficulty: {levels}."
    yield (
        f"Pairs that share a caption stay in one split, in {stages['publish']['facts']['groups']:,}"
        " groups of linked pairs."
    )


def _annotation(stages: Mapping[str, Any]) -> str:
    facts = stages["publish"]["facts"]
    by = "the editor" if "construct" in stages else "their pools, or a column of these"
    text = f"Captions are safe or unsafe as labelled by {by}."
    if "review" not in facts:
        return f"{text} No person has judged the pairs in this run."
    return f"{text} Annotators judged pairs; {facts['review']['log']['rows']:,} rows of their log."


def _outcomes(facts: Mapping[str, Any]) -> Iterator[str]:
    if (review := facts.get("review")) is not None:
        counts = ", ".join(f"{count:,} {name}" for name, count in review["outcomes"].items())
        yield f"Outcomes of the review by pair: {counts}."


def _tools(stages: Mapping[str, Any]) -> Iterator[str]:
    encoder = stages["embed"]["facts"]["encoder"]
    yield f"{encoder['name']}: similarity of captions"
    for detector in (stages["ingest"]["facts"].get("safe_side") or {}).get("detectors", ()):
        yield f"{detector['name']} {detector['version']}: unsafe captions on the safe side"
    if "construct" in stages:
        facts = stages["construct"]["facts"]
        yield f"{facts['aligner']['name']}: alignment of edited captions"
        for detector in (*facts["detectors"], *facts.get("edit_detectors", ())):
            yield f"{detector['name']} {detector['version']}: checks of captions"
    if "illustrate" in stages:
        for judge in stages["illustrate"]["facts"].get("judges", ()):
            yield f"{judge['name']} {judge['version']}: labels of images"


def _biases(stages: Mapping[str, Any]) -> Iterator[str]:
    facts, hubs = stages["publish"]["facts"], stages["mine"]["facts"]["hubs"]
    pairs = facts["pairs"]
    name, count = max(facts["category"].items(), key=lambda item: (item[1], item[0]))
    yield (
        f"Of {len(facts['category']):,} categories, the largest, {name}, has {count:,} of "
        f"{pairs:,} pairs."
    )
    yield (
        f"{hubs['distinct_targets']:,} distinct safe targets; the most used one is in "
        f"{hubs['largest_hub']:,} pairs (Gini coefficient {hubs['gini']:.3f})."
    )


def _limitations(stages: Mapping[str, Any]) -> Iterator[str]:
    if not _paired(stages):
        yield "A high cosine does not guarantee that a counterpart keeps the meaning."
    yield "Difficulty ranks the pairs of this data set and is not comparable between data sets."
    if "illustrate" in stages:
        yield "The unsafe images were generated, and no person has judged them."
    else:
        yield "Labels describe captions. The label of a caption says nothing about its image."
    overlap = stages["publish"]["facts"].get("overlap")
    if overlap is not None:
        yield (
            f"Of {overlap['held_out']:,} validation and test pairs, {overlap['captions']:,} share "
            f"a caption and {overlap['pictures']:,} an image with training pairs."
        )
