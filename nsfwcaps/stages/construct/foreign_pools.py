"""Pools of somebody else that a stage would replace."""

from __future__ import annotations

from collections.abc import Sequence

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.errors import StorageError


def refuse_foreign(folder: StageFolder, labels: Sequence[str]) -> None:
    """Refuse to write for the first time where somebody else's pools lie: they would be replaced.

    Raises:
        StorageError: there are some.
    """
    stage, pools = folder.path.name, folder.path.parent / "pools"
    foreign = [path for label in labels for path in (pools / label).glob("*.parquet")]
    if foreign and folder.record() is None and not folder.journal_rows():
        raise StorageError(
            f"{foreign[0]} was not made by {stage}, which would replace what is in {pools}; "
            "move it away or choose another --out"
        )
