"""publish: write the pairs as a data set that other tools can load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nsfwcaps.enums import Split
from nsfwcaps.stage import Stage
from nsfwcaps.stages.publish.settings import PublishSettings


def _headline(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{facts['split'].get(name, 0):,} {name}" for name in Split)


def _notes(facts: Mapping[str, Any]) -> Iterator[str]:
    """Say which split is much smaller than asked for, and which column joins no two pools."""
    total, largest = sum(facts["assigned"].values()), facts["largest_group"]
    for name, share in facts["wanted"].items():
        found, wanted = facts["assigned"].get(name, 0), round(share * total)
        if found >= wanted // 2:
            continue
        if largest > wanted:
            yield (
                f"{name}: {found:,} of {wanted:,} pairs, as the largest group of linked pairs has "
                f"{largest:,} and stays in one split; the card says what links them"
            )
        else:
            yield (
                f"{name}: {found:,} of {wanted:,} pairs, as a hash of the --seed decides the split "
                f"of each of the {facts['groups']:,} groups of linked pairs"
            )
    # Absent in records of older versions.
    for name, count in facts.get("group_columns", {}).items():
        if count["unsafe"] and count["safe"] and not count["across"]:
            yield (
                f"group_column {name}: {count['unsafe']:,} unsafe and {count['safe']:,} safe "
                "captions of pairs have a value, but no value is in both pools, so it joins no "
                "unsafe with a safe caption; texts such as 042 and 42 differ"
            )


def _needs(settings: PublishSettings) -> Mapping[str, str]:
    return {} if settings.verdicts is None else {"review": "publish --verdicts"}


def _results(settings: PublishSettings, workdir: Path) -> Iterator[str]:
    yield f"Data set: {workdir / 'dataset'}"
    yield f"Its card: {workdir / 'dataset' / 'README.md'}"


PUBLISH = Stage(
    name="publish",
    settings=PublishSettings,
    module="nsfwcaps.stages.publish.run",
    headline=_headline,
    notes=_notes,
    results=_results,
    reads=("ingest", "embed", "mine", "grade"),
    reads_if_there=("construct", "illustrate"),
    delivers="dataset",
    owns=("data", "safe"),
    needs=_needs,
    quotes_facts=True,
)
