"""`nsfwcaps.build`: the command's job, from Python."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.shell import (
    MARKER,
    STAGE_NAMES,
    Pools,
    call,
    environment,
    safe_captions,
    tree,
    unsafe_captions,
)

import nsfwcaps
from nsfwcaps import pipeline
from nsfwcaps.errors import ArtifactError, ConfigError, InputError, StorageError
from nsfwcaps.executors import driver_lock


def times(folder: Path) -> dict[str, int]:
    """When each file below a folder was last written."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (".lock", "shards.jsonl")
    }


def test_files_give_what_the_command_gives(pools: Pools, tmp_path: Path) -> None:
    assert call("build", "--out", tmp_path / "command", *pools.options, "--k", "2").code == 0
    run = nsfwcaps.build(
        safe=pools.safe,
        unsafe=str(pools.unsafe),
        source=str(pools.vectors),
        k=2,
        out=tmp_path / "python",
    )
    assert run.digests == nsfwcaps.Run(tmp_path / "command").digests
    assert list(run.digests) == list(STAGE_NAMES)
    assert tree(tmp_path / "python" / "dataset") == tree(tmp_path / "command" / "dataset")


def test_captions_from_memory_give_what_their_file_gives(pools: Pools, tmp_path: Path) -> None:
    run = nsfwcaps.build(
        safe=safe_captions(60),
        unsafe=pd.DataFrame({"caption": unsafe_captions(24), "category": ["weapons"] * 24}),
        source=str(pools.vectors),
        out=tmp_path / "python",
    )
    assert set(run.pairs["category"].to_pylist()) == {"weapons"}
    (safe,) = (run.path / "inputs").glob("safe-*.parquet")
    (unsafe,) = (run.path / "inputs").glob("unsafe-*.parquet")
    call("build", "--out", tmp_path / "command", "--safe", safe, "--unsafe", unsafe,
         "--source", pools.vectors)  # fmt: skip
    assert run.digests == nsfwcaps.Run(tmp_path / "command").digests


def test_the_same_call_again_does_nothing(
    pools: Pools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build() -> nsfwcaps.Run:
        return nsfwcaps.build(
            safe=safe_captions(60),
            unsafe=unsafe_captions(24),
            source=str(pools.vectors),
            out=tmp_path / "run",
        )

    first = build()
    before, skipped = times(first.path), []
    real = pipeline.run_stage

    def watched(*args: Any, **named: Any) -> pipeline.StageOutcome:
        outcome = real(*args, **named)
        skipped.append(outcome.skipped)
        return outcome

    monkeypatch.setattr(pipeline, "run_stage", watched)
    again = build()
    assert skipped == [True] * 5
    assert times(again.path) == before
    assert again.digests == first.digests


def test_other_captions_replace_those_of_the_last_call(pools: Pools, tmp_path: Path) -> None:
    def build(count: int, **more: bool) -> nsfwcaps.Run:
        return nsfwcaps.build(
            safe=safe_captions(60),
            unsafe=unsafe_captions(count),
            source=str(pools.vectors),
            out=tmp_path / "run",
            **more,
        )

    assert build(24).pairs.num_rows == 24
    before = tree(tmp_path / "run")
    with pytest.raises(ArtifactError, match="10 of its 24 unsafe captions are in the wanted pools"):
        build(10)
    assert tree(tmp_path / "run") == before
    assert build(10, overwrite=True).pairs.num_rows == 10
    assert len([*(tmp_path / "run" / "inputs").iterdir()]) == 2


def test_a_setting_of_several_stages_is_set_for_all(pools: Pools, tmp_path: Path) -> None:
    nsfwcaps.build(
        safe=pools.safe,
        unsafe=pools.unsafe,
        source=str(pools.vectors),
        device="cpu",
        memory="64MiB",
        out=tmp_path / "run",
    )
    settings = {
        name: json.loads((tmp_path / "run" / name / "stage.json").read_text())["settings"]
        for name in STAGE_NAMES
    }
    assert settings["embed"]["device"] == settings["mine"]["device"] == "cpu"
    assert settings["mine"]["memory"] == settings["publish"]["memory"] == "64MiB"


def test_every_wrong_setting_is_named_at_once_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        nsfwcaps.build(
            safe=["A vase."], unsafe=["A knife."], k=0, hubcap=1, easy_share=2.0, out=tmp_path / "r"
        )
    lines = str(raised.value).splitlines()
    assert [line.partition(";")[0].partition(": must")[0] for line in lines] == [
        "build: unknown setting 'hubcap'",
        "build: mine.k",
        "build: grade.easy_share",
    ]
    assert "did you mean 'hub_cap'?" in lines[0]
    assert not (tmp_path / "r").exists()


def test_one_side_alone_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unsafe: no pool"):
        nsfwcaps.build(safe=["A vase."], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_errors_are_the_librarys_own(pools: Pools, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        nsfwcaps.build(safe="nowhere.jsonl", unsafe=pools.unsafe, out=tmp_path / "run")
    with pytest.raises(InputError, match="no usable caption in 0 rows"):
        nsfwcaps.build(safe=[], unsafe=pools.unsafe, out=tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a file is where a folder is needed"):
        nsfwcaps.build(safe=pools.safe, unsafe=pools.unsafe, out=tmp_path / "file")
    with (
        driver_lock.locked(tmp_path / "busy"),
        pytest.raises(StorageError, match="another nsfwcaps command is using"),
    ):
        nsfwcaps.build(safe=pools.safe, unsafe=pools.unsafe, out=tmp_path / "busy")


def test_a_file_in_the_way_is_a_storage_error(pools: Pools, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "inputs").write_text("of the user")
    with pytest.raises(StorageError, match="a file is where a folder is needed"):
        nsfwcaps.build(safe=["A vase."], unsafe=["A knife."], out=tmp_path / "run")


def test_help_shows_every_setting_once() -> None:
    parameters = inspect.signature(nsfwcaps.build).parameters
    assert [*parameters][:5] == ["out", "safe", "unsafe", "pool", "overwrite"]
    assert parameters["k"].default == 1
    assert {"model", "hub_cap", "easy_share", "validation_share", "device"} <= {*parameters}


def test_nothing_is_printed_unless_progress_is_asked_for(
    pools: Pools, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = nsfwcaps.build(
        safe=pools.safe, unsafe=pools.unsafe, source=str(pools.vectors), out=tmp_path / "run"
    )
    assert capfd.readouterr() == ("", "")
    print(run, run.summary(), run.facts, run.rejects)
    said = capfd.readouterr().out
    assert "24 pairs" in said
    assert MARKER not in said


SCRIPT = """
import sys, nsfwcaps
safe = [f"A vase and a {word} on table {n}" for n in range(300) for word in ("cup", "clock")]
run = nsfwcaps.build(
    safe=safe,
    unsafe=[f"A handgun and a cup on table {n}" for n in range(40)],
    model="minilm",
    shard_rows=60,
    show_progress=False,
    out=sys.argv[1],
)
print(len(run.pairs))
"""


def journalled(folder: Path) -> dict[str, int]:
    """When each finished file of a stage was written; a file without a journal row is not one."""
    lines = (folder / "shards.jsonl").read_text().splitlines()
    names = {file["path"] for line in lines for file in json.loads(line)["files"]}
    return {name: at for name, at in times(folder).items() if name in names}


def test_ctrl_c_leaves_a_run_that_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real SIGINT while captions are embedded; the same call again goes on from there."""
    out, embed = tmp_path / "run", tmp_path / "run" / "embed"
    command = [sys.executable, "-c", SCRIPT, str(out)]
    process = subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while len(list(embed.glob("safe-*.arrow"))) < 2:
        assert process.poll() is None, process.communicate()[1][-500:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, wrong = process.communicate(timeout=60)
    assert (process.returncode, said) == (-signal.SIGINT, "")
    assert wrong.rstrip().endswith("KeyboardInterrupt")
    assert "vase" not in wrong.replace(SCRIPT, "")
    assert not (embed / "stage.json").exists()
    kept = journalled(embed)
    assert kept
    with pytest.raises(ArtifactError, match="not published yet"):
        _ = nsfwcaps.Run(out).pairs
    monkeypatch.setattr(sys, "argv", ["-c", str(out)])
    exec(SCRIPT, {})
    assert capsys.readouterr() == ("40\n", "")
    assert kept.items() <= times(embed).items(), "what was embedded is not embedded again"


def test_five_lines_in_a_fresh_process(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import nsfwcaps
        pools = {"safe": "bundled:safe.jsonl", "unsafe": "bundled:unsafe.csv"}
        run = nsfwcaps.build(**pools, model="minilm", k=3, out="runs/a")
        print(run.pairs.num_rows, run.rejects.num_rows, *run.facts, len(run.summary()) > 100)
        captions = ["A vase on a table.", "A man at a bus stop."]
        vectors = nsfwcaps.embed(captions, model="minilm")
        found = nsfwcaps.mine(vectors, vectors, k=2, rank="inverted-softmax", hub_cap=3)
        print(found.rows.shape, nsfwcaps.grade(found).levels.shape)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**environment(), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "417 0 ingest embed mine grade publish True\n(2, 2) (2, 2)\n"
    assert done.stderr == ""
    assert os.listdir(tmp_path / "runs") == ["a"]
