"""construct: write unsafe counterparts of the captions of a safe pool, as two pools.

    pool ─ read ─ check ─ requests ─ edit, check (`edit`) ─ select ─▶ safe/*.parquet
                                                                     unsafe/*.parquet
                                                                     README.md

`safe` holds the id, the caption and its image, if any. `unsafe` holds the edited caption with its
category, the id of its partner, the element, the editor and the alignment. The stage `illustrate`
draws images for the unsafe side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardFiles, ShardTables, StageFolder, StageRecord, StageResult
from nsfwcaps.captions import sources as pool_sources
from nsfwcaps.captions.benchmarks import fold_keys, read_benchmark
from nsfwcaps.captions.opening import shown
from nsfwcaps.cards import construct as construct_card
from nsfwcaps.config import as_dict, digest, output_settings
from nsfwcaps.construction import plausibility, quotas, selection
from nsfwcaps.construction.checks import EXCLUDED, Limits, check_safe
from nsfwcaps.construction.editors import load as editors
from nsfwcaps.construction.editors.editor import Editor, EditRequest
from nsfwcaps.construction.editors.openai import Manners
from nsfwcaps.construction.exclusion import excluded_request, image_hashes
from nsfwcaps.construction.selection import Candidate, FilledQuota
from nsfwcaps.detectors.detector import Detector, Modality
from nsfwcaps.detectors.registry import load_all
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Category, Device
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.models import create
from nsfwcaps.progress import Progress
from nsfwcaps.stages.construct.block import Benchmark
from nsfwcaps.stages.construct.edit import EditChecker, EditRejects, embed_benchmark
from nsfwcaps.stages.construct.read import (
    SafeItem,
    SafePool,
    carried_images,
    pool_files,
    read_pool_captions,
)
from nsfwcaps.stages.construct.settings import ConstructSettings
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.index import BlockSearch, Rows
from nsfwcaps.vectors.near_duplicates import near_duplicates
from nsfwcaps.vectors.nearest import HeldTable
from nsfwcaps.vectors.store import VectorTable

VERSION = 4

_TRIES_RULES = 40
_TRIES_MODEL = 3
_LEAST_RULES = 2000
"""Minimum number of edits to request from the rules: few pass, and they are free."""
_BLOCK_RULES = 1024
_BLOCK_MODEL = 64
_NEAR_ROWS = 4096
_BLOCK_ROWS = 16_384

Row = dict[str, Any]


def sources(settings: ConstructSettings) -> Mapping[str, str]:
    """Return digests of the pool, the comparison files, editor, encoder and card template."""
    _check(settings)
    files = {
        f"{name}:{shown(url)}": pool_sources.content_digest(url)
        for name, urls in (
            ("pool", pool_files(settings.pool)),
            ("exclude", pool_files(settings.exclude)),
            ("image_hashes", settings.image_hashes),
        )
        for url in urls
    }
    raised = _edits(settings) > _tries(settings) * settings.n
    return {
        **files,
        **({"least edits": str(_LEAST_RULES)} if raised else {}),
        "editor": editors.source_digest(settings.editor, settings.seed),
        "aligner": create.source_digest(settings.aligner),
        "plausibility": plausibility.digest_of(settings.plausibility),
        "card": construct_card.template_digest(),
    }


def plan(settings: ConstructSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Return the files and bytes to read, and the maximum number of edits to request."""
    _check(settings)
    sizes = [pool_sources.size_bytes(url) for url in pool_files(settings.pool)]
    return {
        "pool_files": len(sizes),
        "input_bytes": sum(sizes),
        "edits at most": _edits(settings),
    }


def run(
    settings: ConstructSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Read the pool, edit it block by block, and select the pairs.

    Raises:
        InputError: no edit passed the checks.
    """
    folder.refuse_foreign_pools(("safe", "unsafe"))
    share = quotas.shares(settings.category, settings.share)
    with progress.task("construct: read", None) as advance:
        pool = read_pool_captions(settings, advance)
    checker = _edit_checker(settings, folder, progress)
    requests, screened = _requests(pool, share, checker, settings)
    size = _BLOCK_RULES if settings.editor in editors.EMBEDDED else _BLOCK_MODEL
    with progress.task("construct: edit", len(requests), unit="edits") as advance:
        blocks = [
            checker.block(requests[start : start + size], advance)
            for start in range(0, len(requests), size)
        ]
    edits = _Edits(blocks, folder)
    quota = quotas.quotas(settings.n, share)
    with progress.task("construct: select", len(edits.candidates)) as advance:
        near = _near(edits, settings, advance)
    chosen, filled = selection.select(
        edits.candidates, quota, near, element_share=settings.element_share, seed=settings.seed
    )
    if not chosen:
        raise InputError(_none_passed(blocks, len(requests), screened))
    rows = [edits.rows[at] for at in chosen]
    facts = _facts(pool, screened, requests, blocks, rows, filled, checker, len(edits.candidates))
    return StageResult(
        shards=[
            _deliver(settings, folder, pool, rows, checker.editor, facts),
            _set_aside(folder, pool, screened),
            *(block.only_rejects() for block in blocks),
        ],
        facts=facts,
    )


def _check(settings: ConstructSettings) -> None:
    """Validate the settings before any input is read.

    Raises:
        ConfigError: no pool, or editor, categories and shares are incompatible.
        InputError: a list of image hashes is invalid.
    """
    if not settings.pool:
        raise ConfigError("construct: no pool; add --pool FILE")
    editors.check(settings.editor, settings.category)
    plausibility.check(settings.plausibility)
    quotas.shares(settings.category, settings.share)
    image_hashes(settings.image_hashes)


def _tries(settings: ConstructSettings) -> int:
    if settings.tries is not None:
        return settings.tries
    return _TRIES_RULES if settings.editor in editors.EMBEDDED else _TRIES_MODEL


def _edits(settings: ConstructSettings) -> int:
    """Return the maximum number of edits; a value of tries set by the user is used exactly."""
    least = _LEAST_RULES if settings.editor in editors.EMBEDDED and settings.tries is None else 0
    return max(_tries(settings) * settings.n, least)


def _edit_checker(
    settings: ConstructSettings, folder: StageFolder, progress: Progress
) -> EditChecker:
    encoder = create.load(settings.aligner, EncoderOptions.of(settings))
    editor = editors.load(
        settings.editor,
        seed=settings.seed,
        device=settings.device,
        folder=folder.path,
        manners=Manners(
            workers=settings.parallel,
            requests_per_minute=settings.requests_per_minute,
            timeout_s=settings.timeout,
            attempts=settings.attempts,
        ),
    )

    def detectors(names: Sequence[str], option: str) -> list[Detector[str]]:
        return load_all(names, Modality.TEXT, settings.device, option=option) if names else []

    captions = sorted(
        {item for url in pool_files(settings.exclude) for item in read_benchmark(url)}
    )
    with progress.task("construct: exclude", len(captions)) as advance:
        vectors = embed_benchmark(captions, encoder, folder, advance)
    return EditChecker(
        editor=editor,
        encoder=encoder,
        detectors=detectors(settings.detector, "--detector"),
        edit_detectors=detectors(settings.edit_detector, "--edit-detector"),
        benchmark=Benchmark(keys=fold_keys(captions), vectors=vectors, digest=digest(captions)),
        limits=Limits(
            max_words=settings.max_words,
            max_added=settings.max_added,
            max_removed=0 if editor.statement.only_inserts else settings.max_removed,
        ),
        ranking=plausibility.load(settings.plausibility, settings.device),
        min_plausibility=settings.min_plausibility,
        min_alignment=settings.min_alignment,
        near_duplicate=settings.near_duplicate,
        folder=folder,
    )


def _requests(
    pool: SafePool,
    share: Mapping[Category, float],
    checker: EditChecker,
    settings: ConstructSettings,
) -> tuple[list[EditRequest], EditRejects]:
    """Return the requests, in order, and the safe captions rejected before editing."""
    usable: list[SafeItem] = []
    rejected: list[Row] = []
    excluded = pool.excluded_images
    for item in pool.items:
        reason = check_safe(item.caption, checker.limits, checker.benchmark.keys)
        if reason is None:
            usable.append(item)
        elif reason == EXCLUDED:
            excluded += 1
        else:
            rejected.append({"id": item.id, "category": None, "reason": reason, "caption": None})
    order = quotas.asked([item.id for item in usable], share, _edits(settings), settings.seed)
    asked = [EditRequest(usable[at].id, usable[at].caption, category) for at, category in order]
    requests = [item for item in asked if not excluded_request(item.caption, item.category)]
    excluded += len(asked) - len(requests)
    return requests, EditRejects(rows=rejected, excluded=excluded)


class _Edits:
    """Candidates of all blocks `[n]`, and the files of their vectors."""

    def __init__(self, blocks: Sequence[Shard], folder: StageFolder) -> None:
        def paths(group: str) -> list[Any]:
            files = [file for block in blocks for file in block.files if file.group == group]
            return [folder.path / file.path for file in files]

        self.paths = {group: paths(group) for group in ("candidates", "partners")}
        names = [name for name in schema.candidate_edits(1).names if name != "vector"]
        self.rows: list[Row] = [
            row for table in read_tables(paths("candidates"), names) for row in table.to_pylist()
        ]
        self.candidates = [
            Candidate(
                id=row["id"],
                safe_id=row["safe_id"],
                category=Category(row["category"]),
                element=row["element"],
                template=row["template"],
                alignment=row["alignment"],
            )
            for row in self.rows
        ]


def _near(edits: _Edits, settings: ConstructSettings, advance: Any) -> tuple[Rows, Rows]:
    """Return edges between candidates whose safe or unsafe captions are near-duplicates."""
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    search = BlockSearch(Device.CPU)
    for group, paths in edits.paths.items():
        table = VectorTable(paths)
        pool = HeldTable(table, search, block_rows=_BLOCK_ROWS)
        for start in range(0, table.rows, _NEAR_ROWS):
            stop = min(start + _NEAR_ROWS, table.rows)
            found = near_duplicates(pool, start, stop, settings.near_duplicate)
            left.append(found[0])
            right.append(found[1])
            if group == "partners":
                advance(stop - start)
    return np.concatenate(left), np.concatenate(right)


def _none_passed(blocks: Sequence[Shard], requests: int, screened: EditRejects) -> str:
    counts = Counter(screened.counts)
    for block in blocks:
        counts.update(block.rejects)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    return (
        f"construct: none of {requests} edits passed the checks ({reasons}); "
        "use another --pool or --editor, or lower --min-alignment"
    )


def _deliver(
    settings: ConstructSettings,
    folder: StageFolder,
    pool: SafePool,
    rows: Sequence[Row],
    editor: Editor,
    facts: Mapping[str, Any],
) -> Shard:
    """Write the two pools, each sorted by id, and the card."""
    root = digest([VERSION, output_settings(settings), facts, [row["id"] for row in rows]])[:12]

    def files() -> ShardFiles:
        by_id = {item.id: item for item in pool.items}
        safe = [by_id[item] for item in sorted({row["safe_id"] for row in rows})]
        unsafe = [
            {**row, "partner_id": row["safe_id"], "editor": editor.statement.name}
            for row in sorted(rows, key=lambda row: str(row["id"]))
        ]
        tables = {
            "safe": _safe_table(safe, settings, pool),
            "unsafe": pa.Table.from_pylist(unsafe, schema=schema.CONSTRUCTED_UNSAFE),
        }
        contents: dict[tuple[str, str], pa.Table | bytes] = {}
        for label, table in tables.items():
            parts = range(0, table.num_rows, settings.shard_rows)
            for number, start in enumerate(parts):
                name = f"{root}/{label}/{number:05d}-of-{len(parts):05d}.parquet"
                contents["dataset", name] = table.slice(start, settings.shard_rows)
        card = construct_card.render(as_dict(settings), facts)
        contents["dataset", f"{root}/README.md"] = card.encode()
        return ShardFiles(contents=contents, rows_in=len(rows))

    return folder.make_shard(digest([root, construct_card.template_digest()]), files)


def _safe_table(items: Sequence[SafeItem], settings: ConstructSettings, pool: SafePool) -> pa.Table:
    """Return the safe captions, with the optional columns that the pool has."""
    images: Mapping[str, bytes] = {}
    if pool.has_images:
        images = carried_images(settings, {item.id for item in items})
    rows = [{**asdict(item), "image": images.get(item.id)} for item in items]
    table = pa.Table.from_pylist(rows, schema=schema.CONSTRUCTED_SAFE)
    optional = ("image_path", "image", "image_coco_url")
    return table.drop_columns(
        [name for name in optional if table[name].null_count == table.num_rows]
    )


def _set_aside(folder: StageFolder, pool: SafePool, screened: EditRejects) -> Shard:
    """Write the unreadable rows of the pool and the captions rejected before editing."""
    rejects = Counter(pool.rejects) + Counter(screened.counts)

    def made() -> ShardTables:
        tables = screened.tables("safe")
        if pool.rejected:
            tables["rejects", "rejects-pool"] = pa.Table.from_pylist(
                [
                    {
                        "source": source,
                        "source_row": row,
                        "reason": item.reason,
                        "label": item.label,
                        "caption": item.raw,
                    }
                    for source, row, item in pool.rejected
                ],
                schema=schema.INGEST_REJECTS,
            )
        return ShardTables(tables=tables, rows_in=0, rejects=dict(sorted(rejects.items())))

    content = [[*pool.rejects.items()], [row["id"] for row in screened.rows], screened.counts]
    return folder.make_shard(digest([VERSION, "set aside", content, pool.rows]), made)


def _facts(
    pool: SafePool,
    screened: EditRejects,
    requests: Sequence[EditRequest],
    blocks: Sequence[Shard],
    rows: Sequence[Row],
    filled: Mapping[Category, FilledQuota],
    checker: EditChecker,
    candidates: int,
) -> dict[str, Any]:
    rejects, alternatives = Counter[str](), Counter[str]()
    for block in blocks:
        rejects.update(block.rejects)
        alternatives.update(block.facts["alternatives"])
    sims = np.array([row["alignment"] for row in rows], dtype=np.float64)
    elements = Counter(selection.element_key(row["element"]) for row in rows)
    return {
        "pairs": len(rows),
        "steps": {
            "rows": pool.rows,
            "captions": len(pool.items),
            "usable": len(pool.items) - len(screened.rows) - _excluded_captions(pool, screened),
            "requests": len(requests),
            "proposals": sum(block.facts["answered"] for block in blocks),
            "ranked": sum(block.facts["ranked"] for block in blocks),
            "candidates": candidates,
            "pairs": len(rows),
        },
        "copies_folded": pool.copies,
        "rejects": {
            "pool": pool.rejects,
            "safe": screened.counts,
            "edits": dict(sorted(rejects.items())),
            "alternatives": dict(sorted(alternatives.items())),
        },
        "alignment": {
            "mean": round(float(sims.mean()), 4),
            **{
                name: round(float(np.quantile(sims, at)), 4)
                for name, at in (("min", 0), ("p10", 0.1), ("p50", 0.5), ("p90", 0.9), ("max", 1))
            },
        },
        "category": {
            category.value: {**asdict(item), "missing": item.missing}
            for category, item in filled.items()
        },
        "elements": {"distinct": len(elements), "most": max(elements.values())},
        "template": dict(sorted(Counter(row["template"] or "free" for row in rows).items())),
        "editor": {**asdict(checker.editor.statement), "models": list(checker.editor.models)},
        "aligner": {
            "name": checker.encoder.identity.name,
            "digest": checker.encoder.identity.digest,
        },
        "plausibility": checker.ranking.statement,
        "detectors": [detector.statement.as_json() for detector in checker.detectors],
        "edit_detectors": [detector.statement.as_json() for detector in checker.edit_detectors],
        "benchmark_captions": len(checker.benchmark.keys),
    }


def _excluded_captions(pool: SafePool, screened: EditRejects) -> int:
    return screened.excluded - pool.excluded_images
