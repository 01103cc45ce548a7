"""illustrate: an image for each unsafe caption that construct wrote, with a label of its own.

    construct: safe, unsafe ─ join by partner_id (illustrate_read) ─▶ subjects
    subjects ─ what the painter cannot draw ─▶ rejects-*
             ─ draw, judge, draw again with another seed (illustrate_draw) ─▶ pictures/, scores/
             ─ the first unsafe picture, or the nearest to it (illustrate_write)
                 ─▶ illustrated/*.parquet, illustrated.md

What is asked for is not what is drawn: the caption stays unsafe by its construction, and
`image_label` says what the judges make of the image by itself. A pair that is unsafe in text and
safe in image stays, and is counted, unless `only_unsafe` sets it aside.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nsfwcaps.artifacts import StageFolder, StageRecord, StageResult
from nsfwcaps.captions.normalize import content_id
from nsfwcaps.cards import illustrate as illustrate_card
from nsfwcaps.construction.checks import EXCLUDED
from nsfwcaps.construction.exclusion import image_hashes, may_show_minor
from nsfwcaps.construction.labels import ImageLabel, chosen, image_label
from nsfwcaps.construction.painters import load as painters
from nsfwcaps.construction.painters.painter import Painter, Subject
from nsfwcaps.construction.painters.sampling import PainterSampling
from nsfwcaps.detectors import registry
from nsfwcaps.detectors.detector import Detector, DetectorStatement, Modality
from nsfwcaps.errors import InputError
from nsfwcaps.files import sha256_file
from nsfwcaps.progress import Progress
from nsfwcaps.stages.illustrate.check import check_fits
from nsfwcaps.stages.illustrate.draw import Attempt, AttemptRunner, PictureFiles
from nsfwcaps.stages.illustrate.read import Constructed, Row, SafeImageError
from nsfwcaps.stages.illustrate.settings import IllustrateSettings
from nsfwcaps.stages.illustrate.write import POOL, DrawRejects, deliver, set_aside

VERSION = 1

_DETECTORS = "--image-detector"


def check(recipe: Mapping[str, Any], *, reading: bool) -> None:
    """Say before construct has its captions edited that no image can come of them.

    Raises:
        ConfigError: no painter or detector is named so, or the painter does not fit construct.
        InputError: a list of image hashes is none, or the pool holds nothing for the painter.
        ModelError: a pipeline, a package or a detector's file is not there.
    """
    settings: IllustrateSettings = recipe["illustrate"]
    painters.check(settings.painter)
    painters.check_package(str(settings.painter))
    for name in settings.image_detector:
        registry.check(name, Modality.IMAGE, option=_DETECTORS)
    image_hashes(settings.image_hashes)
    if "construct" in recipe:
        # What the world draws in this run is not there to be read yet.
        reading = reading and "world" not in recipe
        check_fits(str(settings.painter), recipe["construct"], reading=reading)


def sources(settings: IllustrateSettings) -> Mapping[str, str]:
    """Digests of the painter, of the lists of images to leave out, and of the card."""
    painters.check(settings.painter)
    image_hashes(settings.image_hashes)
    lists = {f"image_hashes:{path}": sha256_file(Path(path)) for path in settings.image_hashes}
    return {
        **lists,
        "painter": painters.source_digest(str(settings.painter)),
        "card": illustrate_card.template_digest(),
    }


def plan(settings: IllustrateSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Images to make, and the most to draw for them."""
    painters.check(settings.painter)
    pairs = inputs["construct"].facts["pairs"]
    return {"images": pairs, "drawn at most": pairs * settings.image_tries}


def run(
    settings: IllustrateSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Sort out what cannot be drawn, draw and judge the rest, and write the pool."""
    folder.refuse_foreign_pools((POOL,))
    painters.check(settings.painter)
    constructed = Constructed(inputs["construct"])
    detectors = _detectors(settings)
    painter = _painter(settings)
    forbidden = image_hashes(settings.image_hashes)
    pictures = PictureFiles(folder.path, painter.ending, forbidden)
    runner = AttemptRunner(
        painter,
        detectors,
        pictures,
        constructed,
        folder.path,
        seed=settings.seed,
        batch=settings.image_batch,
    )
    work = _IllustrateRun(settings, runner.judges)
    subjects = work.screen(constructed, painter, forbidden, progress)
    attempts = runner.attempts(subjects, settings.image_tries, progress)
    rows = work.choose(constructed.rows, attempts)
    if not rows:
        raise InputError(
            f"illustrate: none of {len(constructed.rows)} captions got an image "
            f"({_listed(work.rejected.counts)}); give another --painter"
        )
    facts = work.facts(rows, attempts, painter)
    shards = [*deliver(rows, facts, pictures, folder, settings), set_aside(work.rejected, folder)]
    return StageResult(shards=shards, facts=facts)


def _detectors(settings: IllustrateSettings) -> list[Detector[bytes]]:
    names = settings.image_detector
    return (
        registry.load_all(names, Modality.IMAGE, settings.device, option=_DETECTORS)
        if names
        else []
    )


def _painter(settings: IllustrateSettings) -> Painter:
    sampling = PainterSampling(
        steps=settings.image_steps,
        guidance_scale=settings.image_guidance,
        side_px=settings.image_size,
    )
    return painters.load(str(settings.painter), sampling, settings.device, settings.precision)


class _IllustrateRun:
    """One run: what is set aside, what is chosen, and what the cards say of it."""

    def __init__(self, settings: IllustrateSettings, judges: Sequence[DetectorStatement]) -> None:
        self._settings = settings
        self._judges = judges
        self.rejected = DrawRejects()

    def screen(
        self,
        constructed: Constructed,
        painter: Painter,
        forbidden: frozenset[str],
        progress: Progress,
    ) -> list[Subject]:
        """What can be drawn; the rest is set aside."""
        subjects = []
        with progress.task("illustrate: read", len(constructed.rows)) as advance:
            for row in constructed.rows:
                subject = constructed.subject(row)
                reason = _unfit(subject, constructed, painter, forbidden)
                if reason is None:
                    subjects.append(subject)
                else:
                    self.rejected.add(row, reason)
                advance(1)
        return subjects

    def choose(self, rows: Sequence[Row], attempts: Mapping[str, Sequence[Attempt]]) -> list[Row]:
        """Rows of the pool, without the images themselves, sorted by their new id."""
        found = []
        for row in rows:
            made = attempts.get(row["id"])
            if made is None:
                continue  # set aside before
            if not made:
                self.rejected.add(row, EXCLUDED)
                continue
            best = made[chosen([item.verdict for item in made], self._judges)]
            label = image_label(best.verdict, self._judges)
            if self._settings.only_unsafe and label is not ImageLabel.UNSAFE:
                self.rejected.add(row, "image_safe")
                continue
            scores = dict(sorted(best.verdict.items()))
            found.append(
                {
                    **row,
                    "id": content_id(row["caption"], best.sha256),
                    "key": best.key,
                    "image_label": label.value,
                    "image_scores": json.dumps(scores),
                    "image_seed": best.seed,
                    "image_tries": len(made),
                }
            )
        return sorted(found, key=lambda row: str(row["id"]))

    def facts(
        self, rows: Sequence[Row], attempts: Mapping[str, Sequence[Attempt]], painter: Painter
    ) -> dict[str, Any]:
        """What the cards say."""
        by_category: dict[str, Counter[str]] = {}
        fired: Counter[str] = Counter()
        for row in rows:
            by_category.setdefault(row["category"], Counter())[row["image_label"]] += 1
            scores = json.loads(row["image_scores"])
            fired.update(item.name for item in self._judges if scores[item.name] >= item.threshold)
        return {
            "captions": len(rows) + sum(self.rejected.counts.values()),
            "images": len(rows),
            "drawn": sum(map(len, attempts.values())),
            "label": dict(sorted(Counter(row["image_label"] for row in rows).items())),
            "label_of_category": {
                name: dict(sorted(counts.items())) for name, counts in sorted(by_category.items())
            },
            "tries": {
                str(number): count
                for number, count in sorted(Counter(row["image_tries"] for row in rows).items())
            },
            "rejects": self.rejected.counts,
            "painter": asdict(painter.statement),
            "judges": [item.as_json() for item in self._judges],
            "unsafe_by": {item.name: fired[item.name] for item in self._judges},
            "only_unsafe_images": self._settings.only_unsafe,
        }


def _unfit(
    subject: Subject, constructed: Constructed, painter: Painter, forbidden: frozenset[str]
) -> str | None:
    """Why no image is drawn of a subject, or None."""
    if may_show_minor(subject.caption) or may_show_minor(subject.safe_caption):
        return "mentions_minors"
    image: bytes | None = None
    if painter.needs_safe_image:
        try:
            image = constructed.safe_image(subject)
        except SafeImageError as error:
            return str(error)
    if image is not None and hashlib.sha256(image).hexdigest() in forbidden:
        return EXCLUDED
    return painter.refusal(subject, image)


def _listed(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items())
