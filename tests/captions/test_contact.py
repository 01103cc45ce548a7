"""Stores that do not answer: bounded in time, with one clear message."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from support.shell import call

from nsfwcaps.captions import contact
from nsfwcaps.captions.contact import host
from nsfwcaps.captions.opening import opened
from nsfwcaps.captions.sources import expand
from nsfwcaps.errors import InputError


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the address of a server that accepts connections and never says a word."""
    monkeypatch.setattr(contact, "SECONDS", 0.5)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that names the server of hf:// addresses."""
    from huggingface_hub import HfFileSystem, constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    HfFileSystem.clear_instance_cache()

    def at(server: str) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://{server}")
        monkeypatch.setitem(fsspec.config.conf, "hf", {"endpoint": f"http://{server}"})

    yield at
    HfFileSystem.clear_instance_cache()


@pytest.fixture
def _web(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(fsspec.config, "conf", {})


def test_a_hub_that_says_nothing(silent: str, hub: Any, tmp_path: Path) -> None:
    hub(silent)
    began = time.monotonic()
    pool = "hf://datasets/acme/captions/pool.csv"
    said = call("ingest", "--safe", pool, "--unsafe", pool, "--out", tmp_path / "run")
    assert said.code == 3
    assert said.err == (
        f"error: {pool}: {silent} does not answer within 0.5 s; check the address and the network, "
        "or download the file and give its path\n"
    )
    assert time.monotonic() - began < 10


def test_a_hub_that_refuses(hub: Any) -> None:
    hub("127.0.0.1:9")
    with pytest.raises(InputError, match=r"pool\.csv: cannot be read \(ConnectE.*, 127\.0\.0\.1:9"):
        expand("hf://datasets/acme/captions/pool.csv")


@pytest.mark.usefixtures("_web")
def test_a_web_server_that_says_nothing(silent: str) -> None:
    began = time.monotonic()
    with pytest.raises(InputError, match=f"pool.csv: {silent} does not answer within") as caught:
        expand(f"http://user:word@{silent}/pool.csv?sig=1")
    assert "sig" not in str(caught.value)
    assert "word" not in str(caught.value)
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("_web")
def test_a_web_server_that_refuses() -> None:
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9/pool\.csv: cannot be read \(Cl"):
        expand("http://127.0.0.1:9/pool.csv")


@pytest.mark.usefixtures("_web")
def test_a_web_server_that_stops_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact, "READ_SECONDS", 0.5)
    over = threading.Event()

    class Stops(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(b"caption\na vase on a table\n")
            over.wait(20)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stops) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/pool.csv"
        began = time.monotonic()
        with (
            pytest.raises(InputError, match=r"pool\.csv: cannot be read \("),
            opened(expand(url)[0]) as file,
        ):
            file.read()
        assert time.monotonic() - began < 10
        over.set()
        server.shutdown()


def test_errors_of_a_store_are_passed_on() -> None:
    memory = fsspec.filesystem("memory")
    with pytest.raises(FileNotFoundError):
        contact.info(memory, "/contact/none.csv", "memory://contact/none.csv")
    memory.pipe("/contact/a.csv", b"caption\n")
    assert contact.info(memory, "/contact/a.csv", "memory://contact/a.csv")["size"] == 8


def test_names_of_servers() -> None:
    assert host("https://user:word@data.org/pool.csv") == "data.org"
    assert host("hf://datasets/a/b") == "huggingface.co"
