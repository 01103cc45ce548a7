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


def replaced(facts: Mapping[str, Any]) -> str | None:
    """Say in counts what became of the pairs of the data set that was replaced; None without one.

    >>> counts = {"pairs": 1174, "kept": 1153, "gone": 21, "new": 22}
    >>> moves = {"to_another_target": 45, "to_another_split": 3, "to_another_level": 0}
    >>> replaced({"changes": {**counts, **moves}})
    'replaces 1,174 pairs: 1,153 kept (45 to another target, 3 to another split), 21 gone, 22 new'
    """
    if (counts := facts.get("changes")) is None:
        return None
    moves = ", ".join(
        f"{counts[name]:,} {name.replace('_', ' ')}"
        for name in ("to_another_target", "to_another_split", "to_another_level")
        if counts[name]
    )
    of = " of your edited files" if counts.get("edited") else ""
    start = f"replaces {counts['pairs']:,} pairs{of}"
    if not moves and not counts["gone"] and not counts["new"]:
        return f"{start} by the same ones"
    kept = f"{counts['kept']:,} kept{f' ({moves})' if moves else ''}"
    return f"{start}: {kept}, {counts['gone']:,} gone, {counts['new']:,} new"


def _notes(facts: Mapping[str, Any]) -> Iterator[str]:
    """Say what was replaced, which split is much too small, and which column joins no pools."""
    if (line := replaced(facts)) is not None:
        yield line
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
    counts_changes=True,
    needs=_needs,
    quotes_facts=True,
)
