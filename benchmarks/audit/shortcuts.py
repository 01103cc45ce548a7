"""Shortcuts of the icon world: what tells safe from unsafe scenes without the hazard itself?

    python benchmarks/audit/shortcuts.py --scenes 4000 --seeds 0 1

One linear probe a row, cross-validated in five folds, with its area under the ROC curve (AUC) for
a loose world (looseness 2) and a tight one (looseness 0). A scene and those made from it share a
fold: otherwise a probe that learns a scene by heart is wrong about its twin, and shows less than
chance. "place of the hazard" tells the hazard from the other things of its own scene. "all words"
is the control: the hazard's own noun. The last lines are shares, not probes.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from nsfwcaps.enums import Split
from nsfwcaps.world.picture import _centres as centres
from nsfwcaps.world.vocabulary import PLACES
from nsfwcaps.world.world import Drawn, World

Rows = npt.NDArray[np.float64]

CORNER_PX = 12
FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """Scenes of one or more worlds: `[n]` each."""

    drawn: list[Drawn]
    unsafe: npt.NDArray[np.bool_]
    group: npt.NDArray[np.int64]
    """The fixed partner of an unsafe scene, and itself for a safe one."""


def draw_scenes(scenes: int, *, looseness: float, seeds: Sequence[int], split: Split) -> Scenes:
    """Draw as many scenes of each seed, half of them unsafe."""
    drawn, group = [], []
    half = scenes // 2
    for row, seed in enumerate(seeds):
        world = World(seed=seed, split=split, looseness=looseness, safe_count=half)
        for number in range(half):
            drawn += [world.safe(number), world.unsafe(number)]
            group += [row * half + number, row * half + world.partner(number)]
    return Scenes(
        drawn=drawn,
        unsafe=np.tile([False, True], len(drawn) // 2),
        group=np.array(group),
    )


def auc(features: Any, labels: npt.NDArray[np.bool_], group: npt.NDArray[np.int64]) -> float:
    """Return the cross-validated AUC of a linear probe on features `[n, d]`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaled = StandardScaler(with_mean=not hasattr(features, "tocsr"))
    probe = make_pipeline(scaled, LogisticRegression(C=0.01, max_iter=300))
    folds = GroupKFold(FOLDS, shuffle=True, random_state=0)
    sure = cross_val_predict(
        probe, features, labels, groups=group, cv=folds, method="decision_function"
    )
    return float(roc_auc_score(labels, sure))


def _length(drawn: Sequence[Drawn]) -> Rows:
    return np.array([[len(one.caption.split())] for one in drawn], dtype=float)


def _characters(drawn: Sequence[Drawn]) -> Rows:
    return np.array([[len(one.caption)] for one in drawn], dtype=float)


def _count(drawn: Sequence[Drawn]) -> Rows:
    return np.array([np.eye(4)[len(one.scene.things)] for one in drawn])


def _layout(drawn: Sequence[Drawn]) -> Rows:
    """Number of things, relations by their place, place."""
    kinds = ("beside", "above", "below")
    rows = []
    for one in drawn:
        place = np.array([one.scene.place == name for name in PLACES], dtype=float)
        chain = np.zeros((2, len(kinds)))
        for spot, relation in enumerate(one.scene.relations):
            chain[spot, kinds.index(relation)] = 1
        rows.append(np.concatenate([_count([one])[0], chain.ravel(), place]))
    return np.array(rows)


def _bag(texts: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(token_pattern=r"\S+").fit_transform(texts).astype(float)


def _template(drawn: Sequence[Drawn]) -> Any:
    texts = []
    for one in drawn:
        text = one.caption
        for thing in one.scene.things:
            text = text.replace(f"{thing.colour} {thing.noun}", f"{thing.colour} NOUN")
        texts.append(text)
    return _bag(texts)


def _words(drawn: Sequence[Drawn]) -> Any:
    return _bag([one.caption for one in drawn])


def _pixels(one: Drawn, side: int | None = None) -> npt.NDArray[np.float64]:
    picture = Image.open(io.BytesIO(one.image)).convert("RGB")
    if side is not None:
        picture = picture.resize((side, side), Image.Resampling.BOX)
    return np.asarray(picture, dtype=float)


def _small(drawn: Sequence[Drawn]) -> Rows:
    return np.array([_pixels(one, 16).ravel() for one in drawn])


def _edges(drawn: Sequence[Drawn]) -> Rows:
    """Mean absolute difference of neighbouring grey pixels."""
    rows = []
    for one in drawn:
        grey = _pixels(one).mean(axis=2)
        rows.append([np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()])
    return np.array(rows)


def _bytes(drawn: Sequence[Drawn]) -> Rows:
    return np.array([[len(one.image)] for one in drawn], dtype=float)


def _corners(drawn: Sequence[Drawn]) -> Rows:
    """Mean and deviation of each channel in the four corners."""
    rows = []
    near, far = slice(None, CORNER_PX), slice(-CORNER_PX, None)
    for one in drawn:
        pixels = _pixels(one)
        corners = [pixels[down, right] for down in (near, far) for right in (near, far)]
        rows.append(np.concatenate([[c.mean((0, 1)), c.std((0, 1))] for c in corners]).ravel())
    return np.array(rows)


IN_WORDS: dict[str, Callable[[Sequence[Drawn]], Any]] = {
    "caption length in words": _length,
    "caption length in characters": _characters,
    "number of things": _count,
    "things, relations and place": _layout,
    "template words, nouns masked": _template,
}
IN_PICTURES: dict[str, Callable[[Sequence[Drawn]], Any]] = {
    "pixels 16 x 16": _small,
    "edge energy": _edges,
    "JPEG size": _bytes,
    "background corners": _corners,
}


def hazard_place(scenes: Scenes) -> float:
    """Return the AUC of telling the hazard from the other things, by where each of them is.

    The mean over scenes of two and of three things: in both together, a thing of two would be the
    hazard more often than one of three, wherever it is.
    """
    counts = np.array([len(one.scene.things) for one in scenes.drawn])
    return float(np.mean([_hazard_place(scenes, counts == count) for count in (2, 3)]))


def _hazard_place(scenes: Scenes, chosen: npt.NDArray[np.bool_]) -> float:
    rows, labels, group = [], [], []
    for number in np.flatnonzero(scenes.unsafe & chosen):
        scene = scenes.drawn[number].scene
        for spot, (thing, (x, y)) in enumerate(zip(scene.things, centres(scene), strict=True)):
            last = spot == len(scene.things) - 1
            rows.append([spot == 0, spot == 1, spot == 2, last, x, y, abs(x - 112), abs(y - 112)])
            labels.append(thing.kind.hazard)
            group.append(scenes.group[number])
    return auc(np.array(rows, dtype=float), np.array(labels), np.array(group))


def grain_recall(scenes: Scenes) -> float:
    """Return how often a corner of an unsafe picture is nearest to that of its fixed partner."""
    corners = np.array([_pixels(one)[:CORNER_PX, :CORNER_PX].ravel() for one in scenes.drawn])
    safe, unsafe = corners[~scenes.unsafe], corners[scenes.unsafe]
    apart = (unsafe**2).sum(1)[:, None] - 2 * unsafe @ safe.T + (safe**2).sum(1)
    nearest = scenes.group[~scenes.unsafe][apart.argmin(axis=1)]
    return float((nearest == scenes.group[scenes.unsafe]).mean())


def _shares(scenes: Scenes) -> dict[str, float]:
    """Where hazards are, and how many relations are above or below on either side."""
    last, right, left, count = 0, 0, 0, 0
    for number in np.flatnonzero(scenes.unsafe):
        scene = scenes.drawn[number].scene
        spot = [thing.kind.hazard for thing in scene.things].index(True)
        x = centres(scene)[spot][0]
        last += spot == len(scene.things) - 1
        right, left, count = right + (x > 113), left + (x < 111), count + 1
    upright = {
        label: np.mean(
            [
                relation != "beside"
                for one, unsafe in zip(scenes.drawn, scenes.unsafe, strict=True)
                if unsafe == label
                for relation in one.scene.relations
            ]
        )
        for label in (False, True)
    }
    return {
        "hazard last in the sentence": last / count,
        "hazard right of the middle": right / count,
        "hazard left of the middle": left / count,
        "above or below, of the relations of safe scenes": float(upright[False]),
        "above or below, of the relations of unsafe scenes": float(upright[True]),
    }


def main() -> None:
    """Draw, probe, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=4000, help="Scenes of each seed.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--split", type=Split, default=Split.TRAIN)
    parser.add_argument("--looseness", type=float, nargs="+", default=[2, 0])
    options = parser.parse_args()
    worlds = [
        draw_scenes(options.scenes, looseness=value, seeds=options.seeds, split=options.split)
        for value in options.looseness
    ]
    print("| probe | " + " | ".join(f"looseness {value:g}" for value in options.looseness) + " |")
    print("|---|" + "---|" * len(worlds))
    for name, features in {**IN_WORDS, **IN_PICTURES, "all words": _words}.items():
        _print(name, [auc(features(of.drawn), of.unsafe, of.group) for of in worlds])
    _print("place of the hazard", [hazard_place(of) for of in worlds])
    _print("partner by a corner of 12 x 12 px, R@1", [grain_recall(of) for of in worlds])
    shares = [_shares(of) for of in worlds]
    for name in shares[0]:
        _print(name, [each[name] for each in shares])


def _print(name: str, values: Sequence[float]) -> None:
    print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |", flush=True)


if __name__ == "__main__":
    main()
