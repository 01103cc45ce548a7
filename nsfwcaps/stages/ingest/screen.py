"""ingest: what a folded caption is checked for, on its side.

    both sides ─ in a benchmark? ─▶ removed
    safe side ─ a hazard? all content words of an unsafe caption? ─▶ flagged, or removed
              ─ unsafe by a detector, its text or its picture? ─▶ removed

Mining chooses the closest safe caption, so a mislabelled one would be chosen first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps.captions import benchmarks, containment, content_words
from nsfwcaps.captions.benchmarks import BenchmarkKeys
from nsfwcaps.captions.containment import ContentSets
from nsfwcaps.captions.content_words import Tokens, tokens
from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.config import digest
from nsfwcaps.construction.hazard_scan import with_hazard
from nsfwcaps.construction.lexicon import hazards_digest
from nsfwcaps.enums import Screen
from nsfwcaps.stages.ingest.judge import Judge
from nsfwcaps.stages.ingest.pictures import PictureVerdicts
from nsfwcaps.tables import read_tables

VERSION = 1

IN_BENCHMARK = "in_benchmark"
HAZARD = "hazard"
NEAR_UNSAFE = "near_unsafe"
FLAGGED = "flagged"

Mask = npt.NDArray[np.bool_]


@dataclass
class Checked:
    """Verdicts on n captions."""

    reasons: list[str | None]
    """Why a caption is removed, or None."""
    flags: list[list[str] | None]
    counts: Counter[str] = field(default_factory=Counter)

    def remove(self, mask: Mask, reason: str) -> None:
        """Give captions the reason, unless they have one."""
        for row in np.flatnonzero(mask):
            self.reasons[row] = self.reasons[row] or reason


@dataclass(frozen=True, kw_only=True)
class Checks:
    """Everything that captions are checked by."""

    screen: Screen
    benchmarks: Sequence[BenchmarkKeys]
    texts: Judge
    pictures: Judge
    verdicts: PictureVerdicts
    unsafe: Sequence[Path]
    """Files with the staged unsafe captions."""

    @cached_property
    def key(self) -> str:
        """Digest of all that the verdicts depend on, apart from the staged captions."""
        versions = (VERSION, benchmarks.VERSION, containment.VERSION, content_words.VERSION)
        judges = [*self.texts.statements, *self.pictures.statements]
        return digest(
            [
                [*versions, self.screen, hazards_digest()],
                [
                    [item.folds.tobytes().hex(), item.bags.tobytes().hex()]
                    for item in self.benchmarks
                ],
                [statement.as_json() for statement in judges],
            ]
        )

    def check(self, table: pa.Table, label: Label) -> Checked:
        """Check the captions of a side."""
        found = Checked([None] * table.num_rows, table["flags"].to_pylist())
        screens = label is Label.SAFE and self.screen is not Screen.OFF
        if table.num_rows and (screens or self.benchmarks):
            captions = table["caption"].combine_chunks()
            split, folds = tokens(captions), table["fold_key"].to_numpy()
            for place, benchmark in enumerate(self.benchmarks):
                leaks = benchmark.matches(folds, split)
                found.counts[f"{IN_BENCHMARK} {place} {label}"] = int(leaks.sum())
                found.remove(leaks, IN_BENCHMARK)
            if screens:
                near = self._near_unsafe(folds, split)
                self._screen(found, {HAZARD: with_hazard(captions, split), NEAR_UNSAFE: near})
        if label is Label.SAFE:
            self._judge(found, table)
        return found

    def _screen(self, found: Checked, masks: Mapping[str, Mask]) -> None:
        """Flag or remove, and count, captions that no benchmark has."""
        left = np.array([reason is None for reason in found.reasons])
        for name, mask in masks.items():
            found.counts[name] = int((mask & left).sum())
            for row in np.flatnonzero(mask & left):
                found.flags[row] = [*(found.flags[row] or []), name]
            if self.screen is Screen.DROP:
                found.remove(mask, name)
        found.counts[FLAGGED] = int((np.any([*masks.values()], axis=0) & left).sum())
        found.counts["screened"] = int(left.sum())

    def _judge(self, found: Checked, table: pa.Table) -> None:
        """Remove captions whose text or picture a detector calls unsafe; each text counts once."""
        if self.verdicts.reasons:
            for row, sha256 in enumerate(table["image_sha256"].to_pylist()):
                found.reasons[row] = found.reasons[row] or self.verdicts.reasons.get(sha256)
        if not self.texts:
            return
        keys = [item[:TEXT_DIGITS] for item in table["id"].to_pylist()]
        captions = table["caption"].to_pylist()
        text = {
            key: caption
            for key, caption, reason in zip(keys, captions, found.reasons, strict=True)
            if reason is None
        }
        scores = self.texts.scores(
            [*text], lambda part: [text[key] for key in part], lambda done: None
        )
        found.counts.update(self.texts.counts(scores))
        reasons = dict(zip(text, self.texts.reasons(scores), strict=True))
        for row, key in enumerate(keys):
            found.reasons[row] = found.reasons[row] or reasons.get(key)

    def _near_unsafe(self, folds: npt.NDArray[np.uint64], split: Tokens) -> Mask:
        sets, unsafe = self._unsafe
        place = np.searchsorted(unsafe, folds)
        mask: Mask = sets.contained(split)
        inside = np.flatnonzero(place < len(unsafe))
        mask[inside] |= unsafe[place[inside]] == folds[inside]
        return mask

    @cached_property
    def _unsafe(self) -> tuple[ContentSets, npt.NDArray[np.uint64]]:
        """Content words and fold keys of every unsafe caption."""
        folds = [np.empty(0, np.uint64)]

        def captions() -> Iterator[pa.Array]:
            for table in read_tables(self.unsafe, ["caption", "fold_key"]):
                folds.append(
                    table["fold_key"].to_numpy().copy()
                )  # a view would keep the file mapped
                yield table["caption"].combine_chunks()

        sets = ContentSets(captions())
        return sets, np.unique(np.concatenate(folds))
