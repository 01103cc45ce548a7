"""Which names in a run mean what, on its store and in its mirrors.

<stage>/stage.json, <stage>/shards.jsonl    as in a folder, written when the stage is finished
<stage>/journal/<time>-<key>.json           one row of an unfinished stage: no store can append
.lease.json                                 the driver
.parts/                                     claims of parts, as in a folder
"""

from __future__ import annotations

import time
from pathlib import PurePosixPath

from nsfwcaps.artifacts import RECORD
from nsfwcaps.files import TEMPORARY
from nsfwcaps.journals import JOURNAL
from nsfwcaps.stage_delivery import LEDGER

ROWS = "journal"
"""Folder of a stage's rows on the store."""
CLAIMS = ".parts"
"""Folder with the claims of parts, which are moved whenever they are written or asked for."""
POOLS = "pools/"
"""Beginning of the files that world, construct and illustrate deliver, for ingest to read."""
OTHERS = "shards-store.jsonl"
"""Journal in a mirror with the rows that other mirrors have pushed."""
_LAST = ("README.md", "croissant.json", "manifest.json")
"""Files that say what a folder holds, in the order in which they are pushed."""


def row_name(stage: str, key: str) -> str:
    """Return a new name for a row; names sort by time."""
    return f"{stage}/{ROWS}/{time.time_ns() // 1_000_000:015d}-{key[:12]}.json"


def is_row(name: str) -> bool:
    """Whether an object is a row of a journal."""
    parts = name.split("/")
    return len(parts) == 3 and parts[1] == ROWS and name.endswith(".json")


def is_own(name: str) -> bool:
    """Whether a name is beside the run: locks, leases, claims, unfinished files, single rows."""
    parts = name.split("/")
    own = parts[0] == CLAIMS or parts[-1].startswith((TEMPORARY, ".lock", ".lease"))
    return own or is_row(name)


def is_record(name: str) -> bool:
    """Whether `status` reads a file: a record, a journal, a list of what is delivered."""
    parts = name.split("/")
    return len(parts) == 2 and parts[1] in (RECORD, JOURNAL, LEDGER)


def is_journal(name: str) -> bool:
    """Whether a file in a mirror is a journal, whose rows are pushed one by one."""
    parts = name.split("/")
    return len(parts) == 2 and parts[1].startswith("shards") and parts[1].endswith(".jsonl")


def push_order(name: str) -> tuple[int, str]:
    """Sort key: what describes a folder comes after what it describes."""
    plain = PurePosixPath(name).name
    return (_LAST.index(plain) + 1 if plain in _LAST else 0), name
