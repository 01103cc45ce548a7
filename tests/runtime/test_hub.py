"""Whether a hub answers: bounded in time, whatever the network does."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from nsfwcaps.errors import ModelError
from nsfwcaps.runtime import hub
from nsfwcaps.runtime.hub import HubFile


@pytest.fixture
def serve() -> Iterator[tuple[str, list[int]]]:
    """Return the address of a server, and a list whose last number is the status it answers."""
    statuses = [200]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(statuses[-1])
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", statuses
        server.shutdown()


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the address of a server that accepts connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    ("status", "there"), [(200, True), (401, True), (404, True), (407, False), (503, False)]
)
def test_any_answer_but_an_error_of_the_server_will_do(
    serve: tuple[str, list[int]], status: int, there: bool
) -> None:
    serve[1].append(status)
    assert hub.answers(serve[0]) is there


@pytest.mark.parametrize("address", ["http://nowhere.invalid", "http://127.0.0.1:9", "no address"])
def test_no_server(address: str) -> None:
    assert not hub.answers(address)


def test_a_server_that_says_nothing(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "SECONDS", 0.3)
    began = time.monotonic()
    assert not hub.answers(silent)
    assert time.monotonic() - began < 5


def cached(folder: Path, repository: str, name: str) -> None:
    """Write a file as huggingface_hub caches it."""
    root = folder / f"models--{repository.replace('/', '--')}"
    (root / "refs").mkdir(parents=True, exist_ok=True)
    (root / "refs" / "main").write_text("abc")
    (root / "snapshots" / "abc").mkdir(parents=True, exist_ok=True)
    (root / "snapshots" / "abc" / name).write_text("")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def test_files_that_are_here_need_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "answers", lambda address: pytest.fail("nobody is to be asked"))
    cached(cache, "acme/clip", "b.bin")
    hub.require([HubFile(repository="acme/clip", names=("a.bin", "b.bin"))], "x", instead="y")
    cached(cache, "acme/words", "model.safetensors")
    hub.require_model("acme/words", "x")


def test_what_is_missing_is_named_with_the_ways_to_get_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [HubFile(repository="acme/clip", names=("a.bin",))]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"acme/clip is not in .* HF_HUB_OFFLINE forbids"):
        hub.require(wanted, "embed.model", instead="give a folder")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://nowhere.invalid")
    with pytest.raises(
        ModelError,
        match=r"nowhere\.invalid does not answer within 5 s; .*HF_HOME.*give a folder.*HF_ENDPOINT",
    ):
        hub.require(wanted, "embed.model", instead="give a folder")


def test_a_hub_that_answers_is_enough(
    cache: Path, serve: tuple[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", serve[0])
    hub.require([HubFile(repository="acme/clip", names=("a.bin",))], "x", instead="y")


@pytest.mark.parametrize("name", ["./folder/model", "/folder/model", "one", "a/b/c"])
def test_names_that_are_of_no_hub_are_left_to_the_loader(cache: Path, name: str) -> None:
    hub.require_model(name, "x")
