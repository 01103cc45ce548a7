"""Record what a refactoring must preserve, and compare it afterwards.

    python tools/golden.py record OUT.json      # before the first move
    python tools/golden.py compare OUT.json     # after each step

Runs the recipes `mine` and `demo` and a short `train` in a fixed folder. Collects the
fingerprint, output digest and file digests of every `stage.json`, the digests of delivered files,
and the `--help` text of every command.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_COMMANDS = [
    "build",
    "run",
    "demo",
    "review",
    "eval",
    "export",
    "generate",
    "report",
    "validate",
    "status",
    "doctor",
    "world",
    "construct",
    "illustrate",
    "ingest",
    "embed",
    "mine",
    "grade",
    "publish",
    "train",
]
_NESTED = (
    ["generate", "text-to-image"],
    ["generate", "image-to-text"],
    ["review", "account"],
    ["review", "status"],
    ["review", "gold"],
    ["review", "export"],
    ["review", "verify"],
)
_TRAIN = [
    "train",
    "--epochs",
    "1",
    "--batch-size",
    "16",
    "--no-events",
    "--device",
    "cpu",
    "--quiet",
]


def collect() -> dict[str, dict[str, str]]:
    """Collect all compared values, by kind and name."""
    # Always the same folder: fingerprints include pool paths.
    root = Path(tempfile.gettempdir()) / "nsfwcaps-golden"
    shutil.rmtree(root, ignore_errors=True)
    _run(["run", "mine", "--workdir", str(root / "mine"), "--quiet"])
    _run(["demo", "--out", str(root / "demo"), "--quiet"])
    _run([*_TRAIN, "--data", str(root / "demo/dataset"), "--workdir", str(root / "train")])
    runs = {name: root / name for name in ("mine", "demo", "train")}
    found = {
        "stages": {k: v for name, path in runs.items() for k, v in _stages(name, path).items()},
        "files": {k: v for name, path in runs.items() for k, v in _files(name, path).items()},
        "help": {" ".join(words): _help(words) for words in _help_words()},
    }
    shutil.rmtree(root)
    return found


def _help_words() -> list[list[str]]:
    return [[], *([name] for name in _COMMANDS), *_NESTED]


def _stages(name: str, run: Path) -> dict[str, str]:
    found = {}
    for path in sorted(run.glob("*/stage.json")):
        record = json.loads(path.read_text())
        for key in ("fingerprint", "output_digest", "inputs", "files", "rejects"):
            found[f"{name}/{record['stage']}/{key}"] = json.dumps(record[key], sort_keys=True)
    return found


def _files(name: str, run: Path) -> dict[str, str]:
    delivered = [run / part for part in ("dataset", "pools", "model")]
    return {
        f"{name}/{path.relative_to(run)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in delivered
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _help(words: list[str]) -> str:
    return _run([*words, "--help"])


def _run(words: list[str]) -> str:
    environment = os.environ | {"COLUMNS": "120", "TERM": "dumb", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "nsfwcaps", *words],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    if done.returncode != 0:
        sys.exit(f"nsfwcaps {' '.join(words)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def differences(old: dict[str, dict[str, str]], new: dict[str, dict[str, str]]) -> list[str]:
    """List the differing values, one line each; help texts as a diff."""
    lines = []
    for kind in old:
        for key in sorted({*old[kind], *new[kind]}):
            before, after = old[kind].get(key, "(absent)"), new[kind].get(key, "(absent)")
            if before == after:
                continue
            lines.append(f"{kind}: {key or '(root)'}")
            if kind == "help":
                lines += difflib.unified_diff(
                    before.splitlines(), after.splitlines(), lineterm="", n=0
                )
    return lines


def main() -> None:
    """Record, or compare and exit with 1 on differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["record", "compare"])
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    found = collect()
    if given.action == "record":
        given.file.write_text(json.dumps(found, indent=1))
        return
    lines = differences(json.loads(given.file.read_text()), found)
    print("\n".join(lines) or "no differences")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
