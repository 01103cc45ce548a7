"""A run folder remembers what it is of: other pools are refused, and nothing changes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.shell import (
    STAGE_NAMES,
    Pools,
    Said,
    call,
    safe_captions,
    states,
    tree,
    unsafe_captions,
    write_jsonl,
    write_pools,
    write_vectors,
)

from nsfwcaps.stages.ingest import read, subject

WAYS = "choose another --out, or replace it with --overwrite"

Build = Callable[..., Said]


@pytest.fixture
def pools(tmp_path: Path) -> Pools:
    return write_pools(tmp_path / "pools")


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def built(pools: Pools, workdir: Path) -> Path:
    """Return the folder of a finished run of 60 safe and 24 unsafe captions."""
    assert call("build", "--out", workdir, *pools.options).code == 0
    return workdir


@pytest.fixture
def build(pools: Pools, workdir: Path) -> Build:
    """Return a function that builds from pools, with the vectors of the first ones."""

    def run(safe: object, unsafe: object, *more: object) -> Said:
        pools_of = ("--safe", safe, "--unsafe", unsafe)
        return call("build", "--out", workdir, *pools_of, "--source", pools.vectors, *more)

    return run


def other_pools(folder: Path) -> Pools:
    """Pools of the same kind, of which no caption is in the first ones."""
    folder.mkdir()
    safe, unsafe = (
        [item.replace("table", "shelf") for item in made]
        for made in (safe_captions(60), unsafe_captions(24))
    )
    return Pools(
        safe=write_jsonl(folder / "safe.jsonl", safe),
        unsafe=write_jsonl(folder / "unsafe.jsonl", unsafe),
        vectors=write_vectors(folder / "vectors", [*safe, *unsafe]),
    )


def test_other_pools_are_refused_by_name(built: Path, tmp_path: Path) -> None:
    others, before = other_pools(tmp_path / "others"), tree(built)
    for more in ((), ("--dry-run",), ("--json",)):
        said = call("build", "--out", built, *others.options, *more)
        assert said.code == 4
        assert said.err.splitlines() == [
            f"error: {built} holds another run (24 pairs); nothing was changed:",
            f"  ingest: no longer given: safe {tmp_path}/pools/safe.jsonl (0 of its 60 captions "
            "are in the wanted pools)",
            f"  ingest: no longer given: unsafe {tmp_path}/pools/unsafe.csv (0 of its 24 captions "
            "are in the wanted pools)",
            f"  ingest: new: safe {others.safe}",
            f"  ingest: new: unsafe {others.unsafe}",
            f"  {WAYS} (in Python overwrite=True)",
        ]
        assert tree(built) == before
    assert set(states(call("status", built, "--json")).values()) == {"up to date"}


def test_overwrite_replaces_the_run_and_says_so(built: Path, tmp_path: Path) -> None:
    others, before = other_pools(tmp_path / "others"), tree(built)
    plan = call("build", "--out", built, *others.options, "--overwrite", "--dry-run")
    assert plan.code == 0
    assert "replaces another run: no longer given: safe" in plan.out
    assert tree(built) == before
    said = call("build", "--out", built, *others.options, "--overwrite")
    assert said.code == 0
    assert "replaced another run: no longer given: safe" in said.out
    again = call("build", "--out", built, *others.options)
    assert (again.code, again.out.count("up to date")) == (0, 5)
    assert "replaced another run" not in again.out


def test_each_stage_and_recipe_refuses_too(built: Path, tmp_path: Path) -> None:
    others, before = other_pools(tmp_path / "others"), tree(built)
    of_others = ("--safe", others.safe, "--unsafe", others.unsafe)
    for command in (
        ("ingest", "--workdir", built, *of_others),
        ("run", "mine", "--workdir", built),
        ("demo", "--out", built),
        ("construct", "--out", built, "--pool", others.safe),
    ):
        said = call(*command)
        assert (said.code, WAYS in said.err) == (4, True), said
        assert tree(built) == before


def test_swapped_sides_are_other_pools(built: Path, pools: Pools, build: Build) -> None:
    before = tree(built)
    assert build(pools.unsafe, pools.safe).code == 4
    assert tree(built) == before


def test_other_spellings_and_places_are_the_same_pools(
    built: Path, pools: Pools, build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pools.safe.parent)
    assert build("safe.jsonl", "./unsafe.csv").code == 0
    (tmp_path / "link.jsonl").symlink_to(pools.safe)
    assert build(tmp_path / "link.jsonl", pools.unsafe).code == 0
    moved = shutil.move(pools.safe, tmp_path / "moved.jsonl")
    assert build(moved, pools.unsafe).code == 0
    assert build(f"{tmp_path}/mov*.jsonl", pools.unsafe).code == 0
    assert set(states(call("status", built, "--json")).values()) == {"up to date"}


def test_growth_and_edits_are_no_other_pools(
    built: Path, pools: Pools, build: Build, tmp_path: Path
) -> None:
    """One more pool; a file that grew; half of its captions edited."""
    more = write_jsonl(tmp_path / "more.jsonl", safe_captions(9))
    assert build(pools.safe, pools.unsafe, "--safe", more).code == 0
    write_jsonl(pools.safe, safe_captions(60)[20:])
    assert build(pools.safe, pools.unsafe, "--safe", more).code == 0
    assert build(pools.safe, pools.unsafe).code == 4  # 9 captions are nowhere else


def test_changed_file_is_another_pool_if_most_captions_are_gone(
    built: Path, pools: Pools, build: Build
) -> None:
    before = tree(built)
    for left, code in ((29, 4), (30, 0)):
        write_jsonl(pools.safe, safe_captions(60)[:left])
        said = build(pools.safe, pools.unsafe)
        assert said.code == code
        if code:
            assert f"ingest: {left} of its 60 safe captions are in the wanted pools" in said.err
            assert tree(built) == before


def test_grown_copy_under_another_name_is_the_same_pool(
    built: Path, build: Build, pools: Pools, tmp_path: Path
) -> None:
    copy = write_jsonl(tmp_path / "v2.jsonl", safe_captions(60)[6:])
    assert build(copy, pools.unsafe).code == 0
    copy = write_jsonl(tmp_path / "v3.jsonl", safe_captions(40)[6:])
    assert build(copy, pools.unsafe).code == 4


def test_other_column_of_the_same_file_is_another_pool(tmp_path: Path, workdir: Path) -> None:
    table, pools = tmp_path / "pool.csv", write_pools(tmp_path / "pools")
    rows = [f"{a},{b}" for a, b in zip(safe_captions(60), safe_captions(120)[60:], strict=True)]
    table.write_text("\n".join(["one,two", *rows, ""]))
    ingest = ("ingest", "-w", workdir, "--safe", table, "--unsafe", pools.unsafe)
    assert call(*ingest, "--safe-caption-column", "one").code == 0
    before = tree(workdir)
    said = call(*ingest, "--safe-caption-column", "two")
    assert said.code == 4
    assert "safe_caption_column: two, before one" in said.err
    assert tree(workdir) == before


def test_folder_pool_that_lost_a_file(tmp_path: Path, workdir: Path) -> None:
    folder, pools = tmp_path / "safe", write_pools(tmp_path / "pools")
    for part in range(4):
        write_jsonl(folder / f"{part}.jsonl", safe_captions(80)[part * 20 : part * 20 + 20])
    ingest = ("ingest", "-w", workdir, "--safe", folder, "--unsafe", pools.unsafe)
    assert call(*ingest).code == 0
    (folder / "3.jsonl").unlink()
    assert call(*ingest).code == 0
    for part in (1, 2):
        (folder / f"{part}.jsonl").unlink()
    said = call(*ingest)
    assert (said.code, "20 of its 60 safe captions are in" in said.err) == (4, True)


def test_killed_overwrite_goes_on_as_an_overwrite(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before ingest has finished, the folder is of the old pools; afterwards of the new ones."""
    from nsfwcaps.stages.embed import run as embed

    others = other_pools(tmp_path / "others")
    real = embed.run
    monkeypatch.setattr(embed, "run", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
    assert call("build", "--out", built, *others.options, "--overwrite").code == 130
    monkeypatch.setattr(embed, "run", real)
    assert call("build", "--out", built, *others.options).code == 0


def test_run_whose_ingest_never_finished_is_of_nothing_yet(
    pools: Pools, workdir: Path, build: Build, tmp_path: Path
) -> None:
    assert build(pools.safe, "nowhere.csv").code == 3
    others = other_pools(tmp_path / "others")
    assert call("build", "--out", workdir, *others.options).code == 0


def test_record_of_an_earlier_version_remembers_too(
    built: Path, pools: Pools, build: Build, tmp_path: Path
) -> None:
    path = built / "ingest" / "stage.json"
    values = json.loads(path.read_text())
    values["version"] = "0.1"
    for name in ("split", "config", "keep_columns", "partner_column"):
        del values["settings"][name]
    values["fingerprint"] = "of another version"
    path.write_text(json.dumps(values))
    assert call("build", "--out", built, *other_pools(tmp_path / "o").options).code == 4
    assert build(pools.safe, pools.unsafe).code == 0


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def grown(pools: Pools) -> None:
    """Add a caption to the safe pool, and its vector."""
    write_jsonl(pools.safe, [*safe_captions(60), *safe_captions(61)[60:]])
    write_vectors(pools.vectors, [*safe_captions(61), *unsafe_captions(24)])


def test_damaged_file_of_ingest_blocks_nothing(
    built: Path, pools: Pools, build: Build, tmp_path: Path
) -> None:
    """The data set tells what the run was of: others are refused, a grown pool is not."""
    others = other_pools(tmp_path / "others")

    def damage() -> None:
        for side in ("safe", "unsafe"):
            truncate(next((built / "ingest").glob(f"{side}-*.parquet")))

    damage()
    said = call("build", "--out", built, *others.options)
    assert (said.code, WAYS in said.err) == (4, True)
    assert "of its 24 captions are in the wanted pools" in said.err
    grown(pools)
    said = build(pools.safe, pools.unsafe)
    assert (said.code, said.err) == (0, "")
    damage()
    assert build(pools.safe, pools.unsafe).code == 0
    assert set(states(call("status", built, "--json")).values()) == {"up to date"}
    damage()
    assert call("build", "--out", built, *others.options, "--overwrite").code == 0


def test_without_a_readable_caption_the_names_of_the_pools_count(
    built: Path, pools: Pools, build: Build, tmp_path: Path
) -> None:
    truncate(next((built / "ingest").glob("safe-*.parquet")))
    for path in [*built.glob("dataset/data/*"), *built.glob("publish/*/data/*")]:
        truncate(path)
    others = other_pools(tmp_path / "others")
    said = call("build", "--out", built, *others.options)
    assert said.code == 4
    assert f"no longer given: safe {pools.safe} (the run's captions cannot be read)" in said.err
    grown(pools)
    assert build(pools.safe, pools.unsafe).code == 0


@pytest.mark.parametrize(
    "lost",
    [
        ("ingest",),
        ("ingest", "dataset"),
        ("ingest", "publish"),
        ("ingest", "embed", "mine", "grade", "publish"),
    ],
)
def test_data_set_is_guarded_without_the_folder_of_ingest(
    lost: tuple[str, ...], built: Path, pools: Pools, build: Build, tmp_path: Path
) -> None:
    for name in lost:
        shutil.rmtree(built / name)
    before, others = tree(built), other_pools(tmp_path / "others")
    said = call("build", "--out", built, *others.options)
    assert (said.code, WAYS in said.err) == (4, True)
    assert "24 captions are in the wanted pools" in said.err
    assert f"ingest: new: unsafe {others.unsafe}" in said.err
    assert tree(built) == before
    moved = shutil.copy(pools.safe, tmp_path / "moved.jsonl")
    assert build(moved, pools.unsafe).code == 0
    shutil.rmtree(built / "ingest")
    grown(pools)
    assert build(pools.safe, pools.unsafe).code == 0
    shutil.rmtree(built / "ingest")
    assert call("build", "--out", built, *others.options, "--overwrite").code == 0


def test_folder_with_nothing_but_pairs_is_guarded_by_their_ids(
    built: Path, pools: Pools, build: Build, tmp_path: Path
) -> None:
    for name in STAGE_NAMES:
        shutil.rmtree(built / name)
    (built / "dataset" / "manifest.json").write_text("{}")
    before, others = tree(built), other_pools(tmp_path / "others")
    said = call("build", "--out", built, *others.options)
    assert (said.code, WAYS in said.err) == (4, True)
    assert "0 of its 24 unsafe captions are in the wanted pools" in said.err
    assert tree(built) == before
    assert build(pools.safe, pools.unsafe).code == 0


def test_comparing_closes_the_file_that_it_leaves_early(
    pools: Pools, build: Build, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "_BLOCK", 8)
    closed = []
    monkeypatch.setattr(read.PoolRows, "close", lambda rows: closed.append(rows._read.close()))
    grown(pools)
    assert build(pools.safe, pools.unsafe, "--dry-run").code == 0
    assert closed == [None]


def test_captions_that_are_gone_are_counted(built: Path, pools: Pools, build: Build) -> None:
    for left, gone, total in ((40, 20, 60), (25, 15, 40)):
        write_jsonl(pools.safe, safe_captions(60)[:left])
        line = f"safe: {gone} of the {total} captions of the run before are gone"
        said = build(pools.safe, pools.unsafe, "--json").json["stages"][0]
        assert line in said["notes"]
        assert not any("unsafe:" in note for note in said["notes"])
        assert "are gone" not in build(pools.safe, pools.unsafe).out


def test_lost_pool_is_named_before_anything_is_compared(built: Path, build: Build) -> None:
    before = tree(built)
    said = build("nowhere.jsonl", "nowhere.csv")
    assert (said.code, "no such file" in said.err) == (3, True)
    assert tree(built) == before


def test_another_world_is_refused(tmp_path: Path) -> None:
    world = ("world", "--out", tmp_path / "w", "--scenes", 12)
    assert call(*world).code == 0
    before = tree(tmp_path / "w")
    said = call(*world, "--seed", 1)
    assert (said.code, "world: seed: 1, before 0" in said.err) == (4, True)
    assert tree(tmp_path / "w") == before
    assert call("world", "--out", tmp_path / "w", "--scenes", 16).code == 0
    assert call(*world, "--seed", 1, "--overwrite").code == 0


def test_reasons_name_settings_with_both_values(built: Path, pools: Pools, build: Build) -> None:
    plan = build(pools.safe, pools.unsafe, "--k", 3, "--dry-run", "--json").json["plan"]
    assert {name: facts["why"] for name, facts in plan.items()} == {
        "ingest": [],
        "embed": [],
        "mine": ["k: 1 → 3"],
        "grade": ["mine will run again"],
        "publish": ["mine and grade will run again"],
    }
    text = build(pools.safe, pools.unsafe, "--k", 3, "--dry-run").out
    assert "mine     stale" in text
    assert "- k: 1 → 3" in text


def test_reasons_name_files(built: Path, pools: Pools) -> None:
    write_jsonl(pools.safe, safe_captions(61))
    rows = {row["stage"]: row for row in call("status", built, "--json").json["stages"]}
    assert rows["ingest"]["why"] == [f"safe {pools.safe} changed"]
    assert [*rows] == [*STAGE_NAMES]
    (path,) = (built / "mine").glob("pairs-*.parquet")
    path.unlink()
    said = call("status", built).out
    assert f"- mine/{path.name} is missing" in said
    assert f"- safe {pools.safe} changed" in said
