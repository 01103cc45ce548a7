"""A run folder of the version before, whose late stages alone run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.shell import call, write_pools

NEW_SETTINGS = {
    "ingest": ("null_words",),
    "mine": ("similarity", "min_candidate_similarity", "margin_duplicate"),
}
NEW_FACTS = {"mine": ("similarity", "pictures", "pairs_below_min_similarity")}


def make_older(workdir: Path, stage: str, **changed: Any) -> None:
    """Write a stage's record as version 0.1.0 did: without the newer settings and facts."""
    path = workdir / stage / "stage.json"
    record = json.loads(path.read_bytes())
    for name in NEW_SETTINGS.get(stage, ()):
        del record["settings"][name]
    for name in NEW_FACTS.get(stage, ()):
        record["facts"].pop(name, None)
    record["settings"] |= changed
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("least", "said"),
    [
        (None, "ranked by `inverted-softmax`."),
        (0.1, "ranked by `inverted-softmax`. Candidates below a similarity of 0.1 were not ranked"),
    ],
)
def test_publish_alone_reads_records_of_an_older_version(
    least: float | None, said: str, tmp_path: Path
) -> None:
    pools, workdir = write_pools(tmp_path / "pools"), tmp_path / "work"
    assert call("build", "--out", workdir, *pools.options).code == 0
    make_older(workdir, "ingest")
    make_older(workdir, "mine", min_similarity=least)
    for command in ("publish", "grade", "publish"):
        ended = call(command, "--workdir", workdir)
        assert (ended.code, ended.err) == (0, "")
        card = (workdir / "dataset" / "README.md").read_text()
        assert said in card
        assert "set aside; no other pair" not in card
    for command in ("show", "rejects", "status"):
        assert call(command, workdir, "--json").code == 0
