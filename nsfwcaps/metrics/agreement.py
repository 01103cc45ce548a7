"""Inter-rater agreement beyond chance, where each item is rated by some of the raters.

For every coefficient 1 is full agreement and 0 is chance level, except for raw agreement, which is
not chance-corrected. They differ in their model of chance (Gwet, Handbook of Inter-Rater
Reliability, 4th edition, 2014): if one category is rare, kappa and alpha stay low however much
raters agree, whereas AC1 does not.

No suitable library was found for most of them (2026-11): `krippendorff` is GPL, `irrCAC` pins scipy
1.12.0, and `statsmodels` has Fleiss' kappa for equal numbers of raters only. Cohen's kappa of two
raters is in scikit-learn, but the samples of the bootstrap need it here too, and a table at a time
takes a hundred times as long. The tests compare the results with all but `statsmodels`.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from nsfwcaps.metrics.agreement_bootstrap import Floats, Sums, intervals, ratio, tables
from nsfwcaps.metrics.intervals import interval

RESAMPLES = 1000
SHARED = 10
"""Items that two raters must share for their kappa to count; with fewer it is mostly noise."""


class Level(enum.StrEnum):
    """Scale of the categories: unordered or ordered."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"


class Name(enum.StrEnum):
    """The coefficients; Gwet's is AC1 at the nominal level, AC2 at the ordinal one."""

    RAW = "raw_agreement"
    ALPHA = "krippendorff_alpha"
    COHEN = "cohen_kappa"
    FLEISS = "fleiss_kappa"
    AC1 = "gwet_ac1"
    AC2 = "gwet_ac2"


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """Ratings `[items, raters]`: categories 0, 1, … and NaN where a rater gave none.

    `categories` counts the whole scale, used or not, as AC1 and AC2 depend on it.
    """

    table: Floats
    categories: int

    def __post_init__(self) -> None:
        given = self.table[~np.isnan(self.table)]
        wrong = given[~np.isin(given, np.arange(self.categories))]
        if len(wrong):
            raise ValueError(
                f"rating {wrong[0]:g}, expected an integer from 0 to {self.categories - 1}"
            )

    @classmethod
    def from_triples(
        cls, triples: Iterable[tuple[Hashable, Hashable, int]], *, categories: int
    ) -> Ratings:
        """Build a table from (item, rater, category) triples in any order.

        Raises:
            ValueError: a category is out of range, or a rater rated an item twice.
        """
        items: dict[Hashable, int] = {}
        raters: dict[Hashable, int] = {}
        given = list(triples)
        rows = [items.setdefault(item, len(items)) for item, _, _ in given]
        columns = [raters.setdefault(rater, len(raters)) for _, rater, _ in given]
        if len(set(zip(rows, columns, strict=True))) < len(given):
            cells = Counter((item, rater) for item, rater, _ in given)
            ((item, rater), _), *_ = cells.most_common(1)
            raise ValueError(f"item {item!r} is rated twice by rater {rater!r}, expected once")
        table = np.full((len(items), len(raters)), np.nan)
        if given:
            table[rows, columns] = [value for _, _, value in given]
        return cls(table=table, categories=categories)


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """A coefficient, its 95 % interval, and the sizes of the sample.

    `items` have at least two ratings, `ratings` are those of these items, `raters` gave them.
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
    """Compute the agreement by each coefficient for this level, in the order of `Name`.

    - Raw agreement: mean over items of the share of equal pairs of ratings, at both levels.
    - Krippendorff's alpha (Computing Krippendorff's Alpha-Reliability, 2011), nominal or ordinal.
    - Cohen's kappa (1960; 1968 with quadratic weights, at the ordinal level): mean over pairs of
      raters who share at least `shared` items, weighted by that number.
    - Fleiss' kappa for varying numbers and sets of raters (Gwet 2014), with quadratic weights at
      the ordinal level.
    - Gwet's AC1 (2008), or AC2 with ordinal weights (Gwet 2014).

    Items rated once only inform the category prevalence in Fleiss' kappa, AC1 and AC2.

    The interval of raw agreement is that of a share (`interval`). The others have the percentile
    bootstrap over items, with the same samples for all; its ends are NaN if all samples are equal.

    Undefined values are NaN: all of them if no item has two ratings (one rater, or no ratings);
    kappa and alpha if all ratings are equal, as 0/0 is not 1; Cohen's kappa if no pair of raters
    shares enough items (pairs with all ratings equal are left out); AC on a scale of one category.
    If all ratings are equal on a longer scale, AC1 and AC2 are 1. Samples without a value are left
    out of the interval; if they exceed 1 in 20, its ends are NaN.

    >>> import numpy as np
    >>> table = np.array([[0, 0], [1, 1], [0, 0], [0, 1]], dtype=float)
    >>> found = agreement(Ratings(table=table, categories=2), seed=0, shared=1)
    >>> [(str(one.name), round(one.value, 3)) for one in found]  # doctest: +NORMALIZE_WHITESPACE
    [('raw_agreement', 0.75), ('krippendorff_alpha', 0.533), ('cohen_kappa', 0.5),
     ('fleiss_kappa', 0.467), ('gwet_ac1', 0.529)]
    """
    table = ratings.table[~np.isnan(ratings.table).all(axis=1)]
    counted = tables(table, categories=ratings.categories, shared=shared)
    whole = counted.sums(counted.items[None].astype(np.float64))
    values = {name: float(value[0]) for name, value in _coefficients(whole, level).items()}
    ends: dict[Name, tuple[float, float]] = dict.fromkeys(values, (float("nan"), float("nan")))
    if counted.pairable.any():
        ends |= intervals(
            counted, lambda sums: _coefficients(sums, level), resamples=resamples, seed=seed
        )
        pairs = counted.pairable
        around = interval(np.repeat(counted.agreed[pairs], counted.items[pairs]))
        ends[Name.RAW] = around.low, around.high
    rated = ~np.isnan(table)
    rated = rated[rated.sum(axis=1) > 1]
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


def _coefficients(sums: Sums, level: Level) -> dict[Name, Floats]:
    """Compute values `[b]` for b samples.

    All are 1 − observed / expected disagreement, which is exact without disagreement: the distance
    between equal categories is 0, so the sum is exactly 0, without rounding error.
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
        # Ratings below the middle of each category; their squared difference is the ordinal metric.
        middle = of_each.cumsum(axis=1) - of_each / 2
        distances = (middle[:, :, None] - middle[:, None, :]) ** 2
    else:
        distances = 1 - np.eye(of_each.shape[1])[None]
    expected = _total(of_each[:, :, None] * of_each[:, None, :] * distances)
    pairs = of_each.sum(axis=1) - 1
    return 1 - ratio(_total(coincidences * distances) * pairs, expected)


def _cohen(confusions: Floats, distances: Floats) -> Floats:
    """Return the mean `[b]` over pairs with a defined kappa, from confusions `[b, p, c, c]`."""
    shared = _total(confusions)  # [b, p]
    expected = _expected_disagreement(confusions, distances)
    kappas = 1 - ratio(_total(confusions * distances) * shared, expected)
    counts = np.where(expected > 0, shared, 0)
    return ratio(np.where(expected > 0, kappas * counts, 0).sum(axis=1), counts.sum(axis=1))


def _expected_disagreement(confusions: Floats, distances: Floats) -> Floats:
    """Sum the distances expected by chance, over the items that two raters share."""
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
    """Return the distances `[c, c]` for kappa: squared steps, or inequality."""
    steps = _steps(sums.prevalence.shape[1])
    return steps**2 if level is Level.ORDINAL else np.sign(steps)


def _gwet_ordinal(categories: int, level: Level) -> Floats:
    """Return 1 − weight: pairs of categories within a range, over pairs in the whole scale."""
    steps = _steps(categories)
    if level is Level.NOMINAL or categories < 2:
        return np.sign(steps)
    return steps * (steps + 1) / (categories * (categories - 1))


def _steps(categories: int) -> Floats:
    order = np.arange(categories, dtype=np.float64)
    return np.abs(order[:, None] - order)


def _total(values: Floats) -> Floats:
    return np.asarray(values.sum(axis=(-2, -1)))
