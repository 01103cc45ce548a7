"""train: safe items of a data set's pool are preserved by pairs without a partner."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.safe_pool import without_partners, write_pool
from support.training_place import (
    Killed,
    Place,
    metrics,
    refused,
    same,
    tensors,
    train,
    train_rows,
)

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.sizes import sizes_of
from nsfwcaps.stages import STAGE
from nsfwcaps.training.loop import Trainer

RUN: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 4,
    "curriculum": "all",
    "learning_rate": 1e-2,
    "save_every": 2,
}


@pytest.fixture
def copied(place: Place, tmp_path: Path) -> Place:
    return place.copy(tmp_path / "copied")


@pytest.fixture
def pool(place: Place) -> Path:
    return place.work / "pools" / "safe"


@pytest.fixture
def pooled(copied: Place, pool: Path) -> Place:
    without_partners(copied)
    write_pool(copied, pool)
    return copied


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Captions of the safe items of every step."""
    seen: list[list[str]] = []
    real = Trainer._make

    def make(trainer: Trainer, inputs: Any, epoch: int, batch: Any) -> Any:
        seen.append([trainer._pairs.safe_captions[row] for row in batch])
        return real(trainer, inputs, epoch, batch)

    monkeypatch.setattr(Trainer, "_make", make)
    return seen


def reference_ids(out: Path) -> set[str]:
    record = StageFolder(out / "train").record()
    assert record is not None
    paths = record.paths("captions")
    return {name for path in paths for name in pq.read_table(path)["id"].to_pylist()}


def reference_rows(out: Path) -> dict[str, Any]:
    record = StageFolder(out / "train").record()
    assert record is not None
    return {
        row[name]: row["vector"]
        for group, name in (("captions", "id"), ("images", "image_sha256"))
        for path in record.paths(group)
        for row in pq.read_table(path).to_pylist()
    }


def test_the_whole_pool_is_preserved_in_turn(
    pooled: Place, kept: list[list[str]], tmp_path: Path
) -> None:
    """24 items, 36 places in 9 steps of 4: each item comes once before one comes again."""
    record = pooled.train(tmp_path, **RUN)
    used = [caption for batch in kept for caption in batch]
    items = Counter(
        row["safe_caption"]
        for path in (pooled.data / "safe").glob("*.parquet")
        for row in pq.read_table(path, columns=["safe_caption"]).to_pylist()
    )
    assert sum(items.values()) == 24
    assert len(used) == 36
    assert not Counter(used[:24]) - items
    assert all(len({*batch}) == len(batch) for batch in kept)
    assert record.facts["preserved"] == {"pool": 24, "partners": 0, "targets": 0}
    told = json.loads((tmp_path / "model" / "adapter.json").read_bytes())
    assert told["preserved"] == record.facts["preserved"]


def test_only_what_the_run_can_use_is_embedded(pooled: Place, tmp_path: Path) -> None:
    """One epoch over fifteen pairs uses at most fifteen of the items."""
    pairs = {row[f"{side}_id"] for row in train_rows(pooled) for side in ("unsafe", "safe")}
    pooled.train(tmp_path, **RUN | {"epochs": 1})
    drawn = {name for name in reference_ids(tmp_path) if name.endswith("-0")}
    assert len(drawn) == 15
    assert pairs <= reference_ids(tmp_path)


def test_more_epochs_encode_only_what_is_new(
    pooled: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Items of fewer epochs are the first of those of more; fewer again need none."""
    encoded: list[tuple[int, int]] = []
    texts, images = ClipEncoder.started, ClipEncoder.encode_images

    def started(self: Any, captions: Any, *given: Any) -> Any:
        encoded.append((len(captions), 0))
        return texts(self, captions, *given)

    def encode_images(self: Any, named: Any, *given: Any) -> Any:
        encoded.append((0, len(named)))
        return images(self, named, *given)

    def planned(epochs: int, out: Path) -> Any:
        settings = pooled.settings(**RUN | {"epochs": epochs})
        return sizes_of(STAGE["train"], settings, out)

    pooled.train(tmp_path / "new", **RUN | {"epochs": 2})
    new = reference_ids(tmp_path / "new")
    pooled.train(tmp_path / "a", **RUN | {"epochs": 1})
    before = reference_ids(tmp_path / "a")
    assert len(new - before) == 9
    assert planned(2, tmp_path / "a")["reference items to encode"] == 12
    assert "reference items to encode" not in planned(1, tmp_path / "a")
    monkeypatch.setattr(ClipEncoder, "started", started)
    monkeypatch.setattr(ClipEncoder, "encode_images", encode_images)
    pooled.train(tmp_path / "a", **RUN | {"epochs": 2})
    assert [sum(kind) for kind in zip(*encoded, strict=True)] == [9, 3], "some share a picture"
    assert reference_ids(tmp_path / "a") == new
    rows = [reference_rows(tmp_path / name) for name in ("new", "a")]
    assert rows[0].keys() == rows[1].keys()
    for name, row in rows[0].items():
        np.testing.assert_allclose(rows[1][name], row, atol=1e-6)
    encoded.clear()
    pooled.train(tmp_path / "a", **RUN | {"epochs": 1})
    assert encoded == []
    assert reference_ids(tmp_path / "a") == before


def test_partners_stay_where_there_are_some(
    copied: Place, pool: Path, kept: list[list[str]], tmp_path: Path
) -> None:
    write_pool(copied, pool)
    rows = train_rows(copied)
    lacking = sum(row["partner_id"] is None for row in rows)
    assert 0 < lacking < len(rows)
    partners = {row["partner_caption"] for row in rows if row["partner_id"] is not None}
    record = copied.train(tmp_path, **RUN | {"batch_size": len(rows)})
    assert partners <= {*kept[0]}
    preserved = record.facts["preserved"]
    assert preserved["partners"] == len(
        {row["partner_id"] for row in rows if row["partner_id"] is not None}
    )
    files = (copied.data / "safe").glob("*.parquet")
    captions = [name for path in files for name in pq.read_table(path)["safe_caption"].to_pylist()]
    free = sum(caption not in partners for caption in captions)
    assert (preserved["pool"], preserved["targets"]) == (min(3 * lacking, free), 0)


def test_fixed_targets_use_no_pool(copied: Place, pool: Path, tmp_path: Path) -> None:
    write_pool(copied, pool)
    record = copied.train(tmp_path, **RUN, targets="fixed")
    assert record.facts["preserved"]["pool"] == record.facts["preserved"]["targets"] == 0
    assert not any(name.endswith("-0") for name in reference_ids(tmp_path))


@pytest.mark.parametrize("method", ["safer-clip", "contrastive-subspace"])
@pytest.mark.parametrize("stop", [1, 5])
def test_stopped_and_started_again_it_ends_the_same(
    stop: int, method: str, pooled: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pooled.train(tmp_path / "whole", **RUN, method=method)
    real = Trainer._make

    def make(trainer: Trainer, *rest: Any) -> Any:
        if trainer.step == stop:
            raise Killed
        return real(trainer, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_make", make)
        with pytest.raises(Killed):
            pooled.train(tmp_path / "parts", **RUN, method=method)
    record = pooled.train(tmp_path / "parts", **RUN, method=method)
    assert same(tensors(tmp_path / "parts"), tensors(tmp_path / "whole"))
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")
    assert record.facts["preserved"]["pool"] == 24


def test_seeds_draw_other_items(pooled: Place, tmp_path: Path) -> None:
    found = []
    for seed in (0, 1):
        pooled.train(tmp_path / str(seed), **RUN | {"epochs": 1}, seed=seed)
        found.append({n for n in reference_ids(tmp_path / str(seed)) if n.endswith("-0")})
    assert len(found[0]) == len(found[1]) == 15
    assert found[0] != found[1]


def test_a_broken_picture_of_the_pool_is_counted_and_not_used(
    pooled: Place, tmp_path: Path
) -> None:
    path = next(iter(sorted((pooled.data / "safe").glob("*.parquet"))))
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0]["safe_image"]["bytes"] = b"no picture"
    rows[0]["safe_image_sha256"] = hashlib.sha256(b"no picture").hexdigest()
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    record = pooled.train(tmp_path, **RUN)
    assert record.facts["preserved"]["pool"] == 23
    assert sum(record.facts["images_broken"].values()) == 1


def test_a_changed_pool_makes_the_run_stale(pooled: Place, tmp_path: Path) -> None:
    assert train(pooled, tmp_path).code == 0
    assert "up to date" in train(pooled, tmp_path).out
    path = next(iter(sorted((pooled.data / "safe").glob("*.parquet"))))
    pq.write_table(pq.read_table(path).slice(1), path)
    assert "up to date" not in train(pooled, tmp_path).out


def test_without_a_pool_targets_are_preserved_and_that_is_said(
    copied: Place, pool: Path, tmp_path: Path
) -> None:
    without_partners(copied)
    said = train(copied, tmp_path, curriculum="all")
    targets = len({row["safe_id"] for row in train_rows(copied)})
    assert f"15 pairs without a partner preserve their target ({targets} safe items)" in said.out
    assert f"{targets} safe items preserved" in said.out
    write_pool(copied, pool)
    said = train(copied, tmp_path / "pooled", curriculum="all", batch_size=5)
    assert "preserve their target" not in said.out
    assert "15 safe items preserved" in said.out


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (0, "the data set was published without safe items (safe_items: 0)"),
        (None, "the data set has no safe items; publish it again"),
        (25_000, "its folder safe is empty or was left out; copy it whole"),
    ],
)
def test_why_there_is_no_pool_is_said(
    folder: bool, asked: int | None, told: str, copied: Place, tmp_path: Path
) -> None:
    without_partners(copied)
    shutil.rmtree(copied.data / "safe", ignore_errors=True)
    if folder:
        (copied.data / "safe").mkdir()
    manifest = copied.data / "manifest.json"
    content = json.loads(manifest.read_bytes())
    settings = content["stages"]["publish"]["settings"]
    settings["safe_items"] = asked
    if asked is None:
        del settings["safe_items"]
    manifest.unlink()  # a copy may be a link
    manifest.write_text(json.dumps(content))
    assert told in train(copied, tmp_path, curriculum="all").out


def test_a_pool_of_which_nothing_is_usable_is_said(pooled: Place, tmp_path: Path) -> None:
    found = 0
    for path in (pooled.data / "safe").glob("*.parquet"):
        table = pq.read_table(path)
        rows = table.to_pylist()
        found += len(rows)
        for row in rows:
            row["safe_image"]["bytes"] = row["safe_id"].encode()
            row["safe_image_sha256"] = hashlib.sha256(row["safe_id"].encode()).hexdigest()
        path.unlink()
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    said = train(pooled, tmp_path, curriculum="all")
    assert f"none of the {found} safe items of the data set is usable" in said.out


def test_a_pool_that_lacks_a_column_is_refused(pooled: Place, tmp_path: Path) -> None:
    for path in (pooled.data / "safe").glob("*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["safe_image"]), path)
    refused(train(pooled, tmp_path), 3, "safe", "safe_image", "publish the data set again")


def test_a_damaged_pool_is_refused(pooled: Place, tmp_path: Path) -> None:
    next(iter((pooled.data / "safe").glob("*.parquet"))).write_bytes(b"PAR1")
    refused(train(pooled, tmp_path), 3, "damaged")
