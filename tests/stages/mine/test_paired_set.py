"""A set that is paired already, in the shape of ViSU-Text, from one file to a data set and on."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.shell import MARKER, Said, call, states, write_vectors
from support.small_release import rows_of
from support.training_place import TINY, quickly, write_model

PAIRS = 40
NOTHING_HELD_OUT = ("--test-share", "0", "--near-duplicate", "1")

Row = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def fast() -> Iterator[None]:
    with quickly():
        yield


def paired(pairs: int = PAIRS) -> list[Row]:
    """Mild pairs; the last two lack a safe caption of their own: one is empty, one is unsafe."""
    rows = [
        {
            "safe": f"A {MARKER} and a vase on table {n}",
            "nsfw": f"A {MARKER} and a handgun on table {n}",
            "tag": ("weapons", "smoking")[n % 2],
        }
        for n in range(pairs)
    ]
    rows[-1]["safe"] = ""
    rows[-2]["safe"] = rows[0]["nsfw"]
    return rows


def write_csv(path: Path, rows: list[Row]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def build(pool: Path, out: Path, *options: object) -> Said:
    both = ("--safe", pool, "--unsafe", pool, "--max-reject-share", "0.2")
    said = call("build", "--out", out, *both, "--pairing", "partner", *options)
    assert (said.code, said.err) == (0, "")
    return said


@pytest.fixture(scope="module")
def text_only(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """Run folder of a set without pictures, and what its build said."""
    folder = tmp_path_factory.mktemp("visu")
    rows = paired()
    captions = sorted({row[side] for row in rows for side in ("safe", "nsfw")} - {""})
    vectors = write_vectors(folder / "vectors", captions)
    pool = write_csv(folder / "visu.csv", rows)
    return folder / "run", build(pool, folder / "run", "--source", vectors)


def test_every_pair_is_the_one_of_the_file(text_only: tuple[Path, Said]) -> None:
    run, _ = text_only
    found = {row["unsafe_caption"]: row for row in rows_of(run / "dataset")}
    wanted = {row["nsfw"]: row for row in paired()[:-2]}
    assert found.keys() == wanted.keys()
    for caption, row in found.items():
        assert row["safe_caption"] == row["partner_caption"] == wanted[caption]["safe"]
        assert row["category"] == wanted[caption]["tag"]
        assert (row["rank"], row["hub_count"]) == (1, 1)
        assert row["score"] == row["sim_text"]
        assert row["provenance"].startswith("partner:")
        assert 0 <= row["difficulty"] <= 1
        assert row["margin"] is not None
    assert {row["stage"] for row in found.values()} == {"easy", "medium", "hard"}
    assert {row["split"] for row in found.values()} == {"train", "validation", "test"}


def test_small_margins_are_hard(text_only: tuple[Path, Said]) -> None:
    run, _ = text_only
    rows = sorted(rows_of(run / "dataset"), key=lambda row: row["difficulty"])
    third = len(rows) // 3
    easy, hard = ([row["margin"] for row in part] for part in (rows[:third], rows[-third:]))
    assert sum(hard) < sum(easy)
    assert min(row["margin"] for row in rows) < 0


def test_rejects_are_counted_where_a_person_looks(text_only: tuple[Path, Said]) -> None:
    run, said = text_only
    line = next(line for line in said.out.splitlines() if line.startswith("mine"))
    assert line.endswith("set aside: 2 no_partner")
    card = (run / "dataset" / "README.md").read_text()
    assert "Unsafe captions without a pair: 2 no_partner." in card
    assert (
        "3. **Pairing.** Each unsafe caption is paired with its partner from the source data."
        in card
    )
    assert "Pairs of an unsafe caption and its safe partner from the source data" in card
    assert "partner of the unsafe caption in the source data |" in card
    assert "Mining" not in card
    assert "ranked by" not in card
    assert "Counterparts short of" not in card


def test_the_same_command_again_is_up_to_date(text_only: tuple[Path, Said]) -> None:
    run, _ = text_only
    assert set(states(call("status", run, "--json")).values()) == {"up to date"}


def test_datasets_opens_it(text_only: tuple[Path, Said], tmp_path: Path) -> None:
    import datasets

    run, _ = text_only
    loaded = datasets.load_dataset(str(run / "dataset"), cache_dir=str(tmp_path / "cache"))
    assert sum(loaded.num_rows.values()) == PAIRS - 2


def test_contradicting_options_are_refused(tmp_path: Path) -> None:
    pool = write_csv(tmp_path / "visu.csv", paired())
    options = ("--safe", pool, "--unsafe", pool, "--pairing", "partner", "--k", "2", "--hub-cap", 1)
    said = call("build", "--out", tmp_path / "run", *options)
    assert (said.code, said.out) == (2, "")
    assert "pairing=partner" in said.err
    assert "remove k, hub_cap" in said.err


# With pictures, to train on.


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (number * 6, 90, 250 - number * 6)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module", params=["ours", "nsfwcaps"])
def pictured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A tiny model, and the data set that was made of pairs with a picture each."""
    folder = tmp_path_factory.mktemp("pictured")
    model = write_model(folder / "tiny")
    rows = [{**row, "image": picture(number)} for number, row in enumerate(paired()[:-2])]
    pool = folder / "visu.parquet"
    pq.write_table(pa.Table.from_pylist(rows), pool)
    how = ("--model", model, "--device", "cpu", "--columns", request.param)
    build(pool, folder / "run", *how, *NOTHING_HELD_OUT)
    return model, folder / "run" / "dataset"


@pytest.mark.parametrize("method", ["safer-clip", "safe-clip"])
def test_training_reads_it(pictured: tuple[str, Path], method: str, tmp_path: Path) -> None:
    model, data = pictured
    tiny = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    options = ("--data", data, "--model", model, "--method", method, "--epochs", "1")
    said = call("train", "--out", tmp_path / "run", *options, *tiny, "--json")
    assert (said.code, said.err) == (0, "")
    facts = said.json["stages"][0]["facts"]
    train = [row for row in rows_of(data) if row["split"] == "train"]
    assert facts["pairs"]["train"] == len(train) > 20
    assert facts["pairs_without_partner"] == 0
