"""publish with pictures: the bytes of the pools, in columns that other tools open."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from support.small_release import WIDTH, Item, World, build, bytes_of, prepare, rows_of

from nsfwcaps import schema

SIDES = ("unsafe", "safe")

Recipe = dict[str, dict[str, Any]]


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8 + number, 8), (number * 20, 90, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def world(unsafe: int = 5, safe: int = 7) -> World:
    """Captions with a picture each; two safe ones share theirs."""
    random = np.random.default_rng(3)

    def item(label: str, number: int, picture: int) -> Item:
        return Item(
            caption=f"a {'handgun' if label == 'unsafe' else 'spoon'} in drawer {number}",
            vector=random.normal(size=WIDTH).astype(np.float32),
            source=f"{label}.jsonl",
            image_path=f"{label}/{picture}.png",
            image=png(picture + 20 * (label == "safe") % 7),
            image_vector=random.normal(size=WIDTH).astype(np.float32),
        )

    return World(
        unsafe=[item("unsafe", number, number) for number in range(unsafe)],
        safe=[item("safe", number, max(1, number)) for number in range(safe)],
    )


@pytest.fixture
def files(tmp_path: Path) -> tuple[World, Recipe, Path]:
    """Pools of paths, and a workdir that has everything but the data set."""
    made = world()
    recipe = prepare(made, tmp_path)
    build({name: recipe[name] for name in recipe if name != "publish"}, tmp_path / "work")
    return made, recipe, tmp_path


Publish = Callable[..., Path]


@pytest.fixture
def publish(files: tuple[World, Recipe, Path]) -> Publish:
    def run(**settings: Any) -> Path:
        _, recipe, folder = files
        build(recipe, folder / "work", publish=settings)
        return folder / "work" / "dataset"

    return run


def picture_of(made: World, row: dict[str, Any], side: str) -> bytes | None:
    return made.item(row[f"{side}_caption"]).image


def assert_pictures(dataset: Path, made: World) -> None:
    rows = rows_of(dataset)
    assert len(rows) == len(made.unsafe)
    for row in rows:
        for side in SIDES:
            data = row[f"{side}_image"]["bytes"]
            assert data == picture_of(made, row, side)
            assert hashlib.sha256(data).hexdigest() == row[f"{side}_image_sha256"]
            assert row[f"{side}_image"]["path"] is None


def test_bytes_of_files(files: tuple[World, Recipe, Path], publish: Publish) -> None:
    assert_pictures(publish(), files[0])


def test_bytes_that_pools_carry(tmp_path: Path) -> None:
    """Parquet pools of pictures, as the world draws them."""
    import pyarrow as pa

    made = world()
    recipe = prepare(made, tmp_path)
    for label, items in zip(SIDES, (made.unsafe, made.safe), strict=True):
        rows = [{"caption": item.caption, "image": item.image} for item in items]
        path = tmp_path / f"{label}.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)
        recipe["ingest"][label] = [str(path)]
    build(recipe, tmp_path / "work")
    assert_pictures(tmp_path / "work" / "dataset", made)


def test_shards_have_their_own_pictures(
    files: tuple[World, Recipe, Path], publish: Publish
) -> None:
    """Two pairs a file: what they share is in both."""
    dataset = publish(shard_rows=2, validation_share=0.0, test_share=0.0)
    assert len(list((dataset / "data").glob("*.parquet"))) == 3
    assert_pictures(dataset, files[0])


def test_schema_and_card(publish: Publish) -> None:
    dataset = publish()
    for path in (dataset / "data").glob("*.parquet"):
        assert pq.read_schema(path).equals(schema.published(with_pictures=True))
    text = (dataset / "README.md").read_text(encoding="utf-8")
    pairs, safe = yaml.safe_load(text.split("---\n")[1])["dataset_info"]
    assert (pairs["config_name"], safe["config_name"]) == ("default", "safe")
    features = pairs["features"]
    assert [feature["name"] for feature in features] == schema.published(with_pictures=True).names
    images = [feature["name"] for feature in features if feature["dtype"] == "image"]
    assert images == ["unsafe_image", "safe_image"]
    for name in images:
        assert f"| `{name}` | image | {schema.PICTURES_HELP[name]} |" in text
    assert "could not be put in" not in text


def test_datasets_decodes_both(
    files: tuple[World, Recipe, Path], publish: Publish, tmp_path: Path
) -> None:
    import datasets

    loaded = datasets.load_dataset(str(publish()), cache_dir=str(tmp_path / "cache"))
    rows = [row for split in loaded.values() for row in split]
    assert len(rows) == len(files[0].unsafe)
    for row in rows:
        for side in SIDES:
            with Image.open(io.BytesIO(picture_of(files[0], row, side) or b"")) as expected:
                assert row[f"{side}_image"].size == expected.size
                assert row[f"{side}_image"].tobytes() == expected.tobytes()


def test_pandas_and_duckdb_open_it(files: tuple[World, Recipe, Path], publish: Publish) -> None:
    import duckdb
    import pandas as pd

    dataset = publish()
    frame = pd.read_parquet(dataset / "data")
    query = "SELECT unsafe_caption, unsafe_image.bytes FROM read_parquet($1)"
    found = dict(duckdb.execute(query, [str(dataset / "data" / "*.parquet")]).fetchall())
    for row in frame.to_dict("records"):
        wanted = picture_of(files[0], row, "unsafe")
        assert row["unsafe_image"]["bytes"] == wanted == found[row["unsafe_caption"]]


def test_pictures_that_are_not_what_they_were(
    files: tuple[World, Recipe, Path], publish: Publish
) -> None:
    """Null where a file changed or went after it was ingested, and said on the card."""
    made, _, folder = files
    (folder / "pools" / "unsafe" / "0.png").write_bytes(png(99))
    (folder / "pools" / "unsafe" / "1.png").unlink()
    dataset = publish()
    rows = {row["unsafe_caption"]: row for row in rows_of(dataset)}
    for number, item in enumerate(made.unsafe):
        row = rows[item.caption]
        assert (row["unsafe_image"] is None) == (number < 2)
        assert row["unsafe_image_sha256"] == hashlib.sha256(item.image or b"").hexdigest()
        assert row["safe_image"]["bytes"] == picture_of(made, row, "safe")
    text = (dataset / "README.md").read_text(encoding="utf-8")
    assert "that could not be included: 1 image_changed, 1 image_missing." in text


def test_pictures_may_stay_where_they_are(publish: Publish) -> None:
    dataset = publish(carry_images=False)
    for path in (dataset / "data").glob("*.parquet"):
        assert pq.read_schema(path).equals(schema.PUBLISHED)
    text = (dataset / "README.md").read_text(encoding="utf-8")
    assert "dtype: image" not in text
    assert all(row["unsafe_image_sha256"] for row in rows_of(dataset))
    # And back again: nothing of the one is taken for the other.
    assert all(row["unsafe_image"] for row in rows_of(publish()))


@pytest.mark.parametrize("carried", [True, False])
def test_signatures_of_addresses_are_published_only_where_images_are_linked(
    tmp_path: Path, carried: bool
) -> None:
    made = world()
    recipe = prepare(made, tmp_path)
    memory = fsspec.filesystem("memory")
    memory.pipe("/signed/set.csv?X-Sig=SECRET", b"caption\nA lamp on a shelf\n")
    for label, items in zip(SIDES, (made.unsafe, made.safe), strict=True):
        rows = [
            {"caption": item.caption, "image_path": f"memory://signed/{item.image_path}?X-Sig=KEY"}
            for item in items
        ]
        for item in items:
            memory.pipe(f"/signed/{item.image_path}?X-Sig=KEY", item.image)
        text = "".join(json.dumps(row) + "\n" for row in rows)
        memory.pipe(f"/signed/{label}.jsonl?X-Sig=SECRET", text.encode())
        recipe["ingest"][label] = [f"memory://signed/{label}.jsonl?X-Sig=SECRET"]
    recipe["ingest"]["exclude"] = ["memory://signed/set.csv?X-Sig=SECRET"]
    build(recipe, tmp_path / "work", publish={"carry_images": carried})
    dataset = tmp_path / "work" / "dataset"
    papers = "".join((dataset / name).read_text() for name in ("README.md", "manifest.json"))
    assert "| `set.csv` | 1 |" in papers
    assert "SECRET" not in papers
    rows = rows_of(dataset)
    assert not any("SECRET" in str(row) for row in rows)
    if carried:
        assert_pictures(dataset, made)
    tail = "" if carried else "?X-Sig=KEY"
    for row in rows:
        for side in SIDES:
            path = made.item(row[f"{side}_caption"]).image_path
            assert row[f"{side}_image_path"] == f"memory://signed/{path}{tail}"


def test_pools_without_pictures_get_no_column(tmp_path: Path) -> None:
    from support.small_release import release, tiny_world

    dataset = release(tiny_world(), tmp_path)
    for path in (dataset / "data").glob("*.parquet"):
        assert pq.read_schema(path).equals(schema.PUBLISHED)


def test_same_pictures_same_bytes(files: tuple[World, Recipe, Path], tmp_path: Path) -> None:
    made, recipe, folder = files
    for name in ("work", "again"):
        build(recipe, folder / name)
    one = bytes_of(folder / "work" / "dataset")
    assert one == bytes_of(folder / "again" / "dataset")
    build(prepare(made, tmp_path / "elsewhere"), tmp_path / "elsewhere" / "work")
    other = bytes_of(tmp_path / "elsewhere" / "work" / "dataset")
    # The manifest has the digest of ingest's tables, which hold absolute paths of pictures.
    assert {name for name in one if one[name] != other[name]} <= {"manifest.json"}
