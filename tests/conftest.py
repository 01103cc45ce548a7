"""Fixtures shared by all tests: mild pools, no network, quiet libraries."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
# Files of half a minute or more: one that begins last would leave the other workers idle.
LONG = (
    "app/test_review_in_browser.py",
    "app/test_keys_in_browser.py",
    "app/test_accessibility_in_browser.py",
    "app/test_look_in_browser.py",
    "app/test_server_in_browser.py",
    "test_snippets.py",
    "stages/train/test_processes.py",
    "test_kill.py",
    "review/test_concurrency.py",
)

# No test may reach a model hub: real loading code runs on what packages ship or tests make.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Nor may a test leave its rates in the user's cache: this folder cannot be made.
os.environ["NSFWCAPS_CACHE"] = os.path.join(os.devnull, "cache")

# Runs sync every file that they commit: in memory that costs nothing, on a disk half of their time.
# What a suite leaves there is some hundred MB.
MEMORY = Path("/dev/shm")
if (
    "TMPDIR" not in os.environ
    and os.access(MEMORY, os.W_OK)
    and shutil.disk_usage(MEMORY).free > 4 * 2**30
):
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None  # so that it is looked for again

# Workers share the cores: threads of small models that have none for them wait for each other.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    threads = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, threads)))

# A shell's background jobs ignore SIGINT, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow, not wrong.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let workers begin with the long files."""
    if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
        long = {TESTS / name: at for at, name in enumerate(LONG)}
        items.sort(key=lambda item: long.get(item.path, len(long)))
