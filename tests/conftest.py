"""Fixtures shared by all tests: mild pools, no network, quiet libraries."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

# No test may reach a model hub: real loading code runs on what packages ship or tests make.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Nor may a test leave its rates in the user's cache: this folder cannot be made.
os.environ["NSFWCAPS_CACHE"] = os.path.join(os.devnull, "cache")

# A shell's background jobs ignore SIGINT, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow, not wrong.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
