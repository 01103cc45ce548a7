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

import pytest
from support.shared_run import SharedPools, copied, outputs, run

from nsfwcaps import pipeline
from nsfwcaps.artifacts import StageFolder
from nsfwcaps.errors import ConfigError, ModelError, StorageError
from nsfwcaps.executors import claims as claims_module
from nsfwcaps.executors.claims import Claims, summary
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.settings import parsed_part
from nsfwcaps.progress import Silent
from nsfwcaps.sharing import Part
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
    begun = threading.Event()
    beating = claims_module.OpenClaim.beating

    def noted(self: claims_module.OpenClaim) -> object:
        begun.set()
        return beating(self)

    monkeypatch.setattr(claims_module.OpenClaim, "beating", noted)
    first.start()
    assert begun.wait(30)
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
    with pytest.raises(ModelError, match="k: 1 → 2"):
        run({"mine": shared_pools.recipe(mine={"k": 2})["mine"]}, tmp_path / "run")


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
        with pytest.raises(StorageError, match=at_work_line), pipeline.locked(out):
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
    make: Make, shared_pools: SharedPools, whole_run: Path, tmp_path: Path, how: str
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest")
    with at_work(shared_pools, out, "1/2"):
        path = out / ".parts" / "embed-1-of-2.json"
        values = json.loads(path.read_bytes())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    values |= {"at_work": True, "pid": gone.pid}
    path.write_text(
        json.dumps(values | {"host": socket.gethostname() if how == "on this machine" else "far"})
    )
    if how == "elsewhere":
        assert [claim.alive for claim in Claims(out, "embed").all()] == [True]
        long_ago = time.time() - 61
        os.utime(path, (long_ago, long_ago))
    assert [claim.alive for claim in Claims(out, "embed").all()] == [False]
    assert "its share is made" in make("1/2")


def test_part_of_a_stage_that_is_not_shared(make: Make, whole_run: Path, tmp_path: Path) -> None:
    from nsfwcaps import recipes

    copied(whole_run, tmp_path / "run", "ingest", "embed", "mine")
    with pytest.raises(ConfigError, match="grade is next, and one process does it"):
        make("1/2", recipes.parse({"grade": {}}, where="test"))


def test_part_while_the_driver_is_at_work(
    make: Make, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest")
    monkeypatch.setattr(pipeline, "_PATIENCE_S", 0.1)
    with pipeline.locked(out), pytest.raises(StorageError, match="another nsfwcaps command is"):
        make("1/2")


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2", ""])
def test_part_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected i/n with 1 ≤ i ≤ n, such as 1/8 to 8/8"):
        parsed_part(text)


def test_workers_that_disagree_are_refused(
    make: Make, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(whole_run, tmp_path / "run", "ingest")
    make("1/2")
    own = {"precision": "as imported", "weights": "f" * 64}
    monkeypatch.setattr(EmbedShares, "agreed", property(lambda self: own))
    with pytest.raises(ModelError, match=r"workers differ in weights: part 1/2 has .*, this part"):
        make("2/2")


def test_parts_cover_every_shard_once() -> None:
    found = sorted(item for index in range(4) for item in Part(index, 4).of(range(11)))
    assert found == list(range(11))
