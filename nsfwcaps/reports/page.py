"""All that the two reports show, worked out once from an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nsfwcaps.reports import histograms as histogram
from nsfwcaps.reports import summary, tables, tradeoff
from nsfwcaps.reports.categories import Categories, categories
from nsfwcaps.reports.evaluated import EvaluationFacts, evaluated
from nsfwcaps.reports.examples import Example, examples
from nsfwcaps.reports.figures import HEADLINES, Goal, headlines_first
from nsfwcaps.reports.results import ReportInput
from nsfwcaps.reports.tables import Table, TableRow

_TITLES = {
    "retrieval": "retrieval and redirection",
    "preferences": "preferences",
    "real-nsfw": "real unsafe pictures among safe ones",
    "zeroshot": "zero-shot classification",
    "structure": "structure",
    "text-to-image": "images made from prompts",
    "image-to-text": "captions made from pictures",
}

_CERTAINTY = (
    "Intervals are percentile bootstrap intervals of the mean over queries, at 95 %: queries are "
    "drawn anew with replacement. They say how the figure would vary with other queries of the "
    "same kind; they do not say how it would vary with another training run or another data set.",
    "Where all queries have the same value the bootstrap has nothing to draw from, so the interval "
    "has no width. That is a limit of the method and no certainty: of n queries without a hit, a "
    "share of up to about 3/n stays plausible.",
    "A model is compared with the base on the same queries. Where each query is a hit or none, p "
    "is McNemar's exact test; elsewhere it comes from random flips of the differences' signs. "
    "Holm's correction is over all comparisons of the evaluation. A difference counts as shown "
    "where p is below .05 after it. The intervals of differences are of each one by itself, not "
    "corrected so: one may exclude zero where no difference is shown.",
    "Figures that are no mean over queries have neither an interval nor a test. The interval of a "
    "mean over zero-shot data sets adds up the half widths of each as squares.",
)


@dataclass(frozen=True, kw_only=True)
class Page:
    """The content of a report."""

    models: Sequence[str]
    """The base first."""
    tables: Sequence[Table]
    glance: Sequence[tuple[Goal, Sequence[tuple[str, TableRow]]]]
    """Headline figures by what they tell, each with its data set."""
    summaries: Sequence[summary.Summary]
    structure: Mapping[str, Sequence[str]]
    """Model to sentences."""
    alone: Sequence[str]
    """What is to be said where there is one model only."""
    tradeoffs: Sequence[tradeoff.TradeoffPlot]
    histograms: Sequence[histogram.HistogramPlot]
    categories: Sequence[Categories]
    examples: Sequence[Example]
    evaluated: EvaluationFacts
    not_compared: Sequence[str]
    problems: Sequence[str]
    """What is damaged or missing, and what mends it."""

    @property
    def base(self) -> str:
        """The model that the others are compared with."""
        return self.models[0]

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets."""
        return list(dict.fromkeys(table.dataset for table in self.tables))

    @property
    def certainty(self) -> tuple[str, ...]:
        """How intervals and tests are computed."""
        return _CERTAINTY

    @property
    def contents(self) -> list[tuple[str, str]]:
        """Anchors and titles of the sections that are there."""
        has_structure = any(table.task == "structure" for table in self.tables)
        sections: list[tuple[str, str, object]] = [
            ("summary", "Summary", True),
            ("glance", "At a glance", self.glance),
            ("tradeoff", "Trade-off", self.tradeoffs),
            ("results", "Results", True),
            ("categories", "By category", self.categories),
            ("similarities", "Similarities", self.histograms),
            ("structure", "Structure", has_structure),
            ("examples", "Examples", self.examples),
            ("evaluated", "What was evaluated", True),
            ("certainty", "How sure the numbers are", True),
        ]
        return [(anchor, title) for anchor, title, there in sections if there]

    def title(self, task: str) -> str:
        """Name of a task, for people."""
        return _TITLES.get(task, task)

    @property
    def plots(self) -> list[tradeoff.TradeoffPlot | histogram.HistogramPlot]:
        """Every plot."""
        return [*self.tradeoffs, *self.histograms]


def page(evaluation: ReportInput) -> Page:
    """Work out a report."""
    found = tables.tables(evaluation)
    shown, damaged = examples(evaluation)
    others = evaluation.models[1:]
    return Page(
        models=evaluation.models,
        tables=found,
        glance=_glance(found, evaluation.models),
        summaries=summary.summaries(found, evaluation.base, others),
        structure={model: summary.structure(found, model) for model in others},
        alone=[] if others else summary.alone(found),
        tradeoffs=tradeoff.plots(found),
        histograms=histogram.plots(evaluation),
        categories=categories(found),
        examples=shown,
        evaluated=evaluated(evaluation),
        not_compared=[*tables.unequal(found), *tables.stale(evaluation)],
        problems=[*evaluation.problems, *damaged],
    )


def _glance(
    found: Sequence[Table], models: Sequence[str]
) -> list[tuple[Goal, list[tuple[str, TableRow]]]]:
    """Headline figures with a cell for every model of the evaluation."""
    rows = [
        (table.dataset, TableRow(name=row.name, goal=row.goal, cells=[row.cell(m) for m in models]))
        for table in found
        if table.compared
        for row in table.rows
        if row.name in HEADLINES
    ]
    rows.sort(key=lambda item: headlines_first(item[1].name))
    by_goal = [(goal, [item for item in rows if item[1].goal is goal]) for goal in Goal]
    return [(goal, items) for goal, items in by_goal if items]
