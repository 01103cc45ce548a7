"""Coverage of 95 % intervals: percentile bootstrap ("before") and nsfwcaps ("after").

    python benchmarks/audit/coverage.py [--trials 2000] [--queries 100000]

Shares are exact: all numbers of hits, weighted with their chance. The rest is simulated, the same
samples for both. "Disagree" is how often an interval excludes zero and p is at least .05, or the
reverse. The last table times an interval and its peer on the same values, in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, binomtest, bootstrap

from nsfwcaps.metrics.intervals import interval
from nsfwcaps.metrics.paired import paired

Values = npt.NDArray[np.float64]
RATES = (0.01, 0.02, 0.05, 0.1, 0.5, 0.9, 0.98, 0.99)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("| shares, n | | " + " | ".join(f"p = {rate}" for rate in RATES) + " |")
    print("|---|---|" + "---|" * len(RATES))
    for count in (20, 50, 200, 1000):
        for name, ends in (("before", _percentile_of_hits), ("after", _after)):
            covered = [f"{_exact(count, rate, ends):.2f}" for rate in RATES]
            print(f"| {count:,} | {name} | {' | '.join(covered)} |")
    print("\n| sample | before | after |\n|---|---|---|")
    for name, mean, draw in _samples():
        _simulate(name, mean, draw, options.trials)
    _differences(options.trials)
    _times(options.queries, options.rounds)


def _percentile(values: Values) -> tuple[float, float]:
    """The percentile bootstrap of nsfwcaps before: every query is resampled alone."""
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = bootstrap(
        (values,), np.mean, n_resamples=1000, method="percentile", batch=100, random_state=0
    ).confidence_interval
    return float(found.low), float(found.high)


def _percentile_of_hits(hits: Values) -> tuple[float, float]:
    """The same for 0 and 1, without its noise: the number of hits of a sample is binomial."""
    ends = binom.ppf([0.025, 0.975], len(hits), hits.mean()) / len(hits)
    return float(ends[0]), float(ends[1])


def _after(
    values: Values, units: npt.NDArray[np.int64] | None = None, *, bounded: bool = True
) -> tuple[float, float]:
    found = interval(values, units=units, bounded=bounded)
    return found.low, found.high


def _exact(count: int, rate: float, ends: Callable[[Values], tuple[float, float]]) -> float:
    total = 0.0
    for hits in range(count + 1):
        chance = float(binom.pmf(hits, count, rate))
        if chance > 1e-9:
            low, high = ends((np.arange(count) < hits).astype(float))
            total += chance * (low <= rate <= high)
    return total


Draw = Callable[[np.random.Generator], tuple[Values, "npt.NDArray[np.int64] | None"]]


def _samples() -> Iterator[tuple[str, float, Draw]]:
    """Names, true means, and ways to draw values with their units."""
    yield "exponential, n = 50", 1.0, lambda random: (random.exponential(size=50), None)
    yield "lognormal, n = 50", float(np.exp(0.5)), lambda random: (random.lognormal(size=50), None)
    for correlation in (0.1, 0.4, 0.9):
        for rate in (0.05, 0.1, 0.3, 0.5):
            name = f"share {rate}, 200 queries of 20 targets, correlation {correlation}"
            yield name, rate, _clustered(rate, correlation)


def _clustered(rate: float, correlation: float) -> Draw:
    strength = (1 - correlation) / correlation
    units = np.repeat(np.arange(20), 10)

    def draw(random: np.random.Generator) -> tuple[Values, npt.NDArray[np.int64]]:
        rates = random.beta(rate * strength, (1 - rate) * strength, 20)
        return (random.random(200) < rates[units]).astype(float), units

    return draw


def _simulate(name: str, mean: float, draw: Draw, trials: int) -> None:
    random = np.random.default_rng(0)
    before = after = 0
    for _ in range(trials):
        values, units = draw(random)
        low, high = _percentile(values) if units is None else _percentile_of_hits(values)
        before += low <= mean <= high
        low, high = _after(values, units, bounded=units is not None)  # else no shares
        after += low <= mean <= high
    print(f"| {name} | {before / trials:.3f} | {after / trials:.3f} |")


def _differences(trials: int) -> None:
    """Shares .02 and .12 of 50 paired queries, as in the audit, and a loss of 1.7 points of 505."""
    print("\n| paired shares | | coverage | interval excludes 0 | p < .05 | disagree |")
    print("|---|---|---|---|---|---|")
    for name, count, rates in (
        (".02 and .12, n = 50", 50, (0.01, 0.01, 0.11)),
        ("a loss of .017, n = 505", 505, (0.32, 0.06, 0.043)),
    ):
        random = np.random.default_rng(1)
        tables = random.multinomial(count, [*rates, 1 - sum(rates)], size=trials)
        for when, compared in (("before", _before_paired), ("after", _after_paired)):
            found = np.array([compared(table) for table in tables])
            low, high, p = found.T
            truth, apart = rates[2] - rates[1], (low > 0) | (high < 0)
            covered = ((low <= truth) & (truth <= high)).mean()
            print(
                f"| {name} | {when} | {covered:.3f} | {apart.mean():.2f} | {(p < 0.05).mean():.2f} "
                f"| {(apart != (p < 0.05)).mean():.3f} |"
            )


def _hits(table: npt.NDArray[np.int64]) -> tuple[Values, Values]:
    """Hits of two models, from the numbers of hits of both, of one alone, of neither."""
    return np.repeat([1.0, 1, 0, 0], table), np.repeat([1.0, 0, 1, 0], table)


def _before_paired(table: npt.NDArray[np.int64]) -> tuple[float, float, float]:
    one, other = _hits(table)
    lost, gained = int(table[1]), int(table[2])
    p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return *_percentile(other - one), p


def _after_paired(table: npt.NDArray[np.int64]) -> tuple[float, float, float]:
    found = paired(*_hits(table), seed=0)
    return found.low, found.high, found.p


def _times(queries: int, rounds: int) -> None:
    random = np.random.default_rng(0)
    kinds = {
        "hits": (random.random(queries) < 0.4).astype(float),
        "reciprocal ranks": 1 / random.geometric(0.01, queries),
        "drifts": random.random(queries),
    }
    print(f"\n| {queries:,} queries | percentile bootstrap, s | nsfwcaps, s | ratio |")
    print("|---|---|---|---|")
    for name, values in kinds.items():
        before, after = [], []
        for _ in range(rounds):
            before.append(_seconds(lambda values=values: _resampled(values)))  # type: ignore[misc]
            after.append(_seconds(lambda values=values: interval(values)))  # type: ignore[misc]
        ratio = statistics.median(a / b for a, b in zip(after, before, strict=True))
        middle = [statistics.median(times) for times in (before, after)]
        print(f"| {name} | {middle[0]:.3f} | {middle[1]:.4f} | {ratio:.4f} |")


def _resampled(values: Values) -> None:
    """The former way: counts of each value where there are few, else queries drawn one by one."""
    random = np.random.default_rng(0)
    kinds, counts = np.unique(values, return_counts=True)
    if len(kinds) <= 64:
        means = random.multinomial(len(values), counts / len(values), size=2000) @ kinds
    else:
        means = np.empty(2000)
        for start in range(0, 2000, 40):
            drawn = random.integers(0, len(values), size=(40, len(values)), dtype=np.int32)
            means[start : start + 40] = values[drawn].mean(axis=1)
    np.quantile(means, [0.025, 0.975])


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
