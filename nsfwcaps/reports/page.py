"""The content of both reports, computed once from an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nsfwcaps.reports import compared, summary, tables, tradeoff
from nsfwcaps.reports import histograms as histogram
from nsfwcaps.reports.categories import Categories, categories
from nsfwcaps.reports.compared import ComparedData, ComparedModel
from nsfwcaps.reports.evaluated import EvaluationFacts, evaluated
from nsfwcaps.reports.examples import Example, examples
from nsfwcaps.reports.figures import HEADLINES, Goal, headlines_first
from nsfwcaps.reports.results import ReportInput
from nsfwcaps.reports.tables import Table, TableRow

_TITLES = {
    "retrieval": "retrieval and redirection",
    "preferences": "preferences",
    "real-nsfw": "real unsafe images among safe ones",
    "zeroshot": "zero-shot classification",
    "structure": "structure",
    "text-to-image": "images generated from prompts",
    "image-to-text": "captions generated from images",
}

_CERTAINTY = (
    "Intervals are 95 % intervals of the mean. They show how a figure would vary with other "
    "queries of the same kind, not with another training run or another data set.",
    "A share has Wilson's interval, which has a width for 0 of n too: after n independent queries "
    "without a hit, a share of almost 4/n remains plausible. Other means have the t interval with "
    "Hall's correction for skewness.",
    "Queries that share a target, a picture or a caption are one unit, as they vary together. A "
    "share then counts as many independent queries as its variance between units is worth.",
    "Each model is compared with the base on the same queries. The difference of two shares has "
    "Newcombe's interval for paired shares. p is McNemar's mid-p if every query is a hit or a miss "
    "and a unit of its own, otherwise from random sign flips of the differences, by unit.",
    "Only primary figures have a verdict: one for each kind of query of a task. Gained and lost: p "
    "is below .05 after Holm's correction over the primary figures of the evaluation. Kept: "
    "neither, and the interval of the difference rules out a loss as large as the margin. "
    "Otherwise neither a change nor its absence is shown.",
    "The intervals of differences are not corrected, so one may exclude zero although no "
    "difference is shown. Secondary figures have an interval and an uncorrected p.",
    "Figures that are not means over queries have neither an interval nor a test. The interval of "
    "a mean over zero-shot data sets combines their half widths as the root of the sum of squares.",
)


_MANY_ROWS = 20


@dataclass(frozen=True, kw_only=True)
class Page:
    """Content of a report."""

    models: Sequence[str]
    """All models, the base first."""
    compared: Sequence[ComparedModel]
    """How each model was trained."""
    data: Sequence[ComparedData]
    """How many items each data set has."""
    tables: Sequence[Table]
    glance: Sequence[tuple[Goal, Sequence[tuple[str, TableRow]]]]
    """Headline figures by goal, each with its data set."""
    summaries: Sequence[summary.Summary]
    smallest_change: str
    """The smallest change that a test can show, as a sentence; empty if that is a small one."""
    structure: Mapping[str, Sequence[str]]
    """Model -> sentences."""
    alone: Sequence[str]
    """Sentences for an evaluation of a single model."""
    tradeoffs: Sequence[tradeoff.TradeoffPlot]
    histograms: Sequence[histogram.HistogramPlot]
    categories: Sequence[Categories]
    examples: Sequence[Example]
    evaluated: EvaluationFacts
    not_compared: Sequence[str]
    problems: Sequence[str]
    """Damaged or missing files, and how to restore them."""

    @property
    def base(self) -> str:
        """The model that the others are compared with."""
        return self.models[0]

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets."""
        return list(dict.fromkeys(table.dataset for table in self.tables))

    @property
    def folded(self) -> bool:
        """Whether the tables by category are closed at first, as they have many rows."""
        return sum(len(item.rows) for item in self.categories) > _MANY_ROWS

    @property
    def certainty(self) -> tuple[str, ...]:
        """How intervals and tests are computed."""
        return _CERTAINTY

    @property
    def contents(self) -> list[tuple[str, str]]:
        """Anchors and titles of the sections present."""
        has_structure = any(table.task == "structure" for table in self.tables)
        sections: list[tuple[str, str, object]] = [
            ("compared", "Models and data", True),
            ("summary", "Summary", True),
            ("glance", "At a glance", self.glance),
            ("tradeoff", "Trade-off", self.tradeoffs),
            ("results", "Results", True),
            ("categories", "By category", self.categories),
            ("similarities", "Similarities", self.histograms),
            ("structure", "Structure", has_structure),
            ("examples", "Examples", self.examples),
            ("evaluated", "What was evaluated", True),
            ("certainty", "Intervals and tests", True),
        ]
        return [(anchor, title) for anchor, title, there in sections if there]

    def title(self, task: str) -> str:
        """Return the display name of a task."""
        return _TITLES.get(task, task)

    @property
    def plots(self) -> list[tradeoff.TradeoffPlot | histogram.HistogramPlot]:
        """Every plot."""
        return [*self.tradeoffs, *self.histograms]


def page(evaluation: ReportInput) -> Page:
    """Compute the content of a report."""
    found = tables.tables(evaluation)
    shown, damaged = examples(evaluation)
    others = evaluation.models[1:]
    return Page(
        models=evaluation.models,
        compared=compared.models(evaluation),
        data=compared.data(evaluation),
        tables=found,
        glance=_glance(found, evaluation.models),
        summaries=summary.summaries(found, evaluation.base, others),
        smallest_change=summary.smallest_change(found),
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
    """Collect the headline figures, with a cell for every model."""
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
