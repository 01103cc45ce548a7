"""nginx with TLS before a review, with the file that the documentation gives."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import LONGEST_S, Server

DOCUMENT = Path(__file__).parents[2] / "docs" / "how-to" / "review-server.md"
_MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {sites}
}}
"""


def documented(folder: Path, server: Server, ports: tuple[int, int], base: str) -> str:
    """The documented file, with this machine's ports and certificate."""
    (text,) = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    for before, after in (
        ("listen 443 ssl", f"listen 127.0.0.1:{ports[0]} ssl"),
        ("listen 80", f"listen 127.0.0.1:{ports[1]}"),
        ("review.example.org", "localhost"),
        ("/etc/ssl/certs/review.pem", f"{folder}/review.pem"),
        ("/etc/ssl/private/review.key", f"{folder}/review.key"),
        ("127.0.0.1:8501", f"127.0.0.1:{server.port}"),
        ("location / ", f"location {base}/ "),
    ):
        assert before in text
        text = text.replace(before, after)
    return text


@contextlib.contextmanager
def nginx(folder: Path, server: Server, ports: tuple[int, int], base: str = "") -> Iterator[None]:
    """Run nginx before a server that runs."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    openssl = shutil.which("openssl")
    if not found or not openssl:
        pytest.skip("no nginx or no openssl is installed")
    key, certificate = ("-keyout", f"{folder}/review.key"), ("-out", f"{folder}/review.pem")
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "1", "-subj", "/CN=localhost", *key, *certificate),
        ],
        check=True,
        capture_output=True,
    )
    sites = documented(folder, server, ports, base)
    (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, sites=sites))
    command = [found, "-p", str(folder), "-c", "nginx.conf", "-e", f"{folder}/error.log"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + LONGEST_S
            while not _answers(ports[0]):
                assert process.poll() is None, process.stderr and process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
