"""A search of candidates that is interrupted after some of its tasks, as a run that is killed."""

from __future__ import annotations

import threading

from support.chosen_vectors import Project

from nsfwcaps.mining.candidates import ExactSearch, Task
from nsfwcaps.progress import Advance
from nsfwcaps.vectors.nearest import PartNeighbours

_REAL = ExactSearch.find


def stop_after(project: Project, tasks: int) -> list[int]:
    """Interrupt the task after so many; return the number of queries of each that was done."""
    searched: list[int] = []
    lock = threading.Lock()

    def find(search: ExactSearch, task: Task, lane: int, advance: Advance) -> PartNeighbours:
        with lock:
            if len(searched) == tasks:
                raise KeyboardInterrupt
            searched.append(task.span[1] - task.span[0])
        return _REAL(search, task, lane, advance)

    project.monkeypatch.setattr(ExactSearch, "find", find)
    return searched
