"""eval by several processes or in parts: the files of one process, whoever encoded what."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest
from PIL import Image
from support.shell import Said, call, tree
from support.training_place import write_model

from nsfwcaps.models import create

TASKS = "retrieval,preferences,zeroshot,real-nsfw"


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what to evaluate: a model on pairs with pictures, classes and unsafe pictures."""
    folder = tmp_path_factory.mktemp("sets")
    for colour in ("red", "blue", "gold"):
        path = folder / "classes" / colour
        path.mkdir(parents=True)
        for size in (32, 40):
            Image.new("RGB", (size, size), colour).save(path / f"{size}.png")
    (folder / "classes" / "red" / "broken.png").write_bytes(b"no picture")
    rows = [
        {
            "safe_caption": f"a red cup on table {n}",
            "unsafe_caption": f"a broken window at house {n}",
            "safe_image_path": f"classes/red/{(32, 40)[n % 2]}.png",
            "unsafe_image_path": f"classes/blue/{(32, 40)[n % 2]}.png",
        }
        for n in range(8)
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [
        *("--model=base=mini", f"--data=work={folder / 'pairs.jsonl'}"),
        *(f"--image-root={folder}", "--split=all"),
        *(f"--zeroshot=colours={folder / 'classes'}", f"--suite={TASKS}", "--samples=100"),
        *(f"--unsafe-images=real={folder / 'classes' / 'gold'}", "--device=cpu", "--workers=1"),
    ]


@pytest.fixture(scope="module")
def alone(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an evaluation by one process."""
    out = tmp_path_factory.mktemp("alone") / "eval"
    said = evaluate(out, options)
    assert said.code == 0, said.err
    return out


def evaluate(out: Path, options: list[str], *more: str) -> Said:
    return call("eval", f"--out={out}", *options, *more)


def files(out: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(out).items() if name != ".lock"}


def kill_a_worker(out: Path, killed: list[int], ended: threading.Event) -> None:
    """Wait for the first vectors; kill a worker."""
    while not killed and not ended.wait(0.002):
        workers = multiprocessing.active_children()
        if workers and [*(out / "vectors").glob("[!.]*.npy")]:
            killed.append(workers[0].pid or 0)
            os.kill(killed[0], signal.SIGKILL)


def test_a_worker_is_killed(alone: Path, options: list[str], tmp_path: Path) -> None:
    killed, ended = list[int](), threading.Event()
    watch = threading.Thread(target=kill_a_worker, args=(tmp_path / "eval", killed, ended))
    watch.start()
    said = evaluate(tmp_path / "eval", options, "--executor=processes", "--processes=2")
    ended.set()
    watch.join()
    assert said.code == 0, said.err
    assert len(killed) == 1
    assert files(tmp_path / "eval") == files(alone)


def test_parts_leave_nothing_to_encode(
    alone: Path, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "eval"
    said = [evaluate(out, options, f"--part={number}/2") for number in (1, 2)]
    assert [(item.code, item.out.strip()) for item in said] == [
        (0, "vectors  part 1/2: its share is made; left: parts 2/2, then once without --part"),
        (0, "vectors  part 2/2: all parts are made; run the same command once without --part"),
    ]
    assert not (out / "results").exists()
    monkeypatch.setattr(create, "load_on_all_gpus", None)
    last = evaluate(out, options)
    assert last.code == 0, last.err
    assert files(out) == files(alone)


def test_parts_with_other_options_are_refused(options: list[str], tmp_path: Path) -> None:
    out = tmp_path / "eval"
    assert evaluate(out, options, "--part=1/2").code == 0
    for more in ([*options, "--precision=bf16", "--part=2/2"], [*options, "--precision=bf16"]):
        said = evaluate(out, more)
        assert (said.code, said.err.count("\n")) == (5, 1)
        assert "precision: auto → bf16" in said.err


def test_a_part_out_of_range_is_refused(options: list[str], tmp_path: Path) -> None:
    said = evaluate(tmp_path / "eval", options, "--part=0/2")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "part 0/2: expected i/n with 1 ≤ i ≤ n" in said.err
    assert not (tmp_path / "eval").exists()


def test_a_model_that_cannot_be_loaded_is_left_out(options: list[str], tmp_path: Path) -> None:
    """The evaluation itself says why, and measures the others."""
    broken = tmp_path / "broken"
    write_model(broken)
    (broken / "open_clip_model.safetensors").write_bytes(b"no weights")
    other = f"--model=other={write_model(tmp_path / 'other')}"
    more = [*options, f"--model=worse=local-dir:{broken}", other, "--suite=zeroshot"]
    assert evaluate(tmp_path / "eval", more, "--part=1/1").code == 0
    said = evaluate(tmp_path / "eval", more)
    assert said.code == 10
    assert "--model worse: cannot load" in said.err
    assert (tmp_path / "eval/results/colours/zeroshot/other.json").exists()
