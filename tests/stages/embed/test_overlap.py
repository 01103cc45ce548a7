"""embed reads ahead and writes behind: its order, and what a kill or a full disk leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.chosen_vectors import ChosenVectors, Project, at, rows
from support.ingest_place import Place

from nsfwcaps import artifacts
from nsfwcaps.artifacts import StageFolder
from nsfwcaps.pipeline import run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.embed.settings import EmbedSettings

UNSAFE = [f"a handgun on shelf {number}" for number in range(8)]
SAFE = [f"a vase on shelf {number}" for number in range(24)]
VECTORS = {caption: at(3 * number) for number, caption in enumerate([*UNSAFE, *SAFE])}
SHARDS = 16


@pytest.fixture
def project(place: Place, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(place, monkeypatch)
    made.ingest(UNSAFE, SAFE, shard_rows=2)
    return made


def journal(project: Project) -> list[dict[str, Any]]:
    lines = (project.workdir / "embed" / "shards.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_shards_are_journalled_in_the_order_of_ingest(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt  # finishing rewrites the journal

    monkeypatch.setattr(StageFolder, "finish", stop)
    with pytest.raises(KeyboardInterrupt):
        project.embed(ChosenVectors(VECTORS))
    stems = [file["path"].rpartition("-")[0] for row in journal(project) for file in row["files"]]
    ingest = StageFolder(project.workdir / "ingest").record()
    assert ingest is not None
    names = {
        label: [path.stem.rpartition("-")[0] for path in ingest.paths(label)]
        for label in ("unsafe", "safe")
    }
    assert stems == [*names["unsafe"], *names["safe"]]
    assert len(stems) == SHARDS


def test_the_encoder_waits_for_a_slow_disk(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, ahead = artifacts.write_atomically, []
    calls: list[int] = []

    class Counted(ChosenVectors):
        def encode_text(self, captions: Any, advance: Any) -> Any:
            calls.append(len(captions))
            return super().encode_text(captions, advance)

    def slow(path: Path, data: Any, **named: Any) -> None:
        if path.suffix == ".arrow":
            threading.Event().wait(0.03)
            ahead.append(len(calls))
        write(path, data, **named)

    monkeypatch.setattr(artifacts, "write_atomically", slow)
    project.embed(Counted(VECTORS))
    of_safe = [encoded - number for number, encoded in enumerate(ahead)][4:]
    assert max(of_safe) <= 5  # itself, three handed over, one being encoded
    assert max(of_safe) >= 2  # it does work ahead


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = artifacts.write_atomically, []

    def full(path: Path, data: Any, **named: Any) -> None:
        if path.suffix == ".arrow":
            written.append(path)
            if len(written) > 6:
                raise OSError(28, "No space left on device")
        write(path, data, **named)

    monkeypatch.setattr(artifacts, "write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        project.embed(ChosenVectors(VECTORS))
    assert len(written) == 7  # the writer tried no other file
    monkeypatch.setattr(artifacts, "write_atomically", write)
    assert len(journal(project)) == 6
    kept = sum(row["rows_out"] for row in journal(project))
    encoder = ChosenVectors(VECTORS)
    record = project.embed(encoder)
    assert len(encoder.asked) == len(VECTORS) - kept
    captions = project.captions()
    for row in [*rows(record, "unsafe"), *rows(record, "safe")]:
        assert row["vector"] == np.float16(VECTORS[captions[row["id"]]]).tolist()


KILLED_RUN = """
import os, signal, sys
from pathlib import Path

from nsfwcaps.pipeline import run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.embed.settings import EmbedSettings

workdir, source, calls = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
fsync = os.fsync


def kill_at_last(handle):
    global calls
    calls -= 1
    if calls == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(handle)


os.fsync = kill_at_last
run_stage(STAGE["embed"], EmbedSettings(source=source), workdir, Silent())
"""


@pytest.mark.parametrize("fsyncs", [1, 8, 21, 40])
def test_a_run_whose_writer_is_killed_goes_on_to_the_same_output(
    place: Place, tmp_path: Path, fsyncs: int
) -> None:
    source = tmp_path / "source"
    for name in ("text_emb", "metadata"):
        (source / name).mkdir(parents=True)
    np.save(source / "text_emb" / "text_emb_0.npy", np.array(list(VECTORS.values())))
    pq.write_table(pa.table({"caption": list(VECTORS)}), source / "metadata" / "metadata_0.parquet")
    settings = EmbedSettings(source=str(source))
    digests = []
    for workdir in ("whole", "work"):
        pools = {"unsafe": UNSAFE, "safe": SAFE}
        files = {name: (place.pool(f"{name}.jsonl", some),) for name, some in pools.items()}
        place.ingest(workdir, **files, shard_rows=2)
        folder = place.folder / workdir
        if workdir == "work":
            arguments = [str(folder), str(source), str(fsyncs)]
            done = subprocess.run([sys.executable, "-c", KILLED_RUN, *arguments], check=False)
            assert done.returncode == -signal.SIGKILL
            assert not (folder / "embed" / "stage.json").exists()
        digests.append(run_stage(STAGE["embed"], settings, folder, Silent()).record.output_digest)
    assert digests[0] == digests[1]
    assert list((place.folder / "work" / "embed").glob(".part-*")) == []
