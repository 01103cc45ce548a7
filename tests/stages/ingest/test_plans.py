"""ingest, plans: kinds of work that take alike long a unit."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingest_place import Place

from nsfwcaps import cache
from nsfwcaps.pipeline import plan_stage
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.ingest import run as ingest
from nsfwcaps.stages.ingest.settings import IngestSettings

VASE, GUN = "A vase on a table", "A handgun on a table"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return Place(tmp_path)


def parquet(place: Place, name: str, **columns: list[object]) -> str:
    path = place.folder / name
    pq.write_table(pa.table(columns), path)
    return str(path)


def kinds(safe: str, **settings: object) -> dict[str, float]:
    found = IngestSettings(safe=(safe,), **settings)  # type: ignore[arg-type]
    return dict(ingest.plan(found, {})["work"])


def test_kinds_name_format_pictures_and_checks(place: Place) -> None:
    plain = parquet(place, "a.parquet", caption=[VASE, GUN])
    pictured = parquet(place, "b.parquet", caption=[VASE], image=[{"bytes": b"x", "path": "x"}])
    assert kinds(plain) == {"ingest, parquet, screen flag, rows": 2}
    assert kinds(pictured) == {"ingest, parquet with pictures, screen flag, rows": 1}
    assert kinds(pictured, images=False) == {"ingest, parquet, screen flag, rows": 1}
    assert kinds(plain, safe_detector=("profanity",)) == {
        "ingest, parquet, screen flag, profanity, rows": 2
    }
    named = place.write("a.csv", "caption,file_name\nA vase,a.png\n")
    assert kinds(named) == {"ingest, csv with pictures, screen flag, bytes": 31}
    assert kinds(place.write("b.tsv", "a\tcaption\n")) == {"ingest, tsv, screen flag, bytes": 10}


def test_a_damaged_file_has_a_size(place: Place) -> None:
    damaged = place.write("a.parquet", b"PAR1")
    assert kinds(damaged) == {"ingest, parquet, screen flag, bytes": 4}


def test_pictures_give_no_estimate_for_text(place: Place) -> None:
    bare = {"bytes": None, "path": None}
    pictured = parquet(place, "b.parquet", caption=[VASE], image=[bare])
    gun = parquet(place, "gun.parquet", caption=[GUN], image=[bare])
    text, other = (place.write(f"{n}.csv", f"caption\n{x}\n") for n, x in [("a", VASE), ("b", GUN)])

    def seconds(*pools: str) -> object:
        settings = IngestSettings(safe=pools[:1], unsafe=pools[1:])
        return plan_stage(STAGE["ingest"], settings, place.folder / "new")["seconds"]

    place.ingest(safe=(pictured,), unsafe=(gun,))
    assert seconds(text, other) is None
    assert seconds(pictured, other) is None
    assert seconds(pictured, gun) is not None
    record = place.ingest("mixed", safe=(pictured,), unsafe=(other,))
    assert len(record.rates) == 2
    assert sum(spent for _, spent in record.rates.values()) <= record.seconds
    assert seconds(text, other) is not None
