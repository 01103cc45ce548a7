"""An encoder on several devices: here, two processes on the CPU."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import light_encoder

from nsfwcaps.encoders import processes
from nsfwcaps.encoders.encoder import Encoder
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.encoders.pieces import Piece, Pieces
from nsfwcaps.encoders.processes import ProcessEncoder
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import DeviceError, ModelError
from nsfwcaps.models import create

HOW = EncoderOptions(device=Device.CPU, precision=Precision.FP32, batch_tokens=200, workers=1)
CAPTIONS = [f"{'a red ' * (row % 7)}vase on table {row}" for row in range(41)]


def silent(rows: int) -> None:
    """Ignore progress."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small random model that other processes can load too."""
    import json

    import open_clip
    import torch

    folder = tmp_path_factory.mktemp("model")
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    vision = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 2, "head_width": 16}
    made = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}
    (folder / "small.json").write_text(json.dumps(made))
    open_clip.add_model_config(folder / "small.json")
    torch.manual_seed(0)
    weights = open_clip.create_model("small").state_dict()
    open_clip.factory._MODEL_CONFIGS.pop("small", None)
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": made, "preprocess_cfg": {}})
    )
    torch.save(weights, folder / "open_clip_pytorch_model.bin")
    return f"local-dir:{folder}"


@pytest.fixture(scope="module")
def single(model: str) -> Encoder:
    return create.load(model, HOW)


@pytest.fixture(scope="module")
def double(model: str) -> ProcessEncoder:
    return ProcessEncoder(partial(create.load, model, HOW), [None, None])


def test_rows_are_those_of_one_process_in_order(
    single: Encoder, double: ProcessEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_PIECE_CAPTIONS", 3)
    done: list[int] = []
    found = double.encode_text(CAPTIONS, done.append)
    wanted = single.encode_text(CAPTIONS, silent)
    assert np.abs(found.rows - wanted.rows).max() < 1e-6
    assert not found.failed
    assert done == [*[3] * 13, 2]
    assert double.identity == single.identity
    assert double.device == "cpu"


def test_captions_can_be_submitted_ahead(single: Encoder, double: ProcessEncoder) -> None:
    first, second = double.prepared(CAPTIONS[:20]), double.prepared(CAPTIONS[20:])
    wanted = single.encode_text(CAPTIONS, silent).rows
    assert np.abs(double.encode_text(second, silent).rows - wanted[20:]).max() < 1e-6
    assert np.abs(double.encode_text(first, silent).rows - wanted[:20]).max() < 1e-6
    done: list[int] = []
    waits = [double.started(part, done.append) for part in (CAPTIONS[:20], CAPTIONS[20:])]
    found = np.concatenate([wait().rows for wait in waits])
    assert np.abs(found - wanted).max() < 1e-6
    assert done == [10, 10, 11, 10]


def test_no_progress_before_rows_are_there(double: ProcessEncoder) -> None:
    done: list[int] = []
    wait = double.started(CAPTIONS, done.append)
    assert done == []
    wait()
    assert done == [21, 20]


def test_no_captions_and_no_pictures_give_no_rows(double: ProcessEncoder) -> None:
    assert double.encode_text([], silent).rows.shape == (0, 32)
    assert double.encode_images([], silent).rows.shape == (0, 32)
    assert double.truncated([]).tolist() == []  # type: ignore[union-attr]


def test_pictures_that_fail_keep_their_places(
    single: Encoder,
    double: ProcessEncoder,
    picture: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "_PIECE_IMAGES", 2)

    def missing() -> bytes:
        raise FileNotFoundError

    colours = ["red", "green", "blue", "yellow", "black"]
    images: list[Any] = [(name, partial(picture, name)) for name in colours]
    images[1:1] = [("", missing), ("", lambda: b"broken")]
    images.append(("", missing))
    found, wanted = double.encode_images(images, silent), single.encode_images(images, silent)
    assert np.abs(found.rows - wanted.rows).max() < 1e-6
    assert list(found.failed.items()) == [
        (1, "image_missing"),
        (2, "image_undecodable"),
        (7, "image_missing"),
    ]


def test_captions_beyond_the_window_are_found(
    double: ProcessEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_PIECE_CAPTIONS", 1)
    mask = double.truncated(["a vase", "vase " * 80, "a cup", "vase " * 75])
    assert mask is not None
    assert mask.tolist() == [False, True, False, False]


def test_a_model_that_does_not_load_is_named() -> None:
    with pytest.raises(ModelError, match="cannot load 'small'"):
        ProcessEncoder(light_encoder.absent, [None])


def test_weights_that_differ_are_refused() -> None:
    with pytest.raises(DeviceError, match="have loaded different weights"):
        ProcessEncoder(light_encoder.by_process, [None, None])


def test_an_error_in_one_process_is_raised_here_and_then_a_dead_one_too() -> None:
    captions = list(light_encoder.VECTORS)
    encoder = ProcessEncoder(light_encoder.failing, [None, None])
    assert len(encoder.encode_text(captions, silent).rows) == 64
    with pytest.raises(RuntimeError, match=r"KeyError"):
        encoder.encode_text([*captions, "unknown"], silent)
    assert len(encoder.encode_text(captions, silent).rows) == 64
    for worker in encoder._workers:
        os.kill(worker.process.pid, signal.SIGKILL)  # type: ignore[arg-type]
        worker.process.join()
        for _ in range(2):
            with pytest.raises(DeviceError, match=r"of the CPU has ended \(exit code -9\)"):
                encoder.encode_text(captions, silent)


def test_a_process_begins_the_next_captions_before_it_answers() -> None:
    encoder = ProcessEncoder(light_encoder.overlapping, [None])
    captions = list(light_encoder.VECTORS)
    works = [encoder.prepared(part) for part in (captions[:9], captions[9:])]
    assert [len(encoder.encode_text(work, silent).rows) for work in works] == [9, 55]


def test_idle_processes_take_pieces_before_busy_ones() -> None:
    tasks = Pieces()
    with ThreadPoolExecutor(2) as pool:
        idle = [pool.submit(tasks.wait) for _ in range(2)]
        while tasks._idle < 2:
            time.sleep(0.001)
        made = [Piece(kind="text", inputs=[], answer=Future()) for _ in range(3)]
        for piece in made:
            tasks.put(piece)
        busy = [tasks.another(), tasks.another()]
        assert busy.count(None) == 1
        taken = [*busy, *(future.result() for future in idle)]
    assert all(piece in taken for piece in made)


def test_a_process_that_dies_at_work_ends_the_work() -> None:
    encoder = ProcessEncoder(light_encoder.slow, [None])
    work = encoder.prepared(list(light_encoder.VECTORS))
    process = encoder._workers[0].process
    threading.Timer(0.5, process.kill).start()
    with pytest.raises(DeviceError, match=r"of the CPU has ended \(exit code -9\)"):
        encoder.encode_text(work, silent)


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """Return the result of work that might hang."""
    answer: Future[Any] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return answer.result(seconds)


def test_a_process_that_lacks_memory_for_a_request_ends_the_work() -> None:
    encoder = ProcessEncoder(light_encoder.tight, [None, None])
    big = bytes(200_000_000)
    with pytest.raises(DeviceError, match=r"of the CPU has ended \(exit code 1\)"):
        within(60, lambda: encoder.encode_images([("a", lambda: big)], silent))


def test_a_process_that_lacks_memory_for_an_answer_ends_the_work() -> None:
    encoder = ProcessEncoder(light_encoder.unsendable, [None])
    with pytest.raises(DeviceError, match=r"of the CPU has ended \(exit code 1\)"):
        within(60, lambda: encoder.truncated(["lacking"]))


def test_an_answer_that_cannot_be_pickled_is_an_error() -> None:
    encoder = ProcessEncoder(light_encoder.unsendable, [None])
    with pytest.raises(RuntimeError, match="it cannot be pickled"):
        within(60, lambda: encoder.truncated(["pickled"]))
    assert len(within(60, lambda: encoder.encode_text(list(light_encoder.VECTORS), silent)).rows)


def test_a_request_that_cannot_be_loaded_is_an_error() -> None:
    encoder = ProcessEncoder(light_encoder.light, [None])
    request: Any = [light_encoder.Refusing("loaded")]
    with pytest.raises(RuntimeError, match="it cannot be loaded"):
        within(60, lambda: encoder.encode_text(request, silent))
    assert len(within(60, lambda: encoder.encode_text(list(light_encoder.VECTORS), silent)).rows)


def test_a_request_that_cannot_be_sent_ends_all_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_PIECE_CAPTIONS", 1)
    encoder = ProcessEncoder(light_encoder.slow, [None])
    captions = list(light_encoder.VECTORS)
    requests: list[Any] = [captions[0], light_encoder.Refusing("pickled"), *captions[1:5]]
    work = encoder.prepared(requests)
    for piece in [*work.pieces, *encoder.prepared(captions[:2]).pieces]:
        with pytest.raises(DeviceError, match=r"could not be passed on \(TypeError\)"):
            piece.answer.result(30)
    encoder._workers[0].process.join(30)
    assert not encoder._workers[0].process.is_alive()


def test_an_answer_that_cannot_be_loaded_ends_all_work() -> None:
    encoder = ProcessEncoder(light_encoder.unsendable, [None])
    for _ in range(2):
        with pytest.raises(DeviceError, match=r"could not be passed on \(ValueError\)"):
            within(60, lambda: encoder.truncated(["loaded"]))


def test_processes_end_with_the_encoder() -> None:
    encoder = ProcessEncoder(light_encoder.light, [None])
    process = encoder._workers[0].process
    assert process.is_alive()
    del encoder
    process.join(10)
    assert not process.is_alive()


MAIN = """
from support import light_encoder
from nsfwcaps.encoders.processes import ProcessEncoder

if __name__ == "__main__":
    encoder = ProcessEncoder(light_encoder.slow, [None, None])
    print(*[worker.process.pid for worker in encoder._workers], flush=True)
    encoder.encode_text(list(light_encoder.VECTORS), lambda done: None)
"""


def launch(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start Python on a script that sees the modules of the tests."""
    tests = str(Path(__file__).parents[1])
    path = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,
        **options,
    )


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_first_one(tmp_path: Path, sign: signal.Signals) -> None:
    script = tmp_path / "main.py"
    script.write_text(MAIN)
    main = launch(str(script))
    assert main.stdout is not None
    children = [int(number) for number in main.stdout.readline().split()]
    assert len(children) == 2
    if sign == signal.SIGINT:
        os.killpg(main.pid, sign)  # as Ctrl-C in a terminal
    else:
        os.kill(main.pid, sign)
    main.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [alive(child) for child in children] == [False, False]


UNGUARDED = """
print("begins", __name__, __file__, flush=True)
from support import light_encoder
from nsfwcaps.encoders.processes import ProcessEncoder

encoder = ProcessEncoder(light_encoder.light, [None, None])
rows = encoder.encode_text(list(light_encoder.VECTORS), lambda done: None).rows
print(len(rows), __file__, flush=True)
"""


@pytest.mark.parametrize("piped", [False, True], ids=["file", "standard input"])
def test_a_script_without_a_guard_runs_once(tmp_path: Path, piped: bool) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    with script.open() as source:
        main = launch("-", stdin=source) if piped else launch(str(script))
        out, err = main.communicate(timeout=60)
    name = "<stdin>" if piped else str(script)
    assert (out, err, main.returncode) == (f"begins __main__ {name}\n64 {name}\n", "", 0)


def test_a_function_of_the_script_cannot_load() -> None:
    script = (
        "from nsfwcaps.encoders.processes import ProcessEncoder\n"
        "def load(): pass\n"
        "ProcessEncoder(load, [None])\n"
    )
    _, err = launch("-c", script).communicate(timeout=60)
    assert "AttributeError: Can't get attribute 'load' on <module '__main__'" in err


LOADING = """
from support import light_encoder
from nsfwcaps.encoders.processes import ProcessEncoder

ProcessEncoder(light_encoder.orphaned, [None])
"""


def test_a_process_that_loads_while_the_first_one_dies_ends_quietly() -> None:
    main = launch("-c", LOADING)
    assert main.stdout is not None
    assert main.stdout.readline() == "loading\n"
    main.kill()
    out, err = main.communicate(timeout=60)  # until the other process has ended too
    assert (out, err) == ("", "")


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
