"""`nsfwcaps review`: look through the pairs in a browser."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from nsfwcaps import resources
from nsfwcaps.errors import ArtifactError, ConfigError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("review")(review)


def review(
    data: Annotated[Path, typer.Option("--data", help="A run's folder, or a data set's.")],
    port: Annotated[int, typer.Option("--port", help="Port on this machine.")] = 8501,
) -> None:
    """Look through a data set's pairs in the browser, captions hidden until asked for."""
    folder = data / "dataset" if (data / "dataset").is_dir() else data
    if not (folder / "data").is_dir():
        raise ArtifactError(
            f"{data}: holds no published data set; 'nsfwcaps build --out {data} …' makes one"
        )
    _check_free(port)
    typer.echo(f"Open http://localhost:{port} (Ctrl-C stops it)")
    sys.stdout.flush()
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(resources.folder("app") / "browse.py")),
        *("--server.address", "localhost", "--server.port", str(port)),
        *("--server.headless", "true", "--browser.gatherUsageStats", "false"),
        *("--", str(folder.resolve())),
    ]
    # The server takes this process's place: whoever stops the command stops the server.
    os.execv(sys.executable, command)


def _check_free(port: int) -> None:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("localhost", port))
        except OSError:
            raise ConfigError(f"port {port} is in use; choose another with --port") from None
