"""`--part i/n`: parts in any order, some twice, some killed: the same bytes as one process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.shared_run import SharedPools, copied, outputs, run

from nsfwcaps import pipeline
from nsfwcaps.artifacts import StageFolder
from nsfwcaps.errors import ArtifactError, ConfigError, ModelError, StorageError
from nsfwcaps.executors import claims as claims_module
from nsfwcaps.executors import driver_lock
from nsfwcaps.executors import parts as parts_module
from nsfwcaps.executors.claims import Claims, summary
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.settings import parsed_part
from nsfwcaps.progress import Silent
from nsfwcaps.stage import Recipe
from nsfwcaps.stages.embed.shares import EmbedShares

Make = Callable[..., str]


@pytest.fixture
def make(shared_pools: SharedPools, tmp_path: Path) -> Make:
    """Make a part of a recipe in the test's run; return the line."""

    def call(part: str, recipe: Recipe | None = None) -> str:
        own = recipe or shared_pools.recipe()
        made = pipeline.run_part(own, tmp_path / "run", parsed_part(part), Silent())
        return "up to date" if made is None else made.line

    return call


def test_parts_then_a_call_without_write_the_bytes_of_one(
    make: Make, shared_pools: SharedPools, whole_run: Path, tmp_path: Path
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest")
    embed = "embed    part"
    assert make("2/3") == (
        f"{embed} 2/3: its share is made; left: parts 1/3, 3/3, then once without --part"
    )
    assert make("2/3").startswith(f"{embed} 2/3: its share is made")
    assert (
        make("1/3") == f"{embed} 1/3: its share is made; left: parts 3/3, then once without --part"
    )
    assert (
        make("3/3") == f"{embed} 3/3: all parts are made; run the same command once without --part"
    )
    assert len(list((out / "embed").glob("*.arrow"))) == 9
    run({"embed": shared_pools.recipe()["embed"]}, out)
    assert not (out / ".parts").exists()
    assert make("1/2") == (
        "mine     part 1/2: its share of search is made; what follows needs parts 2/2: run them, "
        "then this part again"
    )
    assert (
        make("2/2")
        == "mine     part 2/2: its share is made; left: parts 1/2, then once without --part"
    )
    run(shared_pools.recipe(), out)
    assert outputs(out) == outputs(whole_run)
    assert make("1/2") == "up to date"


def test_driver_finds_all_shards_of_the_parts(
    make: Make,
    shared_pools: SharedPools,
    whole_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest")
    make("1/2")
    make("2/2")
    made = []
    make_shard = StageFolder.make_shard
    monkeypatch.setattr(
        StageFolder, "make_shard", lambda self, *of: made.append(of[0]) or make_shard(self, *of)
    )
    run({"embed": shared_pools.recipe()["embed"]}, out)
    assert made == []


def test_part_waits_for_one_at_work_that_the_next_phase_needs(
    make: Make, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(whole_run, tmp_path / "run", "ingest", "embed")
    lines: list[str] = []
    first = threading.Thread(target=lambda: lines.append(make("1/2")))
    both = threading.Barrier(2)
    agree = parts_module._agree

    def noted(*args: Any) -> None:
        both.wait(30)
        agree(*args)

    monkeypatch.setattr(parts_module, "_agree", noted)
    first.start()
    lines.append(make("2/2"))
    first.join()
    assert "all parts are made" in "".join(lines)
    assert "what follows needs" not in "".join(lines)


def test_part_of_other_options_is_refused(
    make: Make, shared_pools: SharedPools, whole_run: Path, tmp_path: Path
) -> None:
    copied(whole_run, tmp_path / "run", "ingest", "embed")
    make("1/2")
    with pytest.raises(ModelError, match=r"mine: .* other shards than the others: k: 1 → 2; give"):
        make("2/2", shared_pools.recipe(mine={"k": 2}))
    other = {"mine": shared_pools.recipe(mine={"k": 2})["mine"]}
    told = r"k: 1 → 2; give .*, or forget part 1/2, which has ended, with --overwrite"
    with pytest.raises(ModelError, match=told):
        run(other, tmp_path / "run")
    pipeline.run(other, tmp_path / "run", Silent(), overwrite=True)
    assert not (tmp_path / "run" / ".parts").exists()


def test_part_that_forgets_those_of_other_options(
    make: Make, shared_pools: SharedPools, whole_run: Path, tmp_path: Path
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest", "embed")
    make("1/3", shared_pools.recipe(mine={"k": 2}))
    made = pipeline.run_part(
        shared_pools.recipe(), out, parsed_part("2/2"), Silent(), overwrite=True
    )
    assert made is not None
    assert [path.name for path in (out / ".parts").iterdir()] == ["mine-2-of-2.json"]
    make("1/2")
    run(shared_pools.recipe(), out)
    assert outputs(out) == outputs(whole_run)


def test_shards_that_were_damaged_between_parts(
    make: Make, shared_pools: SharedPools, whole_run: Path, tmp_path: Path
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest", "embed")
    make("1/2")
    make("2/2")
    first, second, *_ = sorted((out / "mine").glob("candidates-*.parquet"))
    first.unlink()
    second.write_bytes(b"damaged")
    # Each part makes its own share again; the other's is not there yet.
    with pytest.raises(ArtifactError, match="shards of search have been removed or damaged since"):
        make("1/2")
    assert "its share is made" in make("2/2")
    assert "all parts are made" in make("1/2")
    run(shared_pools.recipe(), out)
    assert outputs(out) == outputs(whole_run)


def test_part_cannot_begin_while_another_command_begins(
    make: Make,
    shared_pools: SharedPools,
    whole_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A driver that begins after a part has looked for one, and before the part is claimed."""
    out = copied(whole_run, tmp_path / "run", "ingest")
    monkeypatch.setattr(driver_lock, "_PATIENCE_S", 0.1)
    of = Order.of
    driver = driver_lock.locked(out)

    def slow(*args: object) -> Order:
        driver.__enter__()
        return of(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(Order, "of", slow)
    try:
        with pytest.raises(StorageError, match="another nsfwcaps command is using"):
            make("1/2")
    finally:
        driver.__exit__(None, None, None)
    assert not (out / ".parts").exists()


def test_same_part_at_work_twice_is_refused(
    make: Make, shared_pools: SharedPools, whole_run: Path, tmp_path: Path
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest")
    with at_work(shared_pools, out, "1/2"):
        with pytest.raises(StorageError, match=rf"part 1/2 of embed .* {os.getpid()} on "):
            make("1/2")
        with pytest.raises(
            StorageError, match=r"part 1/2 of embed is at work .* cannot be part 1/3"
        ):
            make("1/3")
        at_work_line = r"part 1/2 of embed is at work in .*; wait for it"
        with pytest.raises(StorageError, match=at_work_line), driver_lock.locked(out):
            pass
        assert summary(out, "embed") == f"parts of 2: 1/2 at work on {socket.gethostname()}"
        assert "left: parts 1/2" in make("2/2")
    assert summary(out, "embed") == "parts of 2: 1/2 stopped, 2/2 made flags"
    assert "left: parts 2/3" in make("1/3")


def at_work(pools: SharedPools, out: Path, part: str):  # type: ignore[no-untyped-def]
    settings = pools.recipe()["embed"]
    ingest = StageFolder(out / "ingest").record()
    assert ingest is not None
    order = Order.of("embed", settings, out, {"ingest": ingest})
    return Claims(out, "embed").made(order, parsed_part(part))


@pytest.mark.parametrize("how", ["on this machine", "elsewhere"])
def test_claim_of_a_dead_process_stops_nobody(
    make: Make,
    shared_pools: SharedPools,
    whole_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest")
    with at_work(shared_pools, out, "1/2"):
        path = out / ".parts" / "embed-1-of-2.json"
        values = json.loads(path.read_bytes())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    values |= {"at_work": True, "pid": gone.pid}
    (out / ".parts" / ".now-far-1").write_bytes(b"")  # it was killed as it looked at the time
    path.write_text(
        json.dumps(values | {"host": socket.gethostname() if how == "on this machine" else "far"})
    )
    if how == "elsewhere":
        assert [claim.alive for claim in Claims(out, "embed").all()] == [True]
        long_ago = time.time() - 61
        os.utime(path, (long_ago, long_ago))
    assert [claim.alive for claim in Claims(out, "embed").all()] == [False]
    monkeypatch.setattr(claims_module, "_PROBE", "no/such/folder/")  # as in one that is read-only
    assert [claim.alive for claim in Claims(out, "embed").all()] == [False]
    monkeypatch.undo()
    assert "its share is made" in make("1/2")
    Claims(out, "embed").remove()
    assert not (out / ".parts").exists()


def test_part_of_a_stage_that_is_not_shared(make: Make, whole_run: Path, tmp_path: Path) -> None:
    from nsfwcaps import recipes

    copied(whole_run, tmp_path / "run", "ingest", "embed", "mine")
    with pytest.raises(ConfigError, match="grade is next, and one process does it"):
        make("1/2", recipes.parse({"grade": {}}, where="test"))


def test_part_of_an_approximate_index(
    make: Make, shared_pools: SharedPools, whole_run: Path, tmp_path: Path
) -> None:
    copied(whole_run, tmp_path / "run", "ingest", "embed")
    told = r"mine is next, and one process builds and searches an index \(--index\): run the same"
    with pytest.raises(ConfigError, match=told):
        make("1/2", shared_pools.recipe(mine={"index": "IVF4,Flat"}))


def test_part_while_the_driver_is_at_work(
    make: Make, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest")
    monkeypatch.setattr(driver_lock, "_PATIENCE_S", 0.1)
    with driver_lock.locked(out), pytest.raises(StorageError, match="another nsfwcaps command is"):
        make("1/2")


def test_workers_that_disagree_are_refused(
    make: Make, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(whole_run, tmp_path / "run", "ingest")
    make("1/2")
    own = {"precision": "as imported", "weights": "f" * 64}
    monkeypatch.setattr(EmbedShares, "agreed", property(lambda self: own))
    with pytest.raises(ModelError, match=r"workers differ in weights: part 1/2 has .*, this part"):
        make("2/2")
