"""illustrate, second part: pictures, attempt by attempt, each judged before the next is drawn.

    FOLDER/pictures/<key>.png   each written whole or not at all
    FOLDER/pictures.jsonl       a row each; without it a picture does not exist
    FOLDER/scores/*.jsonl       what detectors said, by the picture's sha256

A key is the digest of painter, caption and seed (and safe image), so a picture is drawn once,
whatever else changes: other detectors, more tries, more pairs. A kill loses one batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.config import digest
from nsfwcaps.construction.labels import ImageLabel, Verdict, image_label
from nsfwcaps.construction.painters.painter import (
    DrawRequest,
    KnowingPainter,
    Painter,
    Subject,
    seed_of,
)
from nsfwcaps.detectors.detector import Detector, DetectorStatement
from nsfwcaps.errors import ArtifactError
from nsfwcaps.files import write_atomically
from nsfwcaps.generation.generator import GeneratedItem
from nsfwcaps.generation.judge import judge
from nsfwcaps.generation.manifest import Manifest
from nsfwcaps.progress import Progress
from nsfwcaps.stages.illustrate.read import Constructed


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A picture of a subject, and what the judges say of it."""

    key: str
    seed: int
    sha256: str
    verdict: Verdict


class PictureFiles:
    """Pictures on the disk. One whose sha256 is forbidden is noted, so as not to be drawn again.

    Its file is not kept.
    """

    def __init__(self, folder: Path, ending: str, forbidden: frozenset[str]) -> None:
        self._folder, self._ending, self._forbidden = folder / "pictures", ending, forbidden
        self._manifest = Manifest(folder / "pictures.jsonl")

    def known(self, key: str) -> bool:
        """Whether a picture has been drawn."""
        row = self._manifest.rows.get(key)
        if row is None:
            return False
        path = self.path(key)
        if self.forbidden(key):
            path.unlink(missing_ok=True)
            return True
        return path.is_file() and path.stat().st_size == row["bytes"]

    def forbidden(self, key: str) -> bool:
        """Whether a picture that has been drawn may not be used."""
        return self.sha256(key) in self._forbidden

    def sha256(self, key: str) -> str:
        """Digest of a picture that has been drawn."""
        return str(self._manifest.rows[key]["sha256"])

    def add(self, drawn: Mapping[str, bytes]) -> None:
        """Keep a batch of pictures."""
        rows = []
        for key, data in drawn.items():
            sha256 = hashlib.sha256(data).hexdigest()
            if sha256 not in self._forbidden:
                write_atomically(self.path(key), data)
            rows.append({"item": key, "bytes": len(data), "sha256": sha256})
        self._manifest.add(rows)

    def read(self, key: str) -> bytes:
        """Bytes of a picture.

        Raises:
            ArtifactError: they are not those that were drawn.
        """
        data = self.path(key).read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256(key):
            raise ArtifactError(f"{self.path(key)} is damaged; delete it and run again")
        return data

    def path(self, key: str) -> Path:
        """Where a picture lies."""
        return self._folder / f"{key}{self._ending}"


class AttemptRunner:
    """One run's drawing and judging."""

    def __init__(
        self,
        painter: Painter,
        detectors: Sequence[Detector[bytes]],
        pictures: PictureFiles,
        constructed: Constructed,
        folder: Path,
        *,
        seed: int,
        batch: int,
    ) -> None:
        self._painter, self._detectors = painter, detectors
        self._pictures, self._constructed = pictures, constructed
        self._folder, self._seed, self._batch = folder, seed, batch
        self._knows = painter if isinstance(painter, KnowingPainter) else None
        self._identity = painter.identity

    @property
    def judges(self) -> list[DetectorStatement]:
        """Who is asked of each picture: the painter, where it knows, then the detectors."""
        own = [self._knows.judge] if self._knows is not None else []
        return [*own, *(detector.statement for detector in self._detectors)]

    def attempts(
        self, subjects: Sequence[Subject], tries: int, progress: Progress
    ) -> dict[str, list[Attempt]]:
        """Draw each subject until a judge finds a picture unsafe, at most `tries` times.

        Attempts by the id of the subject, in order, those apart that the exclusion list matched.
        Where nobody judges, one attempt is enough.
        """
        found: dict[str, list[Attempt]] = {subject.id: [] for subject in subjects}
        open_ = list(subjects)
        for number in range(tries):
            if not open_:
                break
            made = self._round(open_, number, progress)
            for key, attempt in made.items():
                found[key].append(attempt)
            open_ = [item for item in open_ if item.id not in made or self._is_safe(made[item.id])]
        return found

    def _is_safe(self, attempt: Attempt) -> bool:
        return image_label(attempt.verdict, self.judges) is ImageLabel.SAFE

    def _round(
        self, subjects: Sequence[Subject], number: int, progress: Progress
    ) -> dict[str, Attempt]:
        """One attempt of each subject, by its id."""
        wanted = {
            item.id: (item, seed := seed_of(self._seed, item.id, number), self._key(item, seed))
            for item in subjects
        }
        todo = [item for item in wanted.values() if not self._pictures.known(item[2])]
        done = len(wanted) - len(todo)
        with progress.task("illustrate: draw", len(wanted), unit="images", done=done) as advance:
            for start in range(0, len(todo), self._batch):
                batch = todo[start : start + self._batch]
                drawn = self._painter.paint([self._wanted(item, seed) for item, seed, _ in batch])
                self._pictures.add(dict(zip((key for *_, key in batch), drawn, strict=True)))
                advance(len(batch))
        usable = [item for item in wanted.values() if not self._pictures.forbidden(item[2])]
        verdicts = self._verdicts(usable, progress)
        return {
            item.id: Attempt(
                key=key, seed=seed, sha256=self._pictures.sha256(key), verdict=verdicts[key]
            )
            for item, seed, key in usable
        }

    def _verdicts(
        self, usable: Sequence[tuple[Subject, int, str]], progress: Progress
    ) -> dict[str, Verdict]:
        """What the judges say of pictures, by key."""
        items = [[self._item(key)] for *_, key in usable]
        scores = judge(self._detectors, items, self._folder / "scores", progress)
        return {
            key: {
                **({self._knows.judge.name: self._knows.truth(item)} if self._knows else {}),
                **{name: float(column[row, 0]) for name, column in scores.items()},
            }
            for row, (item, _, key) in enumerate(usable)
        }

    def _item(self, key: str) -> GeneratedItem:
        return GeneratedItem(
            sha256=self._pictures.sha256(key), read=lambda: self._pictures.read(key)
        )

    def _wanted(self, subject: Subject, seed: int) -> DrawRequest:
        needs = self._painter.needs_safe_image
        image = self._constructed.safe_image(subject) if needs else None
        return DrawRequest(subject=subject, seed=seed, safe_image=image)

    def _key(self, subject: Subject, seed: int) -> str:
        # The id of the safe caption is the digest of its image too.
        ground: Any = subject.safe_id if self._painter.needs_safe_image else None
        return digest([self._identity, subject.caption, ground, seed])[:32]
