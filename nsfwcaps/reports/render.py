"""Rendering a report as HTML, Markdown and SVG through templates."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps.reports import compared, figures, histograms, tradeoff
from nsfwcaps.reports.page import Page
from nsfwcaps.reports.results import Figure
from nsfwcaps.reports.tables import ShownVerdict

if TYPE_CHECKING:  # keeps the command line fast
    import jinja2

_TEMPLATES = Path(__file__).parent / "templates"
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|#~&$])")
# Control and bidirectional characters, which Markdown cannot isolate from the surrounding text.
_CONTROLS = re.compile("[\u0000-\u0008\u000b-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

SYMBOLS = {
    ShownVerdict.GAINED: "▲",
    ShownVerdict.LOST: "▼",
    ShownVerdict.KEPT: "=",
    ShownVerdict.UNDECIDED: "?",
    ShownVerdict.SECONDARY: "",
    ShownVerdict.UNCOMPARED: "",
}

MARKS = (
    "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z",
    "M-5,-5h10v10h-10z",
    "M0,-6l6,11h-12z",
    "M0,-7l6,7l-6,7l-6,-7z",
    "M0,6l6,-11h-12z",
    "M-2,-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
)
"""Marker shapes of the models: circle, square, triangle, diamond, inverted triangle, cross."""
COLOURS = 7
"""Number of colours in `plot.css`; combined with the shapes they distinguish 42 models."""


def html(page: Page) -> str:
    """Render the self-contained HTML page."""
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _fill("report.html.j2", page.models, page=page, script=script, script_digest=digest)


def markdown(page: Page) -> str:
    """Render the page as Markdown, without the examples, with plots as separate files."""
    return _fill("report.md.j2", page.models, page=page)


def svg(plot: tradeoff.TradeoffPlot | histograms.HistogramPlot, models: Sequence[str]) -> str:
    """Render a plot as a standalone SVG file."""
    name = "tradeoff.svg.j2" if isinstance(plot, tradeoff.TradeoffPlot) else "histograms.svg.j2"
    return _fill(name, models, plot=plot, standalone=True, base=models[0])


def _fill(name: str, models: Sequence[str], **values: Any) -> str:
    filled = _environment(models).get_template(name).render(**values)
    # JSON may hold lone surrogates, which a file cannot.
    return filled.encode("utf-8", errors="replace").decode("utf-8")


def _environment(models: Sequence[str]) -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,  # a missing fact must not become an empty cell
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=lambda name: name is not None and not name.endswith(".md.j2"),
    )
    environment.globals.update(
        colour={name: number % COLOURS for number, name in enumerate(models)},
        mark={name: MARKS[number % len(MARKS)] for number, name in enumerate(models)},
        symbol=SYMBOLS,
        write=figures.write,
        write_interval=figures.write_interval,
        is_share=lambda figure: figures.kind(figure).is_share,
        words=figures.HEADLINES,
        counts=_counts,
        compared_columns=compared.COLUMNS,
    )
    environment.filters["plain"] = _plain
    environment.filters["p"] = figures.write_p
    return environment


def _counts(found: Sequence[Figure | None]) -> str:
    """Write the number of queries of each model once."""
    numbers = dict.fromkeys(item.n for item in found if item and item.n is not None)
    return ", ".join(f"{n:,}" for n in numbers)


def _plain(text: object) -> str:
    """Make text a single line without Markdown syntax."""
    return _MARKDOWN.sub(r"\\\1", _CONTROLS.sub("", " ".join(str(text).split())))
