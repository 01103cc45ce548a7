"""Export of the pairs of a data set in the format of a trainer: what each format takes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.delivery.exported import delivered, write_record
from nsfwcaps.enums import Split
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.exports.formats import DataFormat, ItemKind, Negatives
from nsfwcaps.exports.pair_files import PairFiles
from nsfwcaps.exports.request import ExportRequest, ExportTally
from nsfwcaps.progress import Progress
from nsfwcaps.version import __version__


@dataclass(frozen=True, kw_only=True)
class FormatRules:
    """The writer of a format, and which choices it has."""

    module: str
    negatives: bool = False
    items: bool = False
    columns: bool = False
    shards: bool = False
    split: Split = Split.TRAIN
    """The default."""


RULES: Mapping[DataFormat, FormatRules] = {
    DataFormat.SENTENCE_TRANSFORMERS: FormatRules(module="sentence_transformers", negatives=True),
    DataFormat.TEVATRON: FormatRules(module="tevatron", negatives=True),
    DataFormat.FLAG_EMBEDDING: FormatRules(module="flag_embedding", negatives=True),
    DataFormat.OPEN_CLIP_CSV: FormatRules(module="open_clip_csv", items=True),
    DataFormat.OPEN_CLIP_WEBDATASET: FormatRules(
        module="open_clip_webdataset", items=True, columns=True, shards=True
    ),
    DataFormat.IMAGE_FOLDER: FormatRules(module="image_folder", columns=True),
    DataFormat.CLIP_BENCHMARK: FormatRules(
        module="clip_benchmark", items=True, shards=True, split=Split.TEST
    ),
    DataFormat.IMG2DATASET: FormatRules(module="img2dataset", items=True, columns=True),
}

_DEFAULT_COLUMNS = ("pair_id", "category", "stage")
_SHARD_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Options as given; None where there is none."""

    splits: Sequence[Split] | None = None
    negatives: Negatives | None = None
    count: int | None = None
    items: Sequence[ItemKind] | None = None
    columns: Sequence[str] | None = None
    shard_rows: int | None = None


def request_of(to: DataFormat, pairs: PairFiles, given: Choices, out: Path) -> ExportRequest:
    """Return the request that options make, with the defaults of the format.

    Raises:
        ConfigError: an option is not for this format, or contradicts another.
        InputError: the data set has no such split or column.
    """
    refuse(to, given)
    rules = RULES[to]
    splits = _splits(pairs, given.splits or [rules.split])
    return ExportRequest(
        pairs=pairs,
        splits=splits,
        negatives=_negatives(rules, pairs, given, splits),
        count=given.count or 1,
        items=list(dict.fromkeys(given.items or [ItemKind.REDIRECT])),
        columns=_columns(pairs, given.columns) if rules.columns else [],
        shard_rows=given.shard_rows or _SHARD_ROWS,
        out=out.absolute(),
    )


def write(
    to: DataFormat, request: ExportRequest, progress: Progress, notes: list[str]
) -> dict[str, Any]:
    """Write an export; return the counts.

    `notes` gets a line for each edited file of an earlier export that was kept.

    Raises:
        ArtifactError: a file of the data set is damaged.
        InputError: nothing is left to export, or the pairs are not in order.
        StorageError: the folder contains other files.
    """
    writer = importlib.import_module(f"nsfwcaps.exports.{RULES[to].module}")
    written: Callable[[ExportRequest, Path, ExportTally], dict[str, Any]] = writer.write
    total = request.pairs.count(request.splits)
    with (
        delivered(request.out, notes) as folder,
        progress.task("export", total, unit="pairs") as advance,
    ):
        tally = ExportTally(advance=advance, written={split.value: 0 for split in request.splits})
        own = written(request, folder, tally)
        for split, count in tally.written.items():
            if not count:
                raise InputError(_nothing_left(request, split, tally.left_out))
        facts = {
            "format": to.value,
            "written": tally.written,
            "left_out": dict(sorted(tally.left_out.items())),
            **({"converted": tally.converted} if tally.converted else {}),
            **({"negatives": request.negatives.value} if RULES[to].negatives else {}),
            **({"items": [kind.value for kind in request.items]} if RULES[to].items else {}),
            **own,
            "nsfwcaps": __version__,
        }
        write_record(folder, facts)
    return facts


def refuse(to: DataFormat, given: Choices) -> None:
    """Refuse options that a format has no use for.

    Raises:
        ConfigError: there is one.
    """
    rules = RULES.get(to)
    asked = {
        "--split": (given.splits, rules is not None),
        "--negatives": (given.negatives, rules is not None and rules.negatives),
        "--negative-count": (given.count, rules is not None and rules.negatives),
        "--items": (given.items, rules is not None and rules.items),
        "--columns": (given.columns, rules is not None and rules.columns),
        "--shard-rows": (given.shard_rows, rules is not None and rules.shards),
    }
    for name, (value, known) in asked.items():
        if value and not known:
            raise ConfigError(f"{name}: {to} has no such choice; leave it out")


def _splits(pairs: PairFiles, wanted: Sequence[Split]) -> list[Split]:
    for split in wanted:
        if split not in pairs.by_split or not pairs.count([split]):
            others = [name for name in pairs.by_split if pairs.count([name])]
            raise InputError(
                f"{pairs.folder} has no pairs in the split {split}; choose with --split: "
                f"{', '.join(others) or 'it has no pairs at all'}"
            )
    return [split for split in Split if split in wanted]


def _negatives(
    rules: FormatRules, pairs: PairFiles, given: Choices, splits: Sequence[Split]
) -> Negatives:
    if not rules.negatives:
        return Negatives.NONE
    chosen = given.negatives or _most(pairs, splits)
    if given.count is not None and chosen is not Negatives.CANDIDATES and given.count != 1:
        raise ConfigError(
            f"--negative-count {given.count}: only --negatives candidates can be more than one"
        )
    if chosen is Negatives.CANDIDATES and "rank" not in pairs.types:
        raise InputError(
            f"{pairs.folder} has no column rank, so its candidates cannot be found; add "
            "--negatives unsafe or --negatives none"
        )
    return chosen


def _most(pairs: PairFiles, splits: Sequence[Split]) -> Negatives:
    """Return candidates if an unsafe caption has several counterparts, else none."""
    several = any(pairs.has_later_ranks(split) for split in splits)
    return Negatives.CANDIDATES if several else Negatives.NONE


def _columns(pairs: PairFiles, wanted: Sequence[str] | None) -> list[str]:
    if wanted is None:
        return [name for name in _DEFAULT_COLUMNS if name in pairs.types]
    plain = [name for name in pairs.types if not name.endswith("_image")]
    for name in wanted:
        if name not in plain:
            raise InputError(
                f"--columns {name}: {pairs.folder} has no such column; it has {', '.join(plain)}"
            )
    return list(dict.fromkeys(wanted))


def _nothing_left(request: ExportRequest, split: str, left_out: Mapping[str, int]) -> str:
    start = f"{request.pairs.folder}: nothing of the split {split} can be exported"
    reasons = ", ".join(f"{count:,} {why}" for why, count in sorted(left_out.items()))
    if left_out.keys() & {"no_negative", "too_few_negatives"}:
        k = request.count + 1
        fix = f"mine with --k {k}, or add --negatives unsafe or --negatives none"
    elif "no_address" in left_out:
        fix = "img2dataset needs image addresses (http) in the pools"
    else:
        fix = "use pools with images, and publish with --carry-images"
    return f"{start} ({reasons}); {fix}"
