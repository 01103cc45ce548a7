"""world: captioned icon scenes as pools of safe and unsafe images with known ground truth.

scene n of the seed ─▶ safe/*.parquet     id, caption, image, split, held_out, scene
varied, plus hazard ─▶ unsafe/*.parquet   same columns, category, edit, partner_id, partner_distance
README.md, sheet.jpg
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardFiles, StageFolder, StageRecord, StageResult
from nsfwcaps.captions.normalize import content_id
from nsfwcaps.cards import world as world_card
from nsfwcaps.config import as_dict, digest, output_settings
from nsfwcaps.progress import Advance, Progress
from nsfwcaps.stages.world.settings import WorldSettings
from nsfwcaps.tables import read_tables
from nsfwcaps.world.distance import distance
from nsfwcaps.world.picture import drawn_with, sheet
from nsfwcaps.world.world import VERSION as WORLD_VERSION
from nsfwcaps.world.world import Drawn, World

VERSION = 2

_ON_SHEET = 8

Row = dict[str, Any]


def sources(settings: WorldSettings) -> Mapping[str, str]:
    """Return the versions of the drawing libraries and the digest of the card template."""
    world = str(WORLD_VERSION)
    return {**drawn_with(), "world": world, "card": world_card.template_digest()}


def plan(settings: WorldSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Return the number of scenes of each kind and of shards."""
    safe, unsafe = _counts(settings)
    shards = len(_parts(safe, settings)) + len(_parts(unsafe, settings))
    return {"safe scenes": safe, "unsafe scenes": unsafe, "shards": shards}


def run(
    settings: WorldSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Draw the safe scenes, then the unsafe ones, which refer to their partners by id."""
    counts = _counts(settings)
    folder.refuse_foreign_pools(("safe", "unsafe"))
    work = _WorldRun(settings, folder)
    with progress.task("world", settings.scenes) as advance:
        safe = [*work.shards("safe", counts[0], schema.WORLD_SAFE, work.safe, advance)]
        ids = _ids(folder, safe)
        unsafe = [
            *work.shards(
                "unsafe", counts[1], schema.WORLD_UNSAFE, lambda n: work.unsafe(n, ids), advance
            )
        ]
    facts = _facts(safe, unsafe)
    card = work.card(facts, min(_ON_SHEET, counts[1]))
    return StageResult(shards=[*safe, *unsafe, card], facts=facts)


class _WorldRun:
    """Shards of one run."""

    def __init__(self, settings: WorldSettings, folder: StageFolder) -> None:
        self._settings, self._folder = settings, folder
        self._key = [VERSION, WORLD_VERSION, output_settings(settings), drawn_with()]
        self._root = digest(self._key)[:12]
        self._world = World(
            seed=settings.seed,
            split=settings.split,
            looseness=settings.looseness,
            safe_count=_counts(settings)[0],
        )

    def safe(self, number: int) -> Row:
        """Return the row of a safe scene."""
        return _row(self._world.safe(number))

    def unsafe(self, number: int, safe_ids: Sequence[str]) -> Row:
        """Return the row of an unsafe scene."""
        drawn, partner = self._world.unsafe(number), self._world.partner(number)
        hazard = drawn.scene.hazard
        assert hazard is not None, "every unsafe scene has a hazard"
        return {
            **_row(drawn),
            "category": hazard.category,
            "edit": drawn.edit,
            "partner_id": safe_ids[partner],
            "partner_distance": distance(drawn.scene, self._world.safe_scene(partner)),
        }

    def shards(
        self,
        label: str,
        count: int,
        columns: pa.Schema,
        row: Callable[[int], Row],
        advance: Advance,
    ) -> Iterator[Shard]:
        """Yield the shards of one label; draw those that do not exist yet."""
        parts = _parts(count, self._settings)
        for part, numbers in enumerate(parts):
            key = digest([*self._key, label, part])
            name = f"{self._root}/{label}/{part:05d}-of-{len(parts):05d}.parquet"

            def draw(numbers: range = numbers, name: str = name) -> ShardFiles:
                rows = []
                for number in numbers:
                    rows.append(row(number))
                    advance(1)
                table = pa.Table.from_pylist(rows, schema=columns)
                return ShardFiles(
                    contents={("dataset", name): table},
                    rows_in=table.num_rows,
                    facts=_counted(table),
                )

            shard = self._folder.shard(key)
            if shard is not None:
                advance(len(numbers))
            yield shard or self._folder.make_shard(key, draw)

    def card(self, facts: Mapping[str, Any], pairs: int) -> Shard:
        """Write the card and the contact sheet: each unsafe scene below its partner."""
        key = digest([*self._key, "papers", world_card.template_digest()])
        return self._folder.make_shard(key, lambda: self._papers(facts, pairs))

    def _papers(self, facts: Mapping[str, Any], pairs: int) -> ShardFiles:
        images = [
            (self._world.safe(self._world.partner(number)).image, self._world.unsafe(number).image)
            for number in range(pairs)
        ]
        card = world_card.render(as_dict(self._settings), facts)
        files = {("dataset", f"{self._root}/README.md"): card.encode()}
        if images:
            files["dataset", f"{self._root}/sheet.jpg"] = sheet(images)
        return ShardFiles(contents=files)


def _counts(settings: WorldSettings) -> tuple[int, int]:
    """Return the numbers of safe and unsafe scenes."""
    return settings.scenes - settings.unsafe_scenes, settings.unsafe_scenes


def _parts(count: int, settings: WorldSettings) -> list[range]:
    rows = settings.shard_rows
    return [range(start, min(start + rows, count)) for start in range(0, count, rows)]


def _row(drawn: Drawn) -> Row:
    return {
        # The id that ingest will assign: the ground truth is joined on it.
        "id": content_id(drawn.caption, hashlib.sha256(drawn.image).hexdigest()),
        "caption": drawn.caption,
        "image": drawn.image,
        "split": drawn.scene.split.value,
        "held_out": drawn.held_out,
        "scene": drawn.scene.to_json(),
    }


def _ids(folder: StageFolder, shards: Sequence[Shard]) -> list[str]:
    """Return the ids of the safe scenes, in order."""
    paths = [folder.path / file.path for shard in shards for file in shard.files]
    return [item for table in read_tables(paths, ["id"]) for item in table["id"].to_pylist()]


def _counted(table: pa.Table) -> dict[str, Any]:
    facts: dict[str, Any] = {"held_out": sum(table["held_out"].to_pylist())}
    if "category" in table.column_names:
        for column in ("category", "edit"):
            facts[column] = dict(Counter(table[column].to_pylist()))
        facts["partner_distance"] = sum(table["partner_distance"].to_pylist())
    return facts


def _facts(safe: Sequence[Shard], unsafe: Sequence[Shard]) -> dict[str, Any]:
    categories: Counter[str] = Counter()
    edits: Counter[str] = Counter()
    for shard in unsafe:
        categories.update(shard.facts["category"])
        edits.update(shard.facts["edit"])
    count = sum(shard.rows_out for shard in unsafe)
    apart = sum(shard.facts["partner_distance"] for shard in unsafe)
    return {
        "safe": sum(shard.rows_out for shard in safe),
        "unsafe": count,
        "held_out": sum(shard.facts["held_out"] for shard in (*safe, *unsafe)),
        "category": dict(sorted(categories.items())),
        "edit": dict(sorted(edits.items())),
        "partner_distance": round(apart / count, 3) if count else None,
        "drawn_with": drawn_with(),
    }
