"""publish: write pairs with their captions as a folder that other tools load directly.

graded pairs ─ partners, split (`partners`, `split`) ─ review, if configured (`verdicts`, `review`)
    ─ join captions by id (`write`) ─▶ data/<split>-*.parquet
safe pool ─ draw (`safe_items`) ─▶ safe/train-*.parquet
records of all stages ─ measured facts (`manifest`) ─▶ README.md, manifest.json, figures/stages.png
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.artifacts import Shard, ShardFiles, StageFolder, StageRecord, StageResult
from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.captions.overlap import overlap_of
from nsfwcaps.cards import dataset as dataset_card
from nsfwcaps.config import as_dict, digest
from nsfwcaps.progress import Progress
from nsfwcaps.stages.publish import safe_items
from nsfwcaps.stages.publish.changes import changes
from nsfwcaps.stages.publish.manifest import as_json, chain_of, manifest_of, shaping
from nsfwcaps.stages.publish.partners import Partners, find_partners
from nsfwcaps.stages.publish.quality import pair_quality
from nsfwcaps.stages.publish.settings import PublishSettings
from nsfwcaps.stages.publish.split import Splits, split_names, split_pairs
from nsfwcaps.stages.publish.write import COUNTED, SplitWriter

if TYPE_CHECKING:  # needs the extra `review`
    from nsfwcaps.review.export.read import Review
    from nsfwcaps.stages.publish.review import Joined

VERSION = 10
DATASET = "dataset"
"""Folder in the run that gets the data set."""


def sources(settings: PublishSettings) -> Mapping[str, str]:
    """Return digests of the card template and, if configured, of the review."""
    found = {"card": dataset_card.template_digest()}
    if settings.verdicts is not None:
        from nsfwcaps.stages.publish import verdicts

        found["verdicts"] = verdicts.source_digest(settings.verdicts)
    return found


def plan(settings: PublishSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Return the number of pairs, and the minimum number of files."""
    pairs = inputs["grade"].rows("pairs")
    with_images = settings.carry_images and inputs["ingest"].rows("images") > 0
    kind = "pairs published, with images" if with_images else "pairs published"
    return {
        "pairs": pairs,
        "files": max(1, -(-pairs // settings.shard_rows)),
        "work": {kind: pairs},
    }


def run(
    settings: PublishSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Split the pairs, join the captions, write the shards, then the card and the manifest.

    Raises:
        InputError: ingest did not keep a column to group by.
        ReviewError: the review excludes every pair, or does not continue from the one that the
            data set being replaced was published from.
    """
    reviewed = _review(settings, folder)
    partners = find_partners(inputs["ingest"], inputs["embed"], inputs["grade"])
    splits = split_pairs(settings, folder, inputs, partners.ids, progress)
    joined = _joined(reviewed, settings, inputs, splits)
    chain = chain_of(inputs)
    of_review = [] if joined is None else [joined.digest]
    hashes = [] if splits.hashes is None else [splits.hashes.digest]
    template = dataset_card.template_digest()
    release = digest([VERSION, shaping(settings), template, chain, *of_review, *hashes])
    has_partners = partners.ids.null_count < len(partners.ids)
    writer = SplitWriter(
        settings, folder, inputs, splits, joined, release, with_partners=has_partners
    )
    with progress.task("publish: write", int(writer.kept.sum())) as advance:
        names = split_names(splits.of_pair[writer.kept])
        shards = [shard for name in names for shard in writer.split(name, advance)]
    changed = changes(folder, folder.path.parent / DATASET, shards)
    facts = {**_facts(splits, shards), "partners": _partner_counts(partners, splits, writer.kept)}
    facts["overlap"] = _overlap(folder, shards)
    facts["quality"] = pair_quality(folder, shards, inputs)
    if joined is not None:
        facts["review"] = joined.facts
    if writer.pictures is not None and settings.safe_items:
        texts = _fixed_texts(joined)
        items = safe_items.choose(settings, folder, inputs, splits, texts, progress)
        shards += safe_items.write(folder, inputs["ingest"], items, release)
        facts["safe_items"] = items.facts
    manifest = manifest_of(settings, chain, facts, shards)
    readme = dataset_card.render(as_dict(settings), manifest, writer.columns)
    shards.append(_write_card_and_manifest(folder, inputs["grade"], release, manifest, readme))
    if joined is not None and joined.left_out:
        from nsfwcaps.stages.publish import review

        shards.append(review.rejects(folder, release, joined))
    # Neither in the card nor in the manifest: these do not depend on what was there before.
    replaced = {} if changed is None else {"changes": changed}
    return StageResult(shards=shards, facts={**facts, **replaced})


def _facts(splits: Splits, shards: Sequence[Shard]) -> dict[str, Any]:
    counted: dict[str, Counter[str]] = {
        name: Counter() for name in COUNTED if any(name in shard.facts for shard in shards)
    }
    lost: Counter[str] = Counter()
    for shard in shards:
        lost.update(shard.facts["images_lost"])
        for name, counter in counted.items():
            counter.update(shard.facts[name])
    return {
        "pairs": sum(shard.rows_out for shard in shards),
        **{name: dict(counter) for name, counter in counted.items()},
        "images_lost": dict(sorted(lost.items())),
        **splits.facts,
    }


def _partner_counts(
    partners: Partners, splits: Splits, kept: npt.NDArray[np.bool_]
) -> dict[str, int]:
    """Count pairs with a partner, and pairs whose partner is missing, by reason."""
    there, found = (np.asarray(ids.is_valid())[kept] for ids in (splits.partner_ids, partners.ids))
    return {
        "kept": int(there.sum()),
        "in_another_split": int((found & ~there).sum()),
        "not_found": int(partners.missing[kept].sum()),
    }


def _review(settings: PublishSettings, folder: StageFolder) -> Review | None:
    """Read the configured review; None without one."""
    if settings.verdicts is None:
        return None
    from nsfwcaps.stages.publish import verdicts

    replaced = verdicts.replaced_head(folder, folder.path.parent / DATASET)
    return verdicts.read_review(settings.verdicts, replaced, may_be_other=settings.other_review)


def _joined(
    found: Review | None,
    settings: PublishSettings,
    inputs: Mapping[str, StageRecord],
    splits: Splits,
) -> Joined | None:
    """Join a review; None without one."""
    if found is None:
        return None
    from nsfwcaps.stages.publish import review

    return review.join(found, settings, inputs, splits)


def _overlap(folder: StageFolder, shards: Sequence[Shard]) -> dict[str, int]:
    """Measure on the written pairs what held-out ones share with training pairs."""
    found = overlap_of([folder.path / file.path for shard in shards for file in shard.files])
    assert found is not None, "published pairs have a split"
    return found.as_dict()


def _fixed_texts(joined: Joined | None) -> list[str]:
    """Return the text halves of the ids of all captions that a review fixed."""
    marks = [] if joined is None else joined.marks.values()
    fixed = [mark.fixed for mark in marks if mark.fixed is not None]
    return [name[:TEXT_DIGITS] for pair in fixed for name in (pair.unsafe_id, pair.safe_id)]


def _write_card_and_manifest(
    folder: StageFolder,
    grade: StageRecord,
    release: str,
    manifest: Mapping[str, Any],
    readme: str,
) -> Shard:
    """Write the card, the manifest, and the figure if grade drew one."""
    root = release[:12]
    return folder.make_shard(
        digest([release, "papers"]),
        lambda: ShardFiles(
            contents={
                ("dataset", f"{root}/README.md"): readme.encode(),
                ("dataset", f"{root}/manifest.json"): as_json(manifest),
                **{
                    ("dataset", f"{root}/figures/{path.name}"): path.read_bytes()
                    for path in grade.paths("figures")
                },
            }
        ),
    )
