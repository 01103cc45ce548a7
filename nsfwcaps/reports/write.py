"""Writing the report of a results folder into that folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nsfwcaps.files import write_atomically
from nsfwcaps.reports import histograms, render, tradeoff
from nsfwcaps.reports.page import page
from nsfwcaps.reports.read import read

FIGURES = "figures"


@dataclass(frozen=True, kw_only=True)
class Written:
    """The files written, and what was missing."""

    html: Path
    markdown: Path
    models: tuple[str, ...]
    problems: tuple[str, ...]
    not_compared: tuple[str, ...]


def write(folder: Path) -> Written:
    """Write `report.html`, `report.md` and the plots, deterministically.

    Raises:
        ArtifactError: the folder holds no readable result.
        StorageError: the folder is not writable.
    """
    content = page(read(folder))
    written = Written(
        html=folder / "report.html",
        markdown=folder / "report.md",
        models=tuple(content.models),
        problems=tuple(content.problems),
        not_compared=tuple(content.not_compared),
    )
    plots = {f"{plot.name}.svg": render.svg(plot, content.models) for plot in content.plots}
    for kind in (tradeoff.NAME, histograms.NAME):
        for path in (folder / FIGURES).glob(f"*-{kind}-*.svg"):
            if path.name not in plots:  # from an earlier report
                path.unlink()
    for name, drawn in plots.items():
        write_atomically(folder / FIGURES / name, drawn.encode())
    write_atomically(written.html, render.html(content).encode())
    write_atomically(written.markdown, render.markdown(content).encode())
    return written
