"""Parts that begin at the same moment, as those of a job array do."""

from __future__ import annotations

import threading
from pathlib import Path

from support.shared_run import SharedPools, run

from nsfwcaps import pipeline
from nsfwcaps.executors.settings import parsed_part
from nsfwcaps.progress import Silent


def test_parts_that_begin_at_once_in_a_new_folder(
    shared_pools: SharedPools, tmp_path: Path
) -> None:
    """Those that have only looked must not remove the folder under the others."""
    recipe, lines = shared_pools.recipe(), list[str]()

    def begin(number: int) -> None:
        part = parsed_part(f"{number}/3")
        made = pipeline.run_part(recipe, tmp_path / "run", part, Silent())
        lines.append("" if made is None else made.stage)

    threads = [threading.Thread(target=begin, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lines == ["ingest"] * 3
    run(recipe, tmp_path / "run")
