"""A throw-away PostgreSQL server: its own folder, a socket in it, no port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

NONE_HERE = "no PostgreSQL server is installed here; the distribution's package is 'postgresql'"


def programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`, or None where there is no server."""
    numbered = Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")
    installed = max(numbered, key=lambda path: float(path.parts[-3]), default=None)
    on_path = shutil.which("pg_ctl")
    found = installed or (Path(on_path).resolve() if on_path else None)
    return found.parent if found is not None and (found.parent / "initdb").exists() else None


class Server:
    """A server that runs; `stop` it."""

    def __init__(self, *, durable: bool = False) -> None:
        found = programs()
        assert found is not None, NONE_HERE
        self._programs = found
        # What a killed server wrote is safe without fsync, too: only a power cut would lose it.
        self._flags = "" if durable else "-F "
        # The server refuses to run as root; a path of a socket has at most 107 bytes.
        self._user = "postgres" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._run("initdb", "--auth=trust", "--username=tests", "--no-sync", "--no-instructions")
        self.start()
        self._engine = sa.create_engine(
            self.address().replace("postgresql:", "postgresql+psycopg:"),
            isolation_level="AUTOCOMMIT",
            pool_pre_ping=True,
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"{self._flags}-k {self.folder} -h '' -c max_connections=60"
        log = str(self.folder / "log")
        self._run("pg_ctl", "--wait", f"--log={log}", f"--options={options}", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast`, or `immediate`, as a crash would."""
        self._run("pg_ctl", "--wait", f"--mode={mode}", "stop")

    def reload(self) -> None:
        """Let it read its settings again."""
        self._run("pg_ctl", "reload")

    def remove(self) -> None:
        """Stop it for good."""
        self._engine.dispose()
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def address(self, schema: str = "public") -> str:
        """Address of a schema of its only database."""
        options = quote(f"-csearch_path={schema}")
        return f"postgresql://tests@/postgres?host={quote(str(self.folder))}&options={options}"

    def make_schema(self, name: str) -> str:
        """Make a new schema; its address."""
        with self._engine.connect() as connection:
            connection.execute(sa.text(f"CREATE SCHEMA {name}"))
        return self.address(name)

    def drop_schema(self, name: str) -> None:
        """Drop a schema and whatever is in it."""
        with self._engine.connect() as connection:
            connection.execute(sa.text(f"DROP SCHEMA {name} CASCADE"))

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self.folder / "data"), *arguments]
        # Its output goes to a file: a server that was started keeps what it inherits open.
        with (Path(tempfile.gettempdir()) / f"{self.folder.name}.out").open("w+b") as said:
            done = subprocess.run(
                command, stdout=said, stderr=said, user=self._user, cwd="/", check=False
            )
            said.seek(0)
            output = said.read().decode(errors="replace")
        Path(said.name).unlink()
        if done.returncode:
            raise RuntimeError(f"{program} failed: {output[-2000:]}")
