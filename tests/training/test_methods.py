"""Methods against their formulas written out, and ablations of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional

from nsfwcaps.errors import ConfigError
from nsfwcaps.training.curriculum import SCHEDULES
from nsfwcaps.training.methods import METHODS, TERMS, BatchRows, Curriculum, Method, Targets

torch.set_num_threads(1)

Values = npt.NDArray[np.float64]

SCALE = 20.0
TRAINED = ("safe_text", "safe_image", "unsafe_text", "unsafe_image")
FROZEN = tuple(field.name for field in dataclasses.fields(BatchRows) if field.name not in TRAINED)


def batch(**instead: torch.Tensor) -> BatchRows:
    """Five pairs in eight dimensions, every row another one, so that no two can be mixed up."""
    drawn = {}
    for seed, name in enumerate((*TRAINED, *FROZEN)):
        values = torch.randn(5, 8, generator=torch.Generator().manual_seed(seed))
        drawn[name] = functional.normalize(values, dim=1).requires_grad_(name in TRAINED)
    return BatchRows(**{**drawn, **instead})


def towards_fixed_partners() -> BatchRows:
    """A batch whose targets are the safe items of the fixed pairs, as in Safe-CLIP."""
    rows = batch()
    return dataclasses.replace(
        rows, target_text=rows.safe_text_reference, target_image=rows.safe_image_reference
    )


def arrays(rows: BatchRows) -> dict[str, Values]:
    names = (field.name for field in dataclasses.fields(rows))
    return {name: getattr(rows, name).detach().double().numpy() for name in names}


def cos(one: Values, other: Values) -> Values:
    return np.asarray(np.sum(one * other, axis=1))


def away(one: Values, other: Values) -> float:
    return float(np.mean(1 - cos(one, other)))


def nce(one: Values, other: Values) -> float:
    logits = SCALE * one @ other.T
    own = np.diag(logits)
    by_row = np.log(np.exp(logits).sum(axis=1)) - own
    by_column = np.log(np.exp(logits).sum(axis=0)) - own
    return float((by_row.mean() + by_column.mean()) / 2)


def relative(one: Values, unsafe: Values, target: Values) -> float:
    return float(np.mean(np.log(1 + np.exp(cos(one, unsafe) - cos(one, target)))))


def spread(one: Values, reference: Values) -> float:
    lengths = [1 - np.square(rows.mean(axis=0)).sum() for rows in (one, reference)]
    return max(0.0, 1 - lengths[0] / lengths[1])


def neighbours(one: Values, reference: Values) -> float:
    """All others are neighbours where there are fewer than fifteen."""
    others = ~np.eye(len(one), dtype=bool)
    return float(np.mean((one @ one.T - reference @ reference.T)[others] ** 2))


# Section 1 and section 3 of the method, with S, V, U, G = T(t), V(v), T(t*), V(v*).
FORMULAS: Mapping[str, Callable[[dict[str, Values]], float]] = {
    "preserve_text": lambda r: away(r["safe_text"], r["safe_text_reference"]),
    "preserve_image": lambda r: away(r["safe_image"], r["safe_image_reference"]),
    "preserve_text_to_image": lambda r: nce(r["safe_text"], r["safe_image_reference"]),
    "preserve_image_to_text": lambda r: nce(r["safe_image"], r["safe_text_reference"]),
    "redirect_text": lambda r: away(r["unsafe_text"], r["target_text"]),
    "redirect_image": lambda r: away(r["unsafe_image"], r["target_image"]),
    "redirect_text_to_image": lambda r: nce(r["unsafe_text"], r["target_image"]),
    "redirect_image_to_text": lambda r: nce(r["unsafe_image"], r["target_text"]),
    "relative_text_to_image": lambda r: relative(
        r["unsafe_text"], r["unsafe_image_reference"], r["target_image"]
    ),
    "relative_image_to_text": lambda r: relative(
        r["unsafe_image"], r["unsafe_text_reference"], r["target_text"]
    ),
    "spread_text": lambda r: spread(r["safe_text"], r["safe_text_reference"]),
    "spread_image": lambda r: spread(r["safe_image"], r["safe_image_reference"]),
    "neighbours_text": lambda r: neighbours(r["safe_text"], r["safe_text_reference"]),
    "neighbours_image": lambda r: neighbours(r["safe_image"], r["safe_image_reference"]),
    "contrast_safe": lambda r: nce(r["safe_text"], r["safe_image"]),
}

TERMS_OF_METHODS = [
    (method, name)
    for method, value in METHODS.items()
    for name in value.weights
    if len(value.weights) > 1
]


def test_every_term_has_a_formula_here() -> None:
    assert set(FORMULAS) == set(TERMS)


@pytest.mark.parametrize("name", TERMS)
def test_a_term_is_its_formula(name: str) -> None:
    rows = batch()
    expected = FORMULAS[name](arrays(rows))
    assert TERMS[name](rows, SCALE).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_weights_of_safe_clip_add_up_to_one_and_keep_their_proportions() -> None:
    weights = METHODS["safe-clip"].weights
    assert math.fsum(weights.values()) == pytest.approx(1.0)
    assert len(weights) == 8
    # .1 + .1 + .1 + .2 + .25 + .25 + .25 + .5 = 1.75
    assert weights["preserve_text"] == pytest.approx(0.1 / 1.75)
    assert weights["redirect_image"] == pytest.approx(0.2 / 1.75)
    assert weights["redirect_image_to_text"] == pytest.approx(0.5 / 1.75)


def test_safe_clip_is_its_eight_terms() -> None:
    rows = towards_fixed_partners()
    loss, _ = METHODS["safe-clip"].loss(rows, SCALE)
    r = arrays(rows)
    text, image = r["safe_text_reference"], r["safe_image_reference"]
    expected = (
        0.1 * away(r["safe_text"], text)
        + 0.1 * away(r["safe_image"], image)
        + 0.1 * away(r["unsafe_text"], text)
        + 0.2 * away(r["unsafe_image"], image)
        + 0.25 * nce(r["safe_text"], image)
        + 0.25 * nce(r["safe_image"], text)
        + 0.25 * nce(r["unsafe_text"], image)
        + 0.5 * nce(r["unsafe_image"], text)
    )
    assert loss.item() == pytest.approx(expected / 1.75, rel=1e-5)
    assert METHODS["safe-clip"].targets is Targets.FIXED
    assert METHODS["safe-clip"].curriculum is Curriculum.NONE


def test_safer_clip_is_the_plain_sum_of_its_eight_terms() -> None:
    rows = batch()
    loss, _ = METHODS["safer-clip"].loss(rows, SCALE)
    r = arrays(rows)
    expected = (
        relative(r["unsafe_image"], r["unsafe_text_reference"], r["target_text"])
        + relative(r["unsafe_text"], r["unsafe_image_reference"], r["target_image"])
        + away(r["unsafe_image"], r["target_image"])
        + away(r["unsafe_text"], r["target_text"])
        + away(r["safe_image"], r["safe_image_reference"])
        + away(r["safe_text"], r["safe_text_reference"])
        + nce(r["safe_image"], r["safe_text_reference"])
        + nce(r["safe_text"], r["safe_image_reference"])
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert METHODS["safer-clip"].targets is Targets.NEAREST
    assert METHODS["safer-clip"].curriculum is Curriculum.PROGRESSIVE


def test_fine_tuning_on_safe_pairs_alone_leaves_unsafe_rows_alone() -> None:
    rows = batch()
    METHODS["safe-only"].loss(rows, SCALE)[0].backward()  # type: ignore[no-untyped-call]
    assert rows.safe_text.grad is not None
    assert rows.safe_image.grad is not None
    assert rows.unsafe_text.grad is None
    assert rows.unsafe_image.grad is None


@pytest.mark.parametrize("name", ["safer-clip", "safe-clip"])
def test_all_trained_rows_have_a_gradient_and_no_frozen_one_has(name: str) -> None:
    rows = batch()
    METHODS[name].loss(rows, SCALE)[0].backward()  # type: ignore[no-untyped-call]
    assert all(getattr(rows, trained).grad.abs().sum() > 0 for trained in TRAINED)
    assert all(getattr(rows, frozen).grad is None for frozen in FROZEN)


@pytest.mark.parametrize("name", FROZEN)
def test_a_reference_that_requires_a_gradient_is_refused(name: str) -> None:
    moving = batch().safe_text
    with pytest.raises(ValueError, match=name):
        batch(**{name: moving})


@pytest.mark.parametrize("name", METHODS)
def test_terms_are_handed_back_before_their_weights(name: str) -> None:
    method = METHODS[name]
    loss, terms = method.loss(batch(), SCALE)
    assert list(terms) == list(method.weights)
    total = sum(method.weights[term] * value.item() for term, value in terms.items())
    assert loss.item() == pytest.approx(total, rel=1e-5)
    assert loss.shape == ()


@pytest.mark.parametrize(("name", "term"), TERMS_OF_METHODS)
def test_a_term_left_out_is_missing_from_the_loss_and_nothing_else_is(name: str, term: str) -> None:
    method, rows = METHODS[name], batch()
    rest = {other: weight for other, weight in method.weights.items() if other != term}
    ablated = dataclasses.replace(method, weights=rest)
    loss, terms = ablated.loss(rows, SCALE)
    full, all_terms = method.loss(rows, SCALE)
    share = method.weights[term] * all_terms[term].item()
    assert term not in terms
    assert loss.item() == pytest.approx(full.item() - share, rel=1e-4)


def test_without_terms_of_redirection_nothing_pulls_on_unsafe_rows() -> None:
    method, rows = METHODS["safer-clip"], batch()
    kept = {name: 1.0 for name in method.weights if name.startswith("preserve_")}
    loss, _ = dataclasses.replace(method, weights=kept).loss(rows, SCALE)
    loss.backward()  # type: ignore[no-untyped-call]
    assert rows.unsafe_text.grad is None
    assert rows.safe_text.grad is not None


def test_other_targets_are_other_rows_and_the_same_terms() -> None:
    method = METHODS["safer-clip"]
    ablated = dataclasses.replace(method, targets=Targets.FIXED)
    assert ablated.targets is Targets.FIXED
    assert (ablated.weights, ablated.curriculum) == (method.weights, method.curriculum)
    _, near = method.loss(batch(), SCALE)
    _, fixed = ablated.loss(towards_fixed_partners(), SCALE)
    changed = {name for name, value in near.items() if value.item() != fixed[name].item()}
    redirecting = {name for name in method.weights if not name.startswith("preserve_")}
    assert changed == redirecting


def test_without_a_curriculum_all_levels_come_from_the_first_epoch_on() -> None:
    method = METHODS["safer-clip"]
    ablated = dataclasses.replace(method, curriculum=Curriculum.NONE)
    assert len(SCHEDULES[method.curriculum][0]) == 1
    assert len(SCHEDULES[ablated.curriculum][0]) == 3
    rows = batch()
    assert ablated.loss(rows, SCALE)[0].item() == method.loss(rows, SCALE)[0].item()


def altered(**instead: object) -> Method:
    return dataclasses.replace(METHODS["safer-clip"], **instead)  # type: ignore[arg-type]


def test_an_unknown_term_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'redirect_txt'") as caught:
        altered(weights={"redirect_text": 1.0, "redirect_txt": 1.0})
    assert all(name in str(caught.value) for name in TERMS)


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
def test_a_weight_that_is_not_above_zero_is_refused(weight: float) -> None:
    with pytest.raises(ConfigError, match=r"weight of 'redirect_text': .*, got "):
        altered(weights={"redirect_text": weight})


def test_a_method_without_terms_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one loss term"):
        altered(weights={})
