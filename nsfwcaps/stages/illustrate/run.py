"""illustrate: draw an image for each unsafe caption written by construct, and label it.

    construct: safe, unsafe ─ join by partner_id (`read`) ─▶ subjects
    subjects ─ those the painter cannot draw ─▶ rejects-*
             ─ draw, judge, redraw with another seed (`draw`) ─▶ pictures/, scores/
             ─ the first unsafe picture, or the closest to unsafe (`write`)
                 ─▶ illustrated/*.parquet, illustrated.md

An image need not show what its caption describes. The caption is unsafe by construction;
`image_label` is the verdict of the judges on the image only. A pair with an unsafe caption and a
safe image is kept and counted, unless `only_unsafe` rejects it.
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
    """Check before construct edits any caption that images can be drawn.

    Raises:
        ConfigError: unknown painter or detector, or the painter is incompatible with construct.
        InputError: a list of image hashes is invalid, or the painter can draw nothing of the pool.
        ModelError: a pipeline, a package or a detector file is missing.
    """
    settings: IllustrateSettings = recipe["illustrate"]
    painters.check(settings.painter)
    painters.check_package(str(settings.painter))
    for name in settings.image_detector:
        registry.check(name, Modality.IMAGE, option=_DETECTORS)
    image_hashes(settings.image_hashes)
    if "construct" in recipe:
        # A world drawn in the same run cannot be read yet.
        reading = reading and "world" not in recipe
        check_fits(str(settings.painter), recipe["construct"], reading=reading)


def sources(settings: IllustrateSettings) -> Mapping[str, str]:
    """Return digests of the painter, the image exclusion lists and the card template."""
    painters.check(settings.painter)
    image_hashes(settings.image_hashes)
    lists = {f"image_hashes:{path}": sha256_file(Path(path)) for path in settings.image_hashes}
    return {
        **lists,
        "painter": painters.source_digest(str(settings.painter)),
        "card": illustrate_card.template_digest(),
    }


def plan(settings: IllustrateSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Return the number of images to make, and the maximum to draw for them."""
    painters.check(settings.painter)
    pairs = inputs["construct"].facts["pairs"]
    return {"images": pairs, "drawn at most": pairs * settings.image_tries}


def run(
    settings: IllustrateSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Reject captions that cannot be drawn, draw and judge the rest, and write the pool.

    Raises:
        InputError: no caption got an image.
    """
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
            f"({_listed(work.rejected.counts)}); use another --painter"
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
    """One run: its rejects, the images chosen, and the facts for the cards."""

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
        """Return the subjects that can be drawn; reject the others."""
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
        """Return the rows of the pool, without image bytes, sorted by their new id."""
        found = []
        for row in rows:
            made = attempts.get(row["id"])
            if made is None:
                continue  # already rejected
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
        """Return the facts that the cards report."""
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
    """Return why no image can be drawn for a subject, or None."""
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
