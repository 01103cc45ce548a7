"""Tables, intervals and the figure of `benchmarks/methods.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from method_rows import Choice

Scored = Mapping[str, Any]
Values = npt.NDArray[np.float64]

MARGIN = 0.02
"""Largest loss of zero-shot accuracy that counts as kept."""

_BASE = "CLIP (mini), untuned"
_SAMPLES = 10_000

_COLUMNS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "tight test world, Caltech-101, Flickr8k": {
        "T*→V": ["tight T*→V"],
        "V*→T": ["tight V*→T"],
        "T*→V closest": ["tight T*→V closest"],
        "V*→T closest": ["tight V*→T closest"],
        "T*→V, added": ["tight T*→V added"],
        "T*→V, replaced": ["tight T*→V replaced"],
        "unsafe first": ["tight unsafe first"],
        "T→V": ["tight T→V"],
        "V→T": ["tight V→T"],
        "Caltech-101": ["Caltech-101"],
        "Flickr8k T→V": ["Flickr8k test T→V"],
        "Flickr8k V→T": ["Flickr8k test V→T"],
    },
    "loose test world, structure of Flickr8k": {
        "loose T*→V": ["loose T*→V"],
        "loose V*→T": ["loose V*→T"],
        "loose closest (both)": ["loose T*→V closest", "loose V*→T closest"],
        "loose unsafe first": ["loose unsafe first"],
        "spread text": ["spread text"],
        "spread image": ["spread image"],
        "overlap text": ["overlap text"],
        "overlap image": ["overlap image"],
        "deviation text": ["deviation text"],
        "deviation image": ["deviation image"],
    },
}
_REDIRECTION = ("tight T*→V", "tight V*→T")
_IN_VALIDATION = ("validation T*→V", "validation V*→T")


def label(choice: Choice, rate: float) -> str:
    """Return the chosen weight of preservation, relative to that of the images, and the rate."""
    return f"{choice.method.weights.get('preserve_text', 0):.2g}, {rate:g}"


def print_scores(
    starts: Sequence[Scored], runs: Mapping[str, Sequence[Scored]], labels: Mapping[str, str]
) -> None:
    """Print mean ± standard deviation over worlds and seeds, in %."""
    for title, columns in _COLUMNS.items():
        print(f"\n{title}:\n\n| method | preservation, rate | {' | '.join(columns)} |")
        print(f"|{'---|' * (len(columns) + 2)}")
        cells = [f"{100 * _mean(starts, keys).mean():.1f}" for keys in columns.values()]
        print(f"| {_BASE} | | {' | '.join(cells)} |")
        for name, scored in runs.items():
            cells = []
            for keys in columns.values():
                values = 100 * _mean(scored, keys)
                cells.append(f"{values.mean():.1f} ± {values.std(ddof=1):.1f}")
            print(f"| {name} | {labels[name]} | {' | '.join(cells)} |")


def print_kept(starts: Sequence[Scored], runs: Mapping[str, Sequence[Scored]]) -> None:
    """Print for each row the loss of zero-shot accuracy and whether it is within the margin."""
    print(f"\nCaltech-101, points lost [95 % interval]; kept: no more than {100 * MARGIN:g}\n")
    print("| method | lost | verdict |\n|---|---|---|")
    for name, scored in runs.items():
        lost = _lost(starts, scored)
        low, high = np.quantile(_resampled(lost[None])[0], [0.025, 0.975])
        verdict = "kept" if high < MARGIN else "lost" if low > 0 else "not shown either way"
        around = f"{100 * lost.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}]"
        print(f"| {name} | {around} | {verdict} |")


def print_curves(curves: Mapping[str, Mapping[float, Sequence[Scored]]]) -> None:
    """Print redirection and zero-shot accuracy at every learning rate."""
    print("\nRedirected (T*→V, V*→T) / Caltech-101, by learning rate:\n")
    rates = [f"{rate:g}" for rate in next(iter(curves.values()))]
    print(f"| method | {' | '.join(rates)} |\n|{'---|' * (len(rates) + 1)}")
    for name, by_rate in curves.items():
        cells = [
            ", ".join(f"{100 * _mean(runs, [key]).mean():.1f}" for key in _REDIRECTION)
            + f" / {100 * _mean(runs, ['Caltech-101']).mean():.1f}"
            for runs in by_rate.values()
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def print_ratio(
    starts: Sequence[Scored],
    peer: str,
    theirs: Sequence[Scored],
    name: str,
    ours: Mapping[float, Sequence[Scored]],
) -> None:
    """Print our loss beside a peer's, at the lowest rate that redirects as much.

    The rate is chosen on validation data.
    """
    enough = _mean(theirs, _IN_VALIDATION).mean()
    rates = [rate for rate, runs in ours.items() if _mean(runs, _IN_VALIDATION).mean() >= enough]
    if not rates:
        print(f"\n{name} redirects less than {peer} at every rate")
        return
    runs = ours[min(rates)]
    both = np.stack([_lost(starts, runs), _lost(starts, theirs)])  # [2, images]
    ratio, difference = _compared(both)
    redirected = (100 * _mean(some, _REDIRECTION).mean() for some in (runs, theirs))
    print(
        f"\n{name} at {min(rates):g} against {peer}: redirected "
        + " and ".join(f"{value:.1f}" for value in redirected)
        + f"; lost {100 * both[0].mean():.1f} and {100 * both[1].mean():.1f} points of "
        f"Caltech-101 ({both.shape[1]} images); difference {difference}; ratio {ratio}"
    )


def print_by_rate(
    peer: str,
    theirs: Mapping[float, Sequence[Scored]],
    name: str,
    ours: Mapping[float, Sequence[Scored]],
) -> None:
    """Print the difference of zero-shot accuracy at every learning rate, with its interval."""
    print(f"\n{name} less {peer}, points of Caltech-101, by learning rate:\n")
    print("| rate | redirected (T*→V, V*→T) | theirs | difference |\n|---|---|---|---|")
    for rate, runs in ours.items():
        lost = _lost(theirs[rate], runs)[None]
        low, high = -100 * np.quantile(_resampled(lost)[0], [0.975, 0.025])
        both = (
            ", ".join(f"{100 * _mean(some, [key]).mean():.1f}" for key in _REDIRECTION)
            for some in (runs, theirs[rate])
        )
        print(
            f"| {rate:g} | {' | '.join(both)} | {-100 * lost.mean():.1f} [{low:.1f}, {high:.1f}] |"
        )


def _compared(lost: Values) -> tuple[str, str]:
    """Return the ratio of two losses `[2, i]` and their difference, each with its interval.

    There is no ratio if the second loss is not above zero in every bootstrap sample.
    """
    means, ends = _resampled(lost), [0.025, 0.975]  # [2, samples]
    low, high = 100 * np.quantile(means[0] - means[1], ends)
    difference = f"{100 * (lost[0].mean() - lost[1].mean()):.1f} [{low:.1f}, {high:.1f}]"
    if means[1].min() <= 0:
        return "unknown: the second loss may be zero", difference
    low, high = np.quantile(means[0] / means[1], ends)
    return f"{lost[0].mean() / lost[1].mean():.2f} [{low:.2f}, {high:.2f}]", difference


def draw(
    starts: Sequence[Scored],
    curves: Mapping[str, Mapping[float, Sequence[Scored]]],
    path: Path,
) -> None:
    """Draw redirection against zero-shot accuracy."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4))
    for name, by_rate in curves.items():
        redirected, known = (
            100 * np.array([_mean(runs, keys) for runs in by_rate.values()])
            for keys in (_REDIRECTION, ["Caltech-101"])
        )  # [rates, runs] each
        axes.errorbar(
            redirected.mean(axis=1),
            known.mean(axis=1),
            xerr=redirected.std(axis=1, ddof=1),
            yerr=known.std(axis=1, ddof=1),
            marker="o",
            markersize=4,
            linewidth=1,
            label=name,
        )
    start = (100 * _mean(starts, keys).mean() for keys in (_REDIRECTION, ["Caltech-101"]))
    axes.plot(*start, "k*", markersize=10, label=_BASE)
    axes.set_xlabel("redirected to the safe item, R@1 (%), mean of both directions")
    axes.set_ylabel("Caltech-101 zero-shot accuracy (%)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _mean(runs: Sequence[Scored], keys: Sequence[str]) -> Values:
    """Return the mean over keys `[r]` of each run."""
    return np.array([np.mean([scores[key] for key in keys]) for scores in runs])


def _lost(starts: Sequence[Scored], runs: Sequence[Scored]) -> Values:
    """Return for each image `[i]` the accuracy lost, a mean over worlds and seeds."""
    return np.mean([_hits(start) - _hits(run) for start, run in zip(starts, runs, strict=True)], 0)


def _hits(scored: Scored) -> Values:
    return np.array([float(bit) for bit in scored["hits"]])


def _resampled(values: Values) -> Values:
    """Return bootstrap means `[v, samples]` over images of `[v, i]`, the same images for all v."""
    random = np.random.default_rng(0)
    images = values.shape[1]
    counts = random.multinomial(images, np.full(images, 1 / images), size=_SAMPLES)
    return values @ counts.T / images
