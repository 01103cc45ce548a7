"""illustrate, step 2: draw pictures attempt by attempt; each is judged before the next is drawn.

    FOLDER/pictures/<key>.png   written atomically
    FOLDER/pictures.jsonl       one row per picture; pictures without a row are ignored
    FOLDER/scores/*.jsonl       detector scores by SHA-256 of the picture

A key is the digest of painter, caption and seed (and safe image). Other changes, such as other
detectors, more tries or more pairs, do not redraw a picture. A kill loses at most one batch.
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
    """A picture of a subject, with the scores of the judges."""

    key: str
    seed: int
    sha256: str
    verdict: Verdict


class PictureFiles:
    """Pictures on disk.

    A picture with a forbidden SHA-256 is recorded, so that it is not drawn again, but not stored.
    """

    def __init__(self, folder: Path, ending: str, forbidden: frozenset[str]) -> None:
        self._folder, self._ending, self._forbidden = folder / "pictures", ending, forbidden
        self._manifest = Manifest(folder / "pictures.jsonl")

    def known(self, key: str) -> bool:
        """Return whether a picture has been drawn."""
        row = self._manifest.rows.get(key)
        if row is None:
            return False
        path = self.path(key)
        if self.forbidden(key):
            path.unlink(missing_ok=True)
            return True
        return path.is_file() and path.stat().st_size == row["bytes"]

    def forbidden(self, key: str) -> bool:
        """Return whether a drawn picture is on the exclusion list."""
        return self.sha256(key) in self._forbidden

    def sha256(self, key: str) -> str:
        """Return the SHA-256 of a drawn picture."""
        return str(self._manifest.rows[key]["sha256"])

    def add(self, drawn: Mapping[str, bytes]) -> None:
        """Store a batch of pictures."""
        rows = []
        for key, data in drawn.items():
            sha256 = hashlib.sha256(data).hexdigest()
            if sha256 not in self._forbidden:
                write_atomically(self.path(key), data)
            rows.append({"item": key, "bytes": len(data), "sha256": sha256})
        self._manifest.add(rows)

    def read(self, key: str) -> bytes:
        """Return the bytes of a picture.

        Raises:
            ArtifactError: the file differs from the picture drawn.
        """
        data = self.path(key).read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256(key):
            raise ArtifactError(f"{self.path(key)} is damaged; delete it and run again")
        return data

    def path(self, key: str) -> Path:
        """Return the path of a picture."""
        return self._folder / f"{key}{self._ending}"


class AttemptRunner:
    """Drawing and judging of one run."""

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
        """Judges of each picture: the painter, if it knows the label, then the detectors."""
        own = [self._knows.judge] if self._knows is not None else []
        return [*own, *(detector.statement for detector in self._detectors)]

    def attempts(
        self, subjects: Sequence[Subject], tries: int, progress: Progress
    ) -> dict[str, list[Attempt]]:
        """Draw each subject until a judge rates a picture unsafe, at most `tries` times.

        Return the attempts by subject id, in order, without matches of the exclusion list.
        Without judges, one attempt is made.
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
        """Draw and judge one attempt per subject; return them by subject id."""
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
        """Return the scores of the judges, by picture key."""
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
        # The id of the safe caption covers its image.
        ground: Any = subject.safe_id if self._painter.needs_safe_image else None
        return digest([self._identity, subject.caption, ground, seed])[:32]
