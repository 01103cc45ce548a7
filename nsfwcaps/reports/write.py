"""Writing the report of a results folder into that folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nsfwcaps.delivery import hand_made
from nsfwcaps.delivery.rewritten import remove, rewrite
from nsfwcaps.reports import histograms, render, tradeoff
from nsfwcaps.reports.page import page
from nsfwcaps.reports.read import read

FIGURES, HTML, MARKDOWN = "figures", "report.html", "report.md"


@dataclass(frozen=True, kw_only=True)
class Written:
    """The files written, and what was missing."""

    html: Path
    markdown: Path
    models: tuple[str, ...]
    problems: tuple[str, ...]
    not_compared: tuple[str, ...]
    notes: tuple[str, ...]
    """A line for each edited file of an earlier report that was kept."""


def write(folder: Path) -> Written:
    """Write `report.html`, `report.md` and the plots, deterministically.

    Raises:
        ArtifactError: the folder holds no readable result.
        StorageError: the folder is not writable.
    """
    content, notes = page(read(folder)), list[str]()
    plots = {f"{plot.name}.svg": render.svg(plot, content.models) for plot in content.plots}
    for kind in (tradeoff.NAME, histograms.NAME):
        for path in (folder / FIGURES).glob(f"*-{kind}-*.svg"):
            if path.name not in plots and not hand_made.is_kept(path.name):  # an earlier report's
                notes += remove(folder, f"{FIGURES}/{path.name}")
    for name, drawn in plots.items():
        notes += rewrite(folder, f"{FIGURES}/{name}", drawn.encode())
    notes += rewrite(folder, HTML, render.html(content).encode())
    notes += rewrite(folder, MARKDOWN, render.markdown(content).encode())
    return Written(
        html=folder / HTML,
        markdown=folder / MARKDOWN,
        models=tuple(content.models),
        problems=tuple(content.problems),
        not_compared=tuple(content.not_compared),
        notes=tuple(notes),
    )
