"""Whether raters agree beyond chance, where each item is rated by some of them.

Whatever the coefficient, 1 is full agreement and 0 what chance would give; raw agreement alone is
not corrected for chance. They differ in what they call chance (Gwet, Handbook of Inter-Rater
Reliability, 4th edition, 2014): where one category is rare, kappa and alpha are low however much
raters agree, and AC1 is not.

Cohen's kappa of two raters is scikit-learn's. For the others no library that could be depended on
was found (2026-11): `krippendorff` is GPL, `irrCAC` wants scipy 1.12.0, `statsmodels` has Fleiss'
kappa for equal numbers of raters only. The tests hold the figures against all but the last.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from nsfwcaps.metrics.agreement_bootstrap import Floats, Sums, intervals, ratio, tables

RESAMPLES = 1000
SHARED = 10
"""Items that two raters must share for their kappa to count: from fewer it is mostly noise."""


class Level(enum.StrEnum):
    """Whether categories are only different, or also stand in an order."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"


class Name(enum.StrEnum):
    """The coefficients; at the ordinal level Gwet's is AC2, at the nominal one AC1."""

    RAW = "raw_agreement"
    ALPHA = "krippendorff_alpha"
    COHEN = "cohen_kappa"
    FLEISS = "fleiss_kappa"
    AC1 = "gwet_ac1"
    AC2 = "gwet_ac2"


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """Ratings `[items, raters]`: categories 0, 1, … and no number where a rater gave none.

    Categories are those of the scale, used or not: AC1 and AC2 depend on how many there are.
    """

    table: Floats
    categories: int

    def __post_init__(self) -> None:
        given = self.table[~np.isnan(self.table)]
        wrong = given[~np.isin(given, np.arange(self.categories))]
        if len(wrong):
            raise ValueError(
                f"rating {wrong[0]:g}, expected a whole number from 0 to {self.categories - 1}"
            )

    @classmethod
    def from_triples(
        cls, triples: Iterable[tuple[Hashable, Hashable, int]], *, categories: int
    ) -> Ratings:
        """Gather (item, rater, category) triples, in any order.

        Raises:
            ValueError: a category out of range, or a rater who rated an item twice.
        """
        items: dict[Hashable, int] = {}
        raters: dict[Hashable, int] = {}
        cells: dict[tuple[int, int], int] = {}
        for item, rater, value in triples:
            cell = items.setdefault(item, len(items)), raters.setdefault(rater, len(raters))
            if cell in cells:
                raise ValueError(f"item {item!r} is rated twice by rater {rater!r}, expected once")
            cells[cell] = value
        table = np.full((len(items), len(raters)), np.nan)
        if cells:
            table[tuple(np.array(list(cells)).T)] = list(cells.values())
        return cls(table=table, categories=categories)


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """A coefficient, where it lies at the 95 % level, and what there was to agree on.

    Items are those with two ratings or more, ratings are theirs, and raters those who gave them.
    """

    name: Name
    value: float
    low: float
    high: float
    items: int
    ratings: int
    raters: int


def agreement(
    ratings: Ratings,
    level: Level = Level.NOMINAL,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    shared: int = SHARED,
) -> list[Coefficient]:
    """Agreement of the raters, by each coefficient for this level, in the order of `Name`.

    - Raw agreement: mean over items of the share of pairs of their ratings that are equal, at both
      levels.
    - Krippendorff's alpha (Computing Krippendorff's Alpha-Reliability, 2011), nominal or ordinal.
    - Cohen's kappa (1960; 1968 with quadratic weights, at the ordinal level): mean over the pairs
      of raters who share `shared` items or more, weighted by how many.
    - Fleiss' kappa for raters that differ in number and set (Gwet 2014), with quadratic weights at
      the ordinal level.
    - Gwet's AC1 (2008), or AC2 with ordinal weights (Gwet 2014).

    Items rated once tell Fleiss' kappa, AC1 and AC2 how common categories are, and nothing else.

    The interval is the percentile bootstrap over items. The same seed draws the same samples for
    all coefficients.

    No number stands for what is undefined: everything where no item has two ratings (one rater, no
    ratings), kappa and alpha where all ratings are equal, as 0 divided by 0 is not 1, kappa where
    no pair of raters shares enough items (pairs whose ratings are all equal are left out), and AC
    on a scale of one category. With all ratings equal on a longer scale AC1 and AC2 are 1. Samples
    with no value are left out of the interval; if they are more than 1 in 20, it has no ends.

    >>> import numpy as np
    >>> table = np.array([[0, 0], [1, 1], [0, 0], [0, 1]], dtype=float)
    >>> found = agreement(Ratings(table=table, categories=2), seed=0, shared=1)
    >>> [(str(one.name), round(one.value, 3)) for one in found]  # doctest: +NORMALIZE_WHITESPACE
    [('raw_agreement', 0.75), ('krippendorff_alpha', 0.533), ('cohen_kappa', 0.5),
     ('fleiss_kappa', 0.467), ('gwet_ac1', 0.529)]
    """
    table = ratings.table[~np.isnan(ratings.table).all(axis=1)]
    counted = tables(table, categories=ratings.categories, shared=shared)
    whole = counted.sums(np.ones((1, len(table))))
    values = {name: float(value[0]) for name, value in _coefficients(whole, level).items()}
    values[Name.COHEN] = _library_cohen(whole, level)
    ends: dict[Name, tuple[float, float]] = dict.fromkeys(values, (float("nan"), float("nan")))
    if counted.pairable.any():
        ends |= intervals(
            counted, lambda sums: _coefficients(sums, level), resamples=resamples, seed=seed
        )
    rated = ~np.isnan(table[counted.pairable])
    return [
        Coefficient(
            name=name,
            value=value,
            low=ends[name][0],
            high=ends[name][1],
            items=len(rated),
            ratings=int(rated.sum()),
            raters=int(rated.any(axis=0).sum()),
        )
        for name, value in values.items()
    ]


def _library_cohen(whole: Sums, level: Level) -> float:
    """scikit-learn's kappa of each pair of raters in the one sample, and their mean."""
    from sklearn.metrics import cohen_kappa_score  # type: ignore[import-untyped]

    confusions = whole.confusions[0]  # [p, c, c]
    # scikit-learn warns of the ones that are undefined.
    confusions = confusions[_expected_by_two(confusions, _squares(whole, level)) > 0]
    if not len(confusions):
        return float("nan")
    weights = None if level is Level.NOMINAL else "quadratic"
    one, other = (says.ravel() for says in np.indices(confusions.shape[1:]))
    kappas = [
        cohen_kappa_score(one, other, weights=weights, sample_weight=table.ravel())
        for table in confusions
    ]
    return float(np.average(kappas, weights=confusions.sum(axis=(1, 2))))


def _coefficients(sums: Sums, level: Level) -> dict[Name, Floats]:
    """Values `[b]` for b samples.

    All are 1 − observed / expected disagreement, which is exact where there is none: a distance is
    0 between equal categories, so what never differs adds up to 0, not to a rounding error.
    """
    categories = sums.prevalence.shape[1]
    unequal, squares = 1 - np.eye(categories), _squares(sums, level)
    product = sums.prevalence[:, :, None] * sums.prevalence[:, None, :]
    ordinal = level is Level.ORDINAL
    return {
        Name.RAW: 1 - _total(sums.shares * unequal),
        Name.ALPHA: _alpha(sums.coincidences, level),
        Name.COHEN: _cohen(sums.confusions, squares),
        Name.FLEISS: 1 - ratio(_total(sums.shares * squares), _total(product * squares)),
        Name.AC2 if ordinal else Name.AC1: _ac(sums, _gwet_ordinal(categories, level)),
    }


def _alpha(coincidences: Floats, level: Level) -> Floats:
    of_each = coincidences.sum(axis=2)  # [b, c]
    if level is Level.ORDINAL:
        # Ratings below the middle of a category: their difference, squared, is the ordinal metric.
        middle = of_each.cumsum(axis=1) - of_each / 2
        distances = (middle[:, :, None] - middle[:, None, :]) ** 2
    else:
        distances = 1 - np.eye(of_each.shape[1])[None]
    expected = _total(of_each[:, :, None] * of_each[:, None, :] * distances)
    pairs = of_each.sum(axis=1) - 1
    return 1 - ratio(_total(coincidences * distances) * pairs, expected)


def _cohen(confusions: Floats, distances: Floats) -> Floats:
    """Mean `[b]` over pairs whose kappa is defined, of confusions `[b, p, c, c]`."""
    shared = _total(confusions)  # [b, p]
    expected = _expected_by_two(confusions, distances)
    kappas = 1 - ratio(_total(confusions * distances) * shared, expected)
    counts = np.where(expected > 0, shared, 0)
    return ratio(np.where(expected > 0, kappas * counts, 0).sum(axis=1), counts.sum(axis=1))


def _expected_by_two(confusions: Floats, distances: Floats) -> Floats:
    """Distance between what two raters say, summed over all pairs of items that they share."""
    by_one, by_other = confusions.sum(axis=-1), confusions.sum(axis=-2)
    return _total(by_one[..., :, None] * by_other[..., None, :] * distances)


def _ac(sums: Sums, distances: Floats) -> Floats:
    categories = len(distances)
    if categories < 2:
        return np.full(len(sums.prevalence), np.nan)
    spread = (sums.prevalence * (1 - sums.prevalence)).sum(axis=1)
    expected = (1 - distances).sum() / (categories * (categories - 1)) * spread
    return 1 - ratio(_total(sums.shares * distances), 1 - expected)


def _squares(sums: Sums, level: Level) -> Floats:
    """Distances `[c, c]` of kappa: by steps, squared, or by equality."""
    steps = _steps(sums.prevalence.shape[1])
    return steps**2 if level is Level.ORDINAL else np.sign(steps)


def _gwet_ordinal(categories: int, level: Level) -> Floats:
    """One less the weight: pairs of categories in the range of two, by those in the whole scale."""
    steps = _steps(categories)
    if level is Level.NOMINAL or categories < 2:
        return np.sign(steps)
    return steps * (steps + 1) / (categories * (categories - 1))


def _steps(categories: int) -> Floats:
    order = np.arange(categories, dtype=np.float64)
    return np.abs(order[:, None] - order)


def _total(values: Floats) -> Floats:
    return np.asarray(values.sum(axis=(-2, -1)))
