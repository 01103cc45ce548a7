"""export-data, clip-retrieval: its own reading rules hold, and the way back loses nothing."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.shell import MARKER, Said, call, safe_captions, unsafe_captions, write_jsonl
from support.vector_layouts import as_parquet

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.vectors.store import VectorTable

SAFE, UNSAFE = safe_captions(30), unsafe_captions(11)
PICTURES = 9
WIDTH = 48


def picture(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (20 * number, 0, 99)).save(file, "PNG")
    return file.getvalue()


def sha256(number: int) -> str:
    return hashlib.sha256(picture(number)).hexdigest()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pools, and the runs `text` and `images`: of 30 safe captions all but four have a picture.

    Pictures are shared, and vectors are random.
    """
    folder = tmp_path_factory.mktemp("runs")
    names = [folder / f"{number}.png" for number in range(PICTURES)]
    for number, path in enumerate(names):
        path.write_bytes(picture(number))

    def pool(label: str, captions: list[str], without: int) -> Path:
        rows: list[dict[str, Any]] = [
            {"caption": caption, "image_path": str(names[at % PICTURES])}
            for at, caption in enumerate(captions)
        ]
        for row in rows[:without]:
            del row["image_path"]
        path = folder / f"{label}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    pools = ["--safe", pool("safe", SAFE, 4), "--unsafe", pool("unsafe", UNSAFE, 0)]
    source = folder / "source"
    for name in ("text_emb", "img_emb", "metadata"):
        (source / name).mkdir(parents=True)
    rng = np.random.default_rng(3)
    count = len(SAFE) + len(UNSAFE)
    np.save(source / "text_emb" / "text_emb_0.npy", rng.normal(size=(count, WIDTH)))
    np.save(source / "img_emb" / "img_emb_0.npy", rng.normal(size=(count, WIDTH)))
    hashes = [sha256(at % PICTURES) for at in range(count)]
    table = pa.table({"caption": [*SAFE, *UNSAFE], "sha256": hashes})
    pq.write_table(table, source / "metadata" / "metadata_0.parquet")
    for name, options in (("text", ["--no-images"]), ("images", [])):
        run = folder / name
        assert call("ingest", "-w", run, *pools, "--shard-rows", 8, "--quiet").code == 0
        said = call("embed", "-w", run, "--source", source, *options, "--quiet")
        assert (said.code, said.err) == (0, "")
    return folder


def export(run: Path, out: Path, *options: object) -> Said:
    said = call("export-data", run, "--to", "clip-retrieval", "--out", out, *options)
    assert "Traceback" not in said.err
    return said


def stored(run: Path, group: str, key: str = "id") -> dict[str, bytes]:
    """Vectors of a run by id, to the bit."""
    record = StageFolder(run / "embed").record()
    assert record is not None
    table = VectorTable(record.paths(group))
    rows = np.arange(table.rows)
    keys = table.column(key, rows).to_pylist()
    return {name: row.tobytes() for name, row in zip(keys, table.take(rows), strict=True)}


def back(runs: Path, out: Path, run: Path) -> None:
    """Import an export into another run of the same pools, in other shards."""
    pools = ["--safe", runs / "safe.jsonl", "--unsafe", runs / "unsafe.jsonl"]
    assert call("ingest", "-w", run, *pools, "--shard-rows", 100, "--quiet").code == 0
    said = call("embed", "-w", run, "--source", out, "--quiet")
    assert (said.code, said.err) == (0, "")


def test_captions_come_back_to_the_bit(runs: Path, tmp_path: Path) -> None:
    said = export(runs / "text", tmp_path / "out", "--quiet")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        f"Exported 41 captions (30 safe, 11 unsafe) by imported:source to clip-retrieval: "
        f"{tmp_path / 'out'}\nNext, to import it: nsfwcaps embed --source {tmp_path / 'out'} "
        "--out RUN\n"
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("export.json", "metadata", "text_emb"),
    ]
    back(runs, tmp_path / "out", tmp_path / "again")
    for label, count in (("safe", 30), ("unsafe", 11)):
        before = stored(runs / "text", label)
        assert len(before) == count
        assert stored(tmp_path / "again", label) == before


def test_images_come_back_to_the_bit(runs: Path, tmp_path: Path) -> None:
    said = export(runs / "images", tmp_path / "out", "--json")
    assert (said.json["captions"], said.json["without_image"]) == ({"safe": 30, "unsafe": 11}, 4)
    back(runs, tmp_path / "out", tmp_path / "again")
    for label in ("safe", "unsafe"):
        assert stored(tmp_path / "again", label) == stored(runs / "images", label)
    before = stored(runs / "images", "images", "image_sha256")
    assert before.keys() == {sha256(number) for number in range(PICTURES)}
    assert stored(tmp_path / "again", "images", "image_sha256") == before


def test_clip_retrieval_reads_it(runs: Path, tmp_path: Path) -> None:
    """As its readers do: arrays mapped by number, tables by pandas, rows paired by position."""
    out = tmp_path / "out"
    assert export(runs / "images", out).code == 0
    numbers = [f"{number:04d}" for number in range(6)]  # 4 shards of safe captions, 2 of unsafe
    for kind, ending in (("text_emb", "npy"), ("img_emb", "npy"), ("metadata", "parquet")):
        names = sorted(path.name for path in (out / kind).iterdir())
        assert names == [f"{kind}_{number}.{ending}" for number in numbers]
    texts = {**stored(runs / "images", "safe"), **stored(runs / "images", "unsafe")}
    pictures = stored(runs / "images", "images", "image_sha256")
    seen, without = [], 0
    for number in numbers:
        text = np.load(out / "text_emb" / f"text_emb_{number}.npy", mmap_mode="r")
        image = np.load(out / "img_emb" / f"img_emb_{number}.npy", mmap_mode="r")
        frame = pd.read_parquet(out / "metadata" / f"metadata_{number}.parquet")
        assert [*frame.columns] == [
            *("image_path", "caption", "id", "label", "category", "source", "sha256"),
        ]
        assert (text.dtype, image.dtype) == (np.float16, np.float16)
        assert text.shape == image.shape == (len(frame), WIDTH)
        for at, row in enumerate(frame.to_dict("records")):
            assert text[at].tobytes() == texts[row["id"]]
            if pd.isna(row["sha256"]):
                assert pd.isna(row["image_path"])
                assert not image[at].any()
                without += 1
            else:
                assert image[at].tobytes() == pictures[row["sha256"]]
                assert (
                    hashlib.sha256(Path(row["image_path"]).read_bytes()).hexdigest()
                    == (row["sha256"])
                )
            seen.append((row["label"], row["caption"]))
    assert without == 4
    assert sorted(seen) == sorted([("safe", c) for c in SAFE] + [("unsafe", c) for c in UNSAFE])


def test_a_run_of_an_earlier_version_gives_the_same(runs: Path, tmp_path: Path) -> None:
    pools = ["--safe", runs / "safe.jsonl", "--unsafe", runs / "unsafe.jsonl"]
    old = tmp_path / "old"
    assert call("ingest", "-w", old, *pools, "--shard-rows", 8, "--quiet").code == 0
    assert call("embed", "-w", old, "--source", runs / "source", "--quiet").code == 0
    assert len(as_parquet(old / "embed")) > 6
    assert export(runs / "images", tmp_path / "new").code == export(old, tmp_path / "out").code == 0
    found = [
        {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*_*.*"))}
        for folder in (tmp_path / "new", tmp_path / "out")
    ]
    assert len(found[0]) == 18
    assert found[0] == found[1]


def test_an_earlier_export_is_replaced_and_other_files_never(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export(runs / "images", out).code == 0
    assert export(runs / "text", out).code == 0
    assert not (out / "img_emb").exists()
    (out / "notes.txt").write_text("mine")
    said = export(runs / "text", out)
    assert (said.code, said.err.count("\n")) == (7, 1)
    assert "notes.txt" in said.err
    assert "choose another --out" in said.err
    assert (out / "notes.txt").read_text() == "mine"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert export(runs / "text", empty).code == 0


def refused(said: Said, *words: str) -> None:
    assert (said.code, said.err.count("\n"), said.out) == (4, 1, "")
    for word in words:
        assert word in said.err


def test_what_is_no_run_with_vectors_is_refused(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(export(tmp_path / "gone", out), "gone: no such folder")
    refused(export(runs / "source", out), "not the folder of a run", "ingest/stage.json")
    pool = write_jsonl(tmp_path / "safe.jsonl", SAFE)
    ingest = ("ingest", "-w", tmp_path / "run", "--safe", pool, "--quiet")
    assert call(*ingest).code == 0
    refused(export(tmp_path / "run", out), "has no vectors yet", "nsfwcaps embed --out")
    assert call("embed", "-w", tmp_path / "run", "--source", runs / "source", "--quiet").code == 0
    write_jsonl(pool, SAFE[:-1])
    assert call(*ingest).code == 0
    refused(export(tmp_path / "run", out), "captions have changed since embed ran")
    assert not out.exists()


def test_a_damaged_file_is_named_and_nothing_is_left(runs: Path, tmp_path: Path) -> None:
    pool = write_jsonl(tmp_path / "safe.jsonl", SAFE)
    run, out = tmp_path / "run", tmp_path / "out"
    assert call("ingest", "-w", run, "--safe", pool, "--shard-rows", 20, "--quiet").code == 0
    assert call("embed", "-w", run, "--source", runs / "source", "--quiet").code == 0
    path = sorted((run / "embed").glob("safe-*.arrow"))[1]
    path.write_bytes(path.read_bytes()[:-500])
    advice = f"run the command that made {run}, with its options, again to rebuild it"
    refused(export(run, out), f"{path} is missing or damaged; {advice}")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["run", "safe.jsonl"]


def test_no_caption_is_printed(runs: Path, tmp_path: Path) -> None:
    """`call` checks each output for the word that every caption has."""
    assert all(MARKER in caption for caption in [*SAFE, *UNSAFE])
    assert export(runs / "images", tmp_path / "out").out.count("\n") == 3
