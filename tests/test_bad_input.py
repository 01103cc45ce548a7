"""Bad input at the command line: one message, a code, a way out, nothing lost, no caption shown."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from support.shell import (
    MARKER,
    STAGE_NAMES,
    Pools,
    Said,
    call,
    call_process,
    safe_captions,
    tree,
    unsafe_captions,
    write_jsonl,
    write_pools,
    write_vectors,
)
from support.vector_layouts import rename_encoder

from nsfwcaps.vectors.index import gpu_count

Arguments = list[Any]


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    """Two small pools with vectors, which no test changes."""
    return write_pools(tmp_path_factory.mktemp("shared") / "pools")


@pytest.fixture(scope="module")
def finished(pools: Pools) -> Path:
    """Return the folder of a finished run, which no test changes."""
    assert call("build", "--out", pools.safe.parent.parent / "run", *pools.options).code == 0
    return pools.safe.parent.parent / "run"


@pytest.fixture
def workdir(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of a finished run."""
    return Path(shutil.copytree(finished, tmp_path / "work"))


def assert_refused(said: Said, code: int, *parts: object) -> None:
    """One error that names the place and the way out, and ends with its documented code."""
    assert said.code == code, said.err
    assert said.err.startswith("error: ")
    assert said.err.count("error: ") == 1
    assert said.err.count("\n") == 1
    for part in parts:
        assert str(part) in said.err
    for sign in ("Traceback", "internal error", MARKER):
        assert sign not in said.err + said.out


def assert_untouched(workdir: Path, before: dict[str, bytes], stage: str) -> None:
    """The data set, the stage that failed and what follows it stand as they were."""
    kept = ("dataset", *STAGE_NAMES[STAGE_NAMES.index(stage) :])
    after = tree(workdir)
    for name, data in before.items():
        if name.startswith(kept) and not name.endswith("shards.jsonl"):
            assert after.get(name) == data, name


def replaced(pools: Pools, **files: Path) -> Arguments:
    return [
        *("--safe", files.get("safe", pools.safe)),
        *("--unsafe", files.get("unsafe", pools.unsafe)),
        *("--source", files.get("vectors", pools.vectors)),
    ]


def missing_file(pools: Pools, folder: Path) -> Arguments:
    return replaced(pools, safe=folder / "nowhere.jsonl")


def empty_name(pools: Pools, folder: Path) -> Arguments:
    return ["--safe", "", *pools.options]


def unknown_ending(pools: Pools, folder: Path) -> Arguments:
    return replaced(pools, safe=Path(shutil.copy(pools.safe, folder / "pool.docx")))


def unknown_column(pools: Pools, folder: Path) -> Arguments:
    return [*pools.options, "--caption-column", "captoin"]


def no_header(pools: Pools, folder: Path) -> Arguments:
    lines = pools.unsafe.read_text().splitlines(keepends=True)
    (folder / "bare.csv").write_text("".join(lines[1:]))
    return replaced(pools, unsafe=folder / "bare.csv")


def too_many_broken_lines(pools: Pools, folder: Path) -> Arguments:
    with write_jsonl(folder / "broken.jsonl", safe_captions(20)).open("a") as file:
        file.write(f'{{"caption": "{MARKER} cut\n' * 5)
    return replaced(pools, safe=folder / "broken.jsonl")


def invalid_utf8(pools: Pools, folder: Path) -> Arguments:
    line = f"{MARKER} caf\xe9 ".encode() + b"\xff\n"  # neither UTF-8 nor an older encoding
    (folder / "torn.txt").write_bytes(line * 9)
    return replaced(pools, safe=folder / "torn.txt")


def half_a_parquet_file(pools: Pools, folder: Path) -> Arguments:
    path = folder / "half.parquet"
    pq.write_table(pa.table({"caption": safe_captions(60)}), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return replaced(pools, safe=path)


def no_parquet_at_all(pools: Pools, folder: Path) -> Arguments:
    return replaced(pools, safe=Path(shutil.copy(pools.safe, folder / "fake.parquet")))


def half_a_gzip_file(pools: Pools, folder: Path) -> Arguments:
    import gzip

    whole = gzip.compress("".join(f"{item}\n" for item in safe_captions(900)).encode())
    (folder / "half.txt.gz").write_bytes(whole[: len(whole) // 2])
    return replaced(pools, safe=folder / "half.txt.gz")


def broken_json_file(pools: Pools, folder: Path) -> Arguments:
    rows = json.dumps([{"caption": item} for item in safe_captions(60)])
    (folder / "cut.json").write_text(rows[: len(rows) // 2])
    return replaced(pools, safe=folder / "cut.json")


def empty_pool(pools: Pools, folder: Path) -> Arguments:
    return replaced(pools, safe=write_jsonl(folder / "empty.jsonl", []))


def blank_captions(pools: Pools, folder: Path) -> Arguments:
    return replaced(pools, safe=write_jsonl(folder / "blank.jsonl", ["", " "]))


def empty_folder(pools: Pools, folder: Path) -> Arguments:
    (folder / "nothing").mkdir()
    return replaced(pools, safe=folder / "nothing")


def one_pool_for_both_sides(pools: Pools, folder: Path) -> Arguments:
    return replaced(pools, unsafe=pools.safe)


def one_caption_and_k_of_two(pools: Pools, folder: Path) -> Arguments:
    return [*replaced(pools, safe=write_jsonl(folder / "one.jsonl", safe_captions(1))), "--k", "2"]


def k_beyond_the_pool(pools: Pools, folder: Path) -> Arguments:
    return [*pools.options, "--k", "61"]


def k_beyond_all_numbers(pools: Pools, folder: Path) -> Arguments:
    return [*pools.options, "--k", str(10**30)]


def nothing_similar_enough(pools: Pools, folder: Path) -> Arguments:
    return [*pools.options, "--min-similarity", "1"]


def bad_index(pools: Pools, folder: Path) -> Arguments:
    return [*pools.options, "--index", "garbage"]


def recall_too_low(pools: Pools, folder: Path) -> Arguments:
    return [*pools.options, "--index", "IVF16,PQ1x4", "--index-parameters", "nprobe=1"]


def vectors(folder: Path, harm: Callable[[Any], Any]) -> Path:
    captions = [*safe_captions(60), *unsafe_captions(24)]
    rows = np.random.default_rng(0).normal(size=(len(captions), 8)).astype(np.float32)
    return write_vectors(folder / "harmed", captions, harm(rows))


def all_vectors_nan(pools: Pools, folder: Path) -> Arguments:
    return replaced(pools, vectors=vectors(folder, lambda rows: rows * np.nan))


def many_vectors_nan(pools: Pools, folder: Path) -> Arguments:
    def harm(rows: Any) -> Any:
        rows[:20] = np.nan
        return rows

    return replaced(pools, vectors=vectors(folder, harm))


def vectors_of_other_captions(pools: Pools, folder: Path) -> Arguments:
    return replaced(pools, vectors=write_vectors(folder / "others", ["A spoon", "A fork"]))


def vectors_short_of_rows(pools: Pools, folder: Path) -> Arguments:
    return replaced(pools, vectors=vectors(folder, lambda rows: rows[:-3]))


def vectors_of_two_widths(pools: Pools, folder: Path) -> Arguments:
    made = vectors(folder, lambda rows: rows)
    np.save(made / "text_emb" / "text_emb_0001.npy", np.ones((2, 5), dtype=np.float32))
    table = pa.table({"caption": ["A spoon", "A fork"]})
    pq.write_table(table, made / "metadata" / "metadata_0001.parquet")
    return replaced(pools, vectors=made)


def vectors_cut_short(pools: Pools, folder: Path) -> Arguments:
    made = vectors(folder, lambda rows: rows)
    path = made / "text_emb" / "text_emb_0000.npy"
    path.write_bytes(path.read_bytes()[:-100])
    return replaced(pools, vectors=made)


def no_vectors(pools: Pools, folder: Path) -> Arguments:
    return replaced(pools, vectors=folder)


def no_model(pools: Pools, folder: Path) -> Arguments:
    return [*pools.options[:4], "--model", "wordtovec"]


def no_weights(pools: Pools, folder: Path) -> Arguments:
    return [*pools.options[:4], "--model", f"open_clip:ViT-B-32/{folder}/none.pt"]


CASES = [
    (missing_file, 3, "ingest", ["nowhere.jsonl", "no such file"]),
    (empty_name, 3, "ingest", ["empty pool name", "expected a file"]),
    (unknown_ending, 3, "ingest", ["pool.docx", "unknown file format; expected"]),
    (unknown_column, 3, "ingest", ["safe.jsonl", "did you mean 'caption'?"]),
    (no_header, 3, "ingest", ["bare.csv", "-caption-column 0", "header"]),
    (too_many_broken_lines, 3, "ingest", ["broken.jsonl", "5 broken_json", "--max-reject-share"]),
    (invalid_utf8, 3, "ingest", ["torn.txt", "9 invalid_utf8"]),
    (half_a_parquet_file, 3, "ingest", ["half.parquet", "again"]),
    (no_parquet_at_all, 3, "ingest", ["fake.parquet"]),
    (half_a_gzip_file, 3, "ingest", ["half.txt.gz", "again"]),
    (broken_json_file, 3, "ingest", ["cut.json", "fix the file"]),
    (empty_pool, 3, "ingest", ["empty.jsonl", "no usable caption in 0 rows", "use another file"]),
    (blank_captions, 3, "ingest", ["blank.jsonl", "2 empty"]),
    (empty_folder, 3, "ingest", ["nothing", "no data files in this folder"]),
    (one_pool_for_both_sides, 3, "ingest", ["check that --safe and --unsafe are different pools"]),
    (one_caption_and_k_of_two, 2, "mine", ["k=2", "lower --k"]),
    (k_beyond_the_pool, 2, "mine", ["k=61", "at least as many safe captions, got 60", "lower --k"]),
    (k_beyond_all_numbers, 2, "mine", ["at least as many safe captions, got 60", "lower --k"]),
    (nothing_similar_enough, 3, "grade", ["24", "below_min_similarity", "loosen min_similarity"]),
    (bad_index, 2, "mine", ["mine.index", "'garbage'"]),
    (recall_too_low, 8, "mine", ["mine.index", "min_recall", "remove --index"]),
    (all_vectors_nan, 3, "embed", ["not_finite", "embed.source"]),
    (many_vectors_nan, 3, "embed", ["20 of 84", "not_finite", "--max-reject-share"]),
    (vectors_of_other_captions, 3, "embed", ["not_in_source", "embed.source"]),
    (vectors_short_of_rows, 3, "embed", ["text_emb_0000.npy", "one row per vector"]),
    (vectors_of_two_widths, 3, "embed", ["text_emb_0001.npy", "width 8, got 5", "one encoder"]),
    (vectors_cut_short, 3, "embed", ["text_emb_0000.npy", "again"]),
    (no_vectors, 3, "embed", ["text_emb/*.npy", "clip-retrieval"]),
    (no_model, 2, "embed", ["'wordtovec'", "expected minilm"]),
    (no_weights, 5, "embed", ["none.pt", "there is no checkpoint", "check its path"]),
]

TYPES = {2: "ConfigError", 3: "InputError", 5: "ModelError", 8: "RecallError"}
"""Type of an error under `--json`, by exit code."""


@pytest.mark.parametrize(
    ("prepare", "code", "stage", "parts"), CASES, ids=[case[0].__name__ for case in CASES]
)
def test_bad_input_is_refused_with_one_message(
    prepare: Callable[[Pools, Path], Arguments],
    code: int,
    stage: str,
    parts: list[str],
    pools: Pools,
    workdir: Path,
    tmp_path: Path,
) -> None:
    before = tree(workdir)
    # Without --overwrite, a run of other pools is refused before they are read.
    arguments = [*prepare(pools, tmp_path), "--overwrite"]
    for quiet in ([], ["--json"]):
        said = call("build", "--out", workdir, *arguments, *quiet)
        assert_refused(said, code, *parts)
        assert_untouched(workdir, before, stage)
    assert said.out.endswith("}\n")
    message = said.err.removeprefix("error: ").removesuffix("\n")
    assert said.json == {"error": {"type": TYPES[code], "message": message, "exit_code": code}}
    again = call("build", "--out", workdir, *pools.options)
    assert again.code == 0  # the way back
    assert_untouched(workdir, before, "publish")


@pytest.mark.parametrize("prepare", [too_many_broken_lines, half_a_parquet_file, no_header])
def test_process_says_the_same(
    prepare: Callable[[Pools, Path], Arguments], pools: Pools, tmp_path: Path
) -> None:
    arguments = ["build", "--out", tmp_path / "work", *prepare(pools, tmp_path)]
    assert call_process(*arguments) == call(*arguments)


@pytest.mark.parametrize(
    ("reason", "lines"),
    [
        ("broken_json", [f'{{"caption": "{MARKER} cut short']),
        ("not_an_object", [f'["{MARKER}"]']),
        ("invalid_utf8", [f'{{"caption": "{MARKER} \\ud800"}}']),
        ("not_text", ['{"caption": 3}']),
        ("empty", ['{"caption": " "}']),
        ("too_long", [json.dumps({"caption": f"{MARKER} " * 400})]),
    ],
)
def test_bad_row_is_set_aside_and_counted(reason: str, lines: list[str], tmp_path: Path) -> None:
    pools = write_pools(tmp_path / "pools")
    with pools.safe.open("a") as file:
        file.write("\n".join([*lines, ""]))
    said = call("build", "--out", tmp_path / "work", *pools.options)
    assert (said.code, said.err) == (0, "")
    assert f"set aside: 1 {reason}" in said.out
    (path,) = (tmp_path / "work" / "ingest").glob("rejects-*.parquet")
    (row,) = pq.read_table(path).to_pylist()
    assert (row["reason"], row["source"], row["source_row"]) == (reason, "safe.jsonl", 60)
    status = call("status", tmp_path / "work", "--json").json["stages"]
    assert status[0]["rejects"] == {reason: 1}


def test_vector_that_is_no_number_sets_its_caption_aside(pools: Pools, tmp_path: Path) -> None:
    def harm(rows: Any) -> Any:
        rows[61, 3] = np.nan
        return rows

    arguments = replaced(pools, vectors=vectors(tmp_path, harm))
    said = call("build", "--out", tmp_path / "work", *arguments)
    assert (said.code, said.err) == (0, "")
    assert "set aside: 1 not_finite" in said.out
    assert "23 pairs" in said.out


def test_pool_of_one_caption_is_a_pool(pools: Pools, tmp_path: Path) -> None:
    """One safe caption is the target of all, one unsafe caption makes one pair."""
    one_safe = write_jsonl(tmp_path / "one-safe.jsonl", safe_captions(1))
    one_unsafe = write_jsonl(tmp_path / "one-unsafe.jsonl", unsafe_captions(1))
    for number, (files, pairs) in enumerate(
        [({"safe": one_safe}, 24), ({"unsafe": one_unsafe}, 1)]
    ):
        said = call("build", "--out", tmp_path / str(number), *replaced(pools, **files))
        assert (said.code, said.err) == (0, "")
        assert f"{pairs} pairs" in said.out


def test_vectors_of_two_encoders_are_never_compared(workdir: Path) -> None:
    """A folder put together from two runs: its record is right, its vectors do not fit."""
    (path,) = (workdir / "embed").glob("safe-*.arrow")
    rename_encoder(path)
    record = workdir / "embed" / "stage.json"
    values = json.loads(record.read_text())
    for file in values["files"]:
        if file["path"] == path.name:
            data = path.read_bytes()
            file.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    record.write_text(json.dumps(values))
    before = tree(workdir)
    said = call("mine", "--workdir", workdir, "--k", "2")
    assert_refused(said, 5, "two encoders", "run embed again", workdir / "embed")
    assert_untouched(workdir, before, "embed")


@pytest.mark.skipif(gpu_count() > 0, reason="this machine has a GPU")
@pytest.mark.parametrize("encoder", ["imported", "minilm"])
def test_device_that_is_not_there_is_never_replaced(
    encoder: str, pools: Pools, workdir: Path
) -> None:
    before = tree(workdir)
    given = pools.options if encoder == "imported" else pools.options[:4]
    said = call("build", "--out", workdir, *given, "--k", "2", "--device", "cuda")
    assert_refused(said, 6, "cuda", "--device cpu")
    assert_untouched(workdir, before, "mine" if encoder == "imported" else "embed")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"mine": {"kk": 1}}, "mine.kk: unknown key; did you mean 'k'?"),
        ({"mine": {"k": "three"}}, "mine.k: must be a valid integer"),
        ({"mine": {"k": True}}, "mine.k: must be a number"),
        ({"mine": [1]}, "mine must be a mapping"),
        ({"embed": {"device": "tpu"}}, "embed.device: must be 'auto', 'cpu' or 'cuda'"),
        ({"minee": {}}, "unknown stage 'minee'; did you mean 'mine'?"),
    ],
)
def test_wrong_recipe_is_refused_before_any_work(
    section: dict[str, Any], message: str, pools: Pools, workdir: Path, tmp_path: Path
) -> None:
    before = tree(workdir)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**pools.recipe, **section}))
    said = call("run", recipe, "--workdir", workdir)
    assert_refused(said, 2, "recipe.yaml", message)
    assert said.out == ""
    assert tree(workdir) == before


def test_two_commands_never_work_in_one_workdir(pools: Pools, workdir: Path) -> None:
    before = tree(workdir)
    with filelock.FileLock(workdir / ".lock"):
        said = call_process("build", "--out", workdir, *pools.options, "--k", "2")
    assert_refused(said, 7, workdir, "another nsfwcaps command is using", "wait for it")
    assert tree(workdir) == before
    assert call("build", "--out", workdir, *pools.options, "--k", "2").code == 0


@pytest.mark.parametrize("below", [False, True])
def test_file_in_place_of_the_folder(pools: Pools, tmp_path: Path, below: bool) -> None:
    file = tmp_path / "taken"
    file.write_text("mine")
    said = call("build", "--out", file / "run" if below else file, *pools.options)
    assert_refused(said, 7, file, "a file is where a folder is needed", "choose another")
    assert file.read_text() == "mine"


def test_name_that_is_too_long(pools: Pools, tmp_path: Path) -> None:
    said = call("build", "--out", tmp_path / ("x" * 300), *pools.options)
    assert_refused(said, 7, "too long")


@pytest.mark.parametrize("name", STAGE_NAMES)
def test_record_that_is_broken_is_named(name: str, pools: Pools, workdir: Path) -> None:
    (workdir / name / "stage.json").write_text('{"stage": ')
    said = call("build", "--out", workdir, *pools.options)
    assert_refused(said, 4, f"{name}/stage.json is damaged", "delete the folder")
    shutil.rmtree(workdir / name)
    assert call("build", "--out", workdir, *pools.options).code == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of two megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("room", [0, 1, 3, 8, 20])
def test_full_disk_stops_the_run_and_loses_nothing(
    pools: Pools, finished: Path, small_disk: Path, tmp_path: Path, room: int
) -> None:
    """Whatever file is the one that does not fit; `room` is in pages."""
    workdir = Path(shutil.copytree(finished, small_disk / "work"))
    before = tree(workdir)
    free = shutil.disk_usage(small_disk).free
    (small_disk / "fill").write_bytes(bytes(free - room * 4096))
    changed = [*pools.options, "--max-chars", "500", "--k", "2"]
    said = call("build", "--out", workdir, *changed)
    assert_refused(said, 7, "the disk is full", "run the same command again")
    after = tree(workdir)
    failed = next(name for name in STAGE_NAMES if f"{name} " not in said.out)
    assert_untouched(workdir, before, failed)
    assert not [name for name in after if ".part-" in name]
    (small_disk / "fill").unlink()
    assert call("build", "--out", workdir, *changed).code == 0
    other = tmp_path / "other"
    assert call("build", "--out", other, *changed).code == 0
    assert tree(workdir / "dataset") == tree(other / "dataset")


def test_read_only_folder_is_named(pools: Pools, finished: Path, small_disk: Path) -> None:
    workdir = Path(shutil.copytree(finished, small_disk / "work"))
    before = tree(workdir)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for out in (workdir, small_disk / "new", small_disk):
        said = call("build", "--out", out, *pools.options, "--k", "2")
        assert_refused(said, 7, small_disk, "read-only", "choose another")
    assert tree(workdir) == before
    assert call("status", workdir).out.count("up to date") == 5  # reading is no writing
    assert call("build", "--out", workdir, *pools.options, "--dry-run").code == 0
