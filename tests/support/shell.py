"""The command line as a test calls it, pools to give it, and a word that it must never say."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.cli import app, guard

MARKER = "quillbrook"
"""Stands in every caption of these pools, so that no output may hold it."""

STAGE_NAMES = ("ingest", "embed", "mine", "grade", "publish")

_THINGS = ("vase", "cup", "lamp", "chair", "clock", "basket", "kettle", "ladder")


@dataclass(frozen=True)
class Said:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON value and nothing else."""
        return json.loads(self.out, parse_constant=_no_json)


def _no_json(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def call(*arguments: object) -> Said:
    """Run the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = guard(lambda: app([str(item) for item in arguments], prog_name="nsfwcaps"))
    said = Said(code, out.getvalue(), err.getvalue())
    assert MARKER not in said.out + said.err, "a caption was printed"
    return said


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start the command line as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "nsfwcaps", *(str(item) for item in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        **options,
    )


def call_process(*arguments: object, **options: Any) -> Said:
    """Run the command line as a process of its own."""
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=120)
    assert MARKER not in out + err, "a caption was printed"
    return Said(process.returncode, out, err)


def environment() -> dict[str, str]:
    """Find the package, wherever the process is started."""
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


@dataclass(frozen=True)
class Pools:
    """Two pools, and vectors for them, so that no model is loaded."""

    safe: Path
    unsafe: Path
    vectors: Path

    @property
    def options(self) -> list[str]:
        """Options of `build`."""
        return [
            *("--safe", str(self.safe)),
            *("--unsafe", str(self.unsafe)),
            *("--source", str(self.vectors)),
        ]

    @property
    def recipe(self) -> dict[str, dict[str, Any]]:
        """The same as a recipe."""
        return {
            "ingest": {"safe": str(self.safe), "unsafe": str(self.unsafe)},
            "embed": {"source": str(self.vectors)},
            **{name: {} for name in ("mine", "grade", "publish")},
        }


def safe_captions(count: int) -> list[str]:
    """Captions of distinct wording."""
    return [f"A {_THINGS[n % 8]} and a {MARKER} on table {n}" for n in range(count)]


def unsafe_captions(count: int) -> list[str]:
    """Mild captions that stand in for unsafe ones."""
    return [f"A handgun, a {_THINGS[n % 8]} and a {MARKER} on table {n}" for n in range(count)]


def write_jsonl(path: Path, captions: list[str]) -> Path:
    """Write a pool of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"caption": item}) + "\n" for item in captions))
    return path


def write_vectors(folder: Path, captions: list[str], rows: Any = None) -> Path:
    """Write vectors as clip-retrieval does."""
    for name in ("text_emb", "metadata"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if rows is None:
        rows = np.random.default_rng(7).normal(size=(len(captions), 16)).astype(np.float32)
    np.save(folder / "text_emb" / "text_emb_0000.npy", rows)
    table = pa.table({"caption": captions})
    pq.write_table(table, folder / "metadata" / "metadata_0000.parquet")
    return folder


def write_pools(folder: Path, safe: int = 60, unsafe: int = 24) -> Pools:
    """Write both pools and the vectors of all their captions."""
    safes, unsafes = safe_captions(safe), unsafe_captions(unsafe)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f'"{item}",{("weapons", "smoking")[n % 2]}' for n, item in enumerate(unsafes)]
    (folder / "unsafe.csv").write_text("\n".join(["caption,category", *lines, ""]))
    return Pools(
        safe=write_jsonl(folder / "safe.jsonl", safes),
        unsafe=folder / "unsafe.csv",
        vectors=write_vectors(folder / "vectors", [*safes, *unsafes]),
    )


def tree(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder, but for the lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def states(said: Said) -> Mapping[str, str]:
    """State by stage of what `status --json` said."""
    return {row["stage"]: row["state"] for row in said.json["stages"]}
