"""Progress reporting: the library reports, the command line displays."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from nsfwcaps.work import WorkSplit, shares_line

if TYPE_CHECKING:
    from rich.console import RenderableType

Advance = Callable[[int], None]

_PLAIN_INTERVAL_S = 10.0


class Progress(Protocol):
    """Displays progress."""

    def task(
        self,
        name: str,
        total: int | None,
        *,
        unit: str = "rows",
        done: int = 0,
        split: WorkSplit | None = None,
    ) -> AbstractContextManager[Advance]:
        """Start a line of progress; call the value with the number of rows just done.

        Any thread may call it.

        `done` rows of the total were finished earlier: they count, but not towards the speed.
        `split` adds the share of each kind of work in the time of this task: near 100 % is what
        limits it.
        """
        ...

    def note(self, text: str) -> None:
        """Show a line that matters before the work is done."""
        ...


class Silent:
    """Displays nothing; for tests, `--json` and `--quiet`."""

    @contextmanager
    def task(
        self,
        name: str,
        total: int | None,
        *,
        unit: str = "rows",
        done: int = 0,
        split: WorkSplit | None = None,
    ) -> Iterator[Advance]:
        """Ignore all progress."""
        yield lambda rows: None

    def note(self, text: str) -> None:
        """Ignore the line."""


class PlainLines:
    """Prints a line every ten seconds to standard error, for logs and pipes."""

    @contextmanager
    def task(
        self,
        name: str,
        total: int | None,
        *,
        unit: str = "rows",
        done: int = 0,
        split: WorkSplit | None = None,
    ) -> Iterator[Advance]:
        """Print rows, rows/s and time left while the task runs."""
        start = last = time.monotonic()
        shares = _shares(split)
        now_done = 0
        alone = threading.Lock()

        def advance(rows: int) -> None:
            nonlocal now_done, last
            with alone:
                now_done += rows
                now = time.monotonic()
                if now - last >= _PLAIN_INTERVAL_S:
                    last = now
                    rate = now_done / max(now - start, 1e-9)
                    sys.stderr.write(_line(name, done + now_done, total, rate, unit) + "\n")
                    if found := shares():
                        sys.stderr.write(f"  busy: {found}\n")

        yield advance

    def note(self, text: str) -> None:
        """Print the line to standard error."""
        sys.stderr.write(text + "\n")


class Bars:
    """Shows one live bar on the terminal, with rows/s and time left."""

    @contextmanager
    def task(
        self,
        name: str,
        total: int | None,
        *,
        unit: str = "rows",
        done: int = 0,
        split: WorkSplit | None = None,
    ) -> Iterator[Advance]:
        """Show a bar that disappears when the task is done."""
        from rich import progress as rich_progress
        from rich.console import Console
        from rich.text import Text

        shares = _shares(split)

        class Live(rich_progress.Progress):
            def get_renderables(self) -> Iterator[RenderableType]:
                yield from super().get_renderables()
                if found := shares():
                    yield Text(f"  busy: {found}", no_wrap=True)

        columns = (
            rich_progress.TextColumn("{task.description:<16}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TextColumn("{task.fields[rate]}"),
            rich_progress.TimeRemainingColumn(),
        )
        with Live(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(name, total=total, completed=done, rate="")
            start, now_done = time.monotonic(), 0
            alone = threading.Lock()

            def advance(rows: int) -> None:
                nonlocal now_done
                with alone:
                    now_done += rows
                    rate = now_done / max(time.monotonic() - start, 1e-9)
                    bar.update(task, advance=rows, rate=f"{_rounded(rate)} {unit}/s")

            yield advance

    def note(self, text: str) -> None:
        """Print the line to standard error."""
        sys.stderr.write(text + "\n")


def for_terminal(*, quiet: bool) -> Progress:
    """Return bars on a terminal, plain lines elsewhere, nothing if quiet."""
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else PlainLines()


def _shares(split: WorkSplit | None) -> Callable[[], str]:
    """Return a function that formats the shares of the time from now on."""
    if split is None:
        return lambda: ""
    start, before = time.monotonic(), split.busy()
    return lambda: shares_line(split.busy(), before, time.monotonic() - start)


def _line(name: str, done: int, total: int | None, rate: float, unit: str) -> str:
    speed = f"{_rounded(rate)} {unit}/s"
    if total is None:
        return f"{name}: {done:,} {unit}, {speed}"
    total = max(total, done)  # that of a part is a guess
    left_s = (total - done) / max(rate, 1e-9)
    return f"{name}: {done:,} of {total:,} {unit}, {speed}, {left_s:,.0f} s left"


def _rounded(rate: float) -> str:
    """Format a rate: whole numbers, with one decimal for slow rates."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
