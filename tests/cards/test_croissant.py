"""`croissant.json`: read back by mlcroissant, and every value recounted."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import mlcroissant
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.small_release import crowded_world, release

from nsfwcaps import schema
from nsfwcaps.cards import dataset as dataset_card
from nsfwcaps.cards.croissant import document, usage
from nsfwcaps.cards.croissant.vocabulary import NAMES, RAI_PROPERTIES

Json = dict[str, Any]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("croissant")
    settings = {"title": "Drawers", "license": "cc-by-nc-4.0"}
    return release(crowded_world(), folder, publish=settings)


@pytest.fixture(scope="module")
def described(dataset: Path) -> Json:
    found: Json = json.loads((dataset / "croissant.json").read_bytes())
    return found


def read(folder: Path, records: str) -> list[Json]:
    """Rows of a record set without the prefix of their fields, text decoded."""
    data = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert data.metadata.ctx.issues.errors == set()
    return [
        {
            name.partition("/")[2]: value.decode() if isinstance(value, bytes) else value
            for name, value in row.items()
        }
        for row in data.records(records)
    ]


def test_every_pair_is_read_as_the_files_have_it(dataset: Path) -> None:
    names = ["pair_id", "unsafe_caption", "category", "rank", "split", "sim_image"]
    paths = sorted((dataset / "data").glob("*.parquet"))
    rows = pa.concat_tables(pq.read_table(path, columns=names) for path in paths).to_pylist()
    found = [{name: row[name] for name in names} for row in read(dataset, "pairs")]
    assert len(found) == 60
    assert sorted(found, key=lambda row: str(row["pair_id"])) == sorted(
        rows, key=lambda row: str(row["pair_id"])
    )


def test_the_splits_are_named_and_said_what_they_are_for(dataset: Path) -> None:
    assert read(dataset, "splits") == [
        {"name": "train", "url": "cr:TrainingSplit"},
        {"name": "validation", "url": "cr:ValidationSplit"},
        {"name": "test", "url": "cr:TestSplit"},
    ]


def test_each_file_has_its_size_and_digest(dataset: Path, described: Json) -> None:
    files = {
        item["contentUrl"]: (item["contentSize"], item["sha256"])
        for item in described["distribution"]
        if item["@type"] == "cr:FileObject"
    }
    assert files == {
        f"data/{path.name}": (
            f"{path.stat().st_size} B",
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in (dataset / "data").glob("*.parquet")
    }
    assert len(files) == 3


def test_the_pools_are_named_with_their_digests(dataset: Path, described: Json) -> None:
    pools = dataset.parents[1] / "pools"
    found = {item["prov:label"]: item["sha256"] for item in described["prov:wasDerivedFrom"]}
    assert found == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in pools.iterdir()
    }
    assert sorted(found) == [
        *("safe-0.jsonl", "safe-1.jsonl", "safe-2.jsonl", "unsafe-0.jsonl", "unsafe-1.jsonl")
    ]
    steps = [item["@id"] for item in described["prov:wasGeneratedBy"]]
    assert steps == [f"provenance/{n}" for n in ("ingest", "embed", "mine", "grade", "publish")]


def test_rai_properties_are_counts_of_the_run(described: Json) -> None:
    rai = {key: value for key, value in described.items() if key.startswith("rai:")}
    assert {key.removeprefix("rai:") for key in rai} <= {*RAI_PROPERTIES}
    assert rai["rai:dataCollection"] == (
        "60 pairs, mined from 60 unsafe and 140 safe captions of 5 pool files."
    )
    assert rai["rai:dataCollectionMissingData"] == "rows set aside: 0"
    assert rai["rai:dataBiases"][0] == (
        "Of 3 categories, the largest, weapons, has 20 of 60 pairs."
    )
    assert rai["rai:machineAnnotationTools"] == ["imported:vectors: similarity of captions"]
    # Nobody knows these.
    for name in ("annotatorDemographics", "dataCollectionTimeframe", "dataReleaseMaintenancePlan"):
        assert f"rai:{name}" not in rai
    assert "creator" not in described
    assert "datePublished" not in described


def test_terms_of_use_are_those_of_licence_and_gate(dataset: Path, described: Json) -> None:
    assert described["license"] == "https://spdx.org/licenses/CC-BY-NC-4.0"
    offer, term = described["usageInfo"]
    assert offer["@type"] == ["CreativeWork", "odrl:Offer"]
    front = (dataset / "README.md").read_text(encoding="utf-8").partition("configs:")[0]
    assert " ".join(offer["text"].split()) in " ".join(front.split())
    assert (term["termCode"], term["name"]) == ("DUO_0000046", "non-commercial use only")
    assert [item.get("termCode") for item in usage.terms("cc-by-4.0")] == [None]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cc0-1.0", "https://spdx.org/licenses/CC0-1.0"),
        ("CC-BY-SA-4.0", "https://spdx.org/licenses/CC-BY-SA-4.0"),
        ("Apache-2.0", "https://spdx.org/licenses/Apache-2.0"),
        ("odc-by", "https://spdx.org/licenses/ODC-By-1.0"),
        ("ODC-By-1.0", "https://spdx.org/licenses/ODC-By-1.0"),
        ("other", "other"),
        ("cc-by-nc-nd-sa-9", "cc-by-nc-nd-sa-9"),
        ("https://example.org/licence", "https://example.org/licence"),
    ],
)
def test_a_licence_has_its_address_at_spdx(name: str, expected: str) -> None:
    assert usage.licence(name) == expected


def test_all_our_names_are_of_the_vocabulary(described: Json) -> None:
    def keys(value: Any) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(keys, value))
        if not isinstance(value, dict):
            return set()
        inner = [keys(part) for key, part in value.items() if key not in ("@context", "data")]
        return {*value}.union(*inner)

    assert keys(described) <= NAMES
    assert len(RAI_PROPERTIES) == len(set(RAI_PROPERTIES)) == 20


WIDE = schema.published(
    with_pictures=True,
    with_partners=True,
    with_nsfwcaps=True,
    with_review=True,
    with_labels=True,
    with_flags=True,
    kept={"coco_id": "int64", "checked": "bool", "note": "string", "weight": "float64"},
)


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 3), (9, 8, 7)).save(file, "PNG")
    return file.getvalue()


def cell(column: pa.Field) -> Any:
    """A value of a column's type."""
    kind = column.type
    if column.name == "split":
        return "train"
    if kind == schema.PICTURE:
        return {"bytes": picture(), "path": None}
    if kind == pa.list_(schema.VERDICT):
        row = {"seq": 1, "by": "p1", "at": "now", "kind": "judge", "choice": "yes"}
        return [row, {**row, "seq": 2, "choice": None}]
    if pa.types.is_list(kind):
        return ["safe_hazard", "unsafe_truncated"]
    plain = {"int64": 7, "int32": 7, "float": 0.5, "double": 0.5, "bool": True}
    return plain.get(str(kind), "a word")


@pytest.mark.parametrize("empty", [False, True], ids=["values", "nulls"])
def test_every_kind_of_column_is_read(tmp_path: Path, dataset: Path, empty: bool) -> None:
    keys = ("pair_id", "split")
    row = {c.name: None if empty and c.name not in keys else cell(c) for c in WIDE}
    (tmp_path / "data").mkdir()
    pq.write_table(pa.Table.from_pylist([row], WIDE), tmp_path / "data" / "train-0.parquet")
    manifest = json.loads((dataset / "manifest.json").read_bytes())
    settings = manifest["stages"]["publish"]["settings"]
    meanings = dataset_card.meanings(manifest, WIDE)
    described = document.describe(settings, manifest, {document.PAIRS: WIDE}, meanings)
    (tmp_path / "croissant.json").write_bytes(document.as_json(described))
    (found,) = read(tmp_path, "pairs")
    assert {*found} == {*WIDE.names}
    if empty:
        some = {name for name, value in found.items() if value is not None}
        assert some == {*keys, "review_verdicts"}  # one without any value
        return
    assert found["unsafe_image"].size == (4, 3)
    assert found["flags"] == [b"safe_hazard", b"unsafe_truncated"]
    verdicts = [
        {name.rpartition("/")[2]: value for name, value in item.items()}
        for item in found["review_verdicts"]
    ]
    assert [item["seq"] for item in verdicts] == [1, 2]
    assert [item["choice"] for item in verdicts] == [b"yes", None]
    assert (found["safe_coco_id"], found["safe_checked"], found["safe_weight"]) == (7, True, 0.5)
