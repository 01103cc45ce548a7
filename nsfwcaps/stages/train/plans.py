"""train, plans: the pairs that train, the steps, and the work before the first of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.config import digest
from nsfwcaps.enums import AdapterInputs, Split, Targets
from nsfwcaps.stage import PlannedPart
from nsfwcaps.stages.pace import kind_of_work
from nsfwcaps.stages.train.dataset import data_files, read_pairs, safe_files
from nsfwcaps.stages.train.settings import TrainSettings

if TYPE_CHECKING:  # `--help` needs no torch
    from nsfwcaps.training.options import TrainingOptions

REFERENCE, SUBSPACE, STEPS = "reference", "subspace", "steps"
"""What a run does, in order."""
_KEPT_AS = {REFERENCE: "captions", SUBSPACE: SUBSPACE}


def planned(settings: TrainSettings) -> Mapping[str, Any]:
    """Return the sizes of a run, and its work by part.

    Raises:
        InputError: no pairs train.
    """
    from nsfwcaps.stages.train.options import options_of
    from nsfwcaps.stages.train.safe_items import draw
    from nsfwcaps.training.curriculum import Sampler

    options, files = options_of(settings), data_files(Path(settings.data))
    pairs = pa.concat_tables([read_pairs(path) for path in files])
    train = training(pairs, options.method.targets)
    pool = draw(files, safe_files(Path(settings.data)), options)
    sampler = Sampler(
        train["stage"].to_pylist(),
        schedule=options.schedule,
        batch_size=options.batch_size,
        seed=settings.seed,
    )
    items = _reference_items(files, settings, pool)
    parts = {REFERENCE: sum(map(len, items.values()))}
    made_from = {}
    if options.method.adapter_inputs is AdapterInputs.CONTRAST:
        parts[SUBSPACE] = _subspace_items(train, settings)
        made_from[SUBSPACE] = subspace_of(settings, options, train, pool)
    parts[STEPS] = sum(map(sampler.pairs, range(1, settings.epochs + 1)))
    before = {f"{name} items": count for name, count in parts.items() if name != STEPS}
    return {
        "pairs": pairs.num_rows,
        "pairs that train": train.num_rows,
        **before,
        "steps": sampler.total_steps(settings.epochs),
        "epochs": settings.epochs,
        "pairs per step": settings.batch_size,
        "parts": {
            name: PlannedPart(
                work={kind(settings, name): count},
                kept_as=_KEPT_AS.get(name),
                left=partial(_reference_left, settings, items) if name == REFERENCE else None,
                made_from=made_from.get(name),
            )
            for name, count in parts.items()
        },
    }


def training(pairs: pa.Table, targets: Targets) -> pa.Table:
    """Return the pairs of the train split with pictures; with fixed targets, with partners."""
    sides = ("unsafe", "safe", *(["partner"] if targets is Targets.FIXED else []))
    wanted = pc.equal(pairs["split"], Split.TRAIN.value)
    for side in sides:
        wanted = pc.and_(wanted, pc.is_valid(pairs[f"{side}_image_sha256"]))
    return pairs.filter(wanted)


def training_of(files: Sequence[Path], options: TrainingOptions) -> pa.Table:
    """Return the same of the files of a data set."""
    return training(pa.concat_tables(map(read_pairs, files)), options.method.targets)


def subspace_of(
    settings: TrainSettings, options: TrainingOptions, train: pa.Table, pool: pa.Table | None
) -> str:
    """Return a digest of what fixed inputs of adapters are made from: model, items and options.

    `train` has the pairs that train, `pool` the safe items that were drawn.
    """
    from nsfwcaps.training.contrast import ITEMS

    how = options.adaptation
    columns = [name for name in train.column_names if name.endswith(("_id", "_image_sha256"))]
    return digest(
        [
            *(settings.model, options.precision.value, how.rank, options.ridge),
            [how.image_targets if how.image else None, how.text_targets if how.text else None],
            [train[name].to_pylist() for name in sorted(columns)],
            [] if pool is None else pool["safe_id"].to_pylist()[:ITEMS],
        ]
    )


def kind(settings: TrainSettings, part: str) -> str:
    """Return the kind of work of a part: how fast it is depends on this."""
    towers = "+".join(settings.towers)
    what = f"train {part}"
    if part == STEPS:
        how = "full" if settings.full else f"rank {settings.rank}"
        layers = digest([settings.image_layers, settings.text_layers])[:8]
        batch = f"batch {settings.batch_size} in {settings.accumulate}"
        method = digest([settings.targets, settings.adapter_inputs, settings.weight])[:8]
        named = f"{settings.method.value} {method}"
        what = f"{what}, {named}, {towers}, {how}, layers {layers}, {batch}"
        what += ", compiled" if settings.compile else ""
    return kind_of_work(what, settings.model, settings.device, settings.precision)


class Clock:
    """Measures the parts of a run."""

    def __init__(self, settings: TrainSettings) -> None:
        self._settings = settings
        self._found: dict[str, tuple[float, float]] = {}

    @contextmanager
    def timed(self, part: str) -> Iterator[list[int]]:
        """Measure a block; it appends to the list how many items or pairs it has done."""
        done: list[int] = []
        began = time.monotonic()
        yield done
        if sum(done):
            self._found[kind(self._settings, part)] = sum(done), time.monotonic() - began

    def rates(self) -> dict[str, tuple[float, float]]:
        """Return amount and seconds of each part."""
        return self._found


def _reference_items(
    files: Sequence[Path], settings: TrainSettings, pool: pa.Table | None
) -> Mapping[str, frozenset[str]]:
    """Return the names of the captions and pictures to encode, by group of files."""
    from nsfwcaps.stages.train.reference import names_of

    safe = safe_files(Path(settings.data))
    ids = frozenset([] if pool is None else pool["safe_id"].to_pylist())
    both = [*((path, None) for path in files), *((path, ids) for path in safe if ids)]
    return names_of(both)


def _reference_left(
    settings: TrainSettings, items: Mapping[str, frozenset[str]], folder: StageFolder
) -> int:
    """Count the items that no earlier run of the folder with this model has encoded."""
    from nsfwcaps.stages.train.encoding import names_left

    record = folder.record()
    same = record is None or record.settings.get("model") == settings.model
    return names_left(folder, items) if same else sum(map(len, items.values()))


def _subspace_items(train: pa.Table, settings: TrainSettings) -> int:
    """Return at most how many items are sampled."""
    from nsfwcaps.training.contrast import ITEMS

    unsafe = len(set(train["unsafe_id"].to_pylist()))
    pool = ITEMS if safe_files(Path(settings.data)) else 0
    safe = {*train["safe_id"].to_pylist(), *train["partner_id"].to_pylist()} - {None}
    return min(ITEMS, unsafe) + min(ITEMS, len(safe) + pool)
