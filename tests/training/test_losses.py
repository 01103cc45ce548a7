"""Losses against values worked out by hand, and what a small step against their gradient does."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional

from nsfwcaps.training.losses import (
    cosines,
    info_nce,
    neighbour_loss,
    relative_redirection,
    spread_loss,
    uni_modal,
)

torch.set_num_threads(1)

Tensor = torch.Tensor
Values = npt.NDArray[np.float64]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

# Each takes the trained rows, a second batch and a third that only the relative one looks at.
LOSSES: dict[str, Loss] = {
    "uni_modal": lambda embedding, other, target: uni_modal(embedding, target),
    "relative_redirection": relative_redirection,
    "info_nce": lambda embedding, other, target: info_nce(embedding, target, scale=7.0),
    "neighbour_loss": lambda embedding, other, target: neighbour_loss(
        embedding, target, neighbours=2
    ),
}

every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def rows(*values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values)


def random_rows(seed: int, n: int = 6, d: int = 16) -> Tensor:
    drawn = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return functional.normalize(drawn, dim=1)


def stepped(loss: Callable[[Tensor], Tensor], embedding: Tensor, size: float = 0.01) -> Tensor:
    """Embedding after one small step against the gradient, at length one again."""
    moving = embedding.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(moving), moving)
    return functional.normalize(embedding - size * gradient, dim=1)


def numpy_info_nce(embedding: Values, reference: Values, scale: float) -> float:
    """InfoNCE row by row, from its definition."""
    total = 0.0
    for i in range(len(embedding)):
        sims_of_row = [scale * float(embedding[i] @ other) for other in reference]
        sims_of_column = [scale * float(other @ reference[i]) for other in embedding]
        for sims in (sims_of_row, sims_of_column):
            total -= math.log(math.exp(sims[i]) / sum(math.exp(sim) for sim in sims))
    return total / (2 * len(embedding))


def numpy_neighbours(embedding: Values, reference: Values, count: int) -> float:
    """Mean squared change of each row's cosines to its nearest, row by row."""
    changes = []
    for i in range(len(reference)):
        others = [j for j in range(len(reference)) if j != i]
        nearest = sorted(others, key=lambda j, i=i: -float(reference[i] @ reference[j]))[:count]
        changes += [
            (float(embedding[i] @ embedding[j]) - float(reference[i] @ reference[j])) ** 2
            for j in nearest
        ]
    return float(np.mean(changes))


def test_cosines_of_three_pairs_in_three_dimensions() -> None:
    one = rows((2 / 3, 1 / 3, 2 / 3), (0.6, 0.0, 0.8), (1.0, 0.0, 0.0))
    other = rows((1 / 3, 2 / 3, 2 / 3), (0.8, 0.6, 0.0), (-1.0, 0.0, 0.0))
    # (2 + 2 + 4) / 9, then 0.6 · 0.8, then opposite
    torch.testing.assert_close(cosines(one, other), torch.tensor([8 / 9, 0.48, -1.0]))


def test_uni_modal_is_the_mean_of_one_less_the_cosine() -> None:
    embedding = rows((1.0, 0.0), (0.6, 0.8))
    target = rows((0.6, 0.8), (0.0, 1.0))
    # cosines 0.6 and 0.8: (0.4 + 0.2) / 2
    assert uni_modal(embedding, target).item() == pytest.approx(0.3)


def test_uni_modal_is_zero_at_the_target_and_two_opposite_to_it() -> None:
    embedding = rows((0.6, 0.0, 0.8), (0.0, 1.0, 0.0))
    assert uni_modal(embedding, embedding).item() == pytest.approx(0.0, abs=1e-6)
    assert uni_modal(embedding, -embedding).item() == pytest.approx(2.0)


def test_relative_redirection_of_two_pairs() -> None:
    embedding = rows((0.6, 0.8), (1.0, 0.0))
    unsafe = rows((1.0, 0.0), (0.6, 0.8))
    target = rows((0.0, 1.0), (0.0, 1.0))
    # cos to unsafe, to target: 0.6, 0.8 and 0.6, 0
    expected = (math.log(1 + math.exp(0.6 - 0.8)) + math.log(1 + math.exp(0.6 - 0.0))) / 2
    assert relative_redirection(embedding, unsafe, target).item() == pytest.approx(expected)


def test_relative_redirection_is_log_2_where_unsafe_and_target_are_equally_near() -> None:
    embedding = rows((0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    unsafe = rows((0.6, 0.0, 0.8), (0.0, 1.0, 0.0))
    target = rows((0.0, 0.6, 0.8), (0.0, 0.0, 1.0))
    found = relative_redirection(embedding, unsafe, target)
    assert found.item() == pytest.approx(math.log(2))


def test_relative_redirection_at_its_best_and_its_worst() -> None:
    target = rows((0.6, 0.8))
    best = relative_redirection(target, -target, target)
    worst = relative_redirection(-target, -target, target)
    assert best.item() == pytest.approx(math.log(1 + math.exp(-2)))
    assert worst.item() == pytest.approx(math.log(1 + math.exp(2)))


def test_gradient_of_relative_redirection_is_half_of_the_way_at_equal_cosines() -> None:
    embedding = rows((0.0, 0.0, 1.0)).requires_grad_()
    unsafe, target = rows((1.0, 0.0, 0.0)), rows((0.0, 1.0, 0.0))
    relative_redirection(embedding, unsafe, target).backward()  # type: ignore[no-untyped-call]
    # d/de log(1 + exp(e·u - e·t)) = sigmoid(0) (u - t)
    torch.testing.assert_close(embedding.grad, rows((0.5, -0.5, 0.0)))


def test_info_nce_of_two_pairs() -> None:
    embedding = rows((1.0, 0.0), (0.0, 1.0))
    reference = rows((1.0, 0.0), (0.6, 0.8))
    # logits at scale 2: [[2, 1.2], [0, 1.6]]; rows 2 over 1.2 and 1.6 over 0, columns 2 over 0
    # and 1.6 over 1.2
    by_row = (math.log(1 + math.exp(1.2 - 2)) + math.log(1 + math.exp(0 - 1.6))) / 2
    by_column = (math.log(1 + math.exp(0 - 2)) + math.log(1 + math.exp(1.2 - 1.6))) / 2
    found = info_nce(embedding, reference, scale=2.0)
    assert found.item() == pytest.approx((by_row + by_column) / 2)


@pytest.mark.parametrize("scale", [0.5, 1.0, 14.3, 100.0])
def test_info_nce_is_its_definition(scale: float) -> None:
    embedding, reference = random_rows(0), random_rows(1)
    expected = numpy_info_nce(embedding.numpy(), reference.numpy(), scale)
    assert info_nce(embedding, reference, scale=scale).item() == pytest.approx(expected, rel=1e-5)
    as_tensor = info_nce(embedding, reference, scale=torch.tensor(scale))
    assert as_tensor.item() == pytest.approx(expected, rel=1e-5)


def test_info_nce_of_one_pair_has_no_negatives() -> None:
    assert info_nce(rows((1.0, 0.0)), rows((-1.0, 0.0)), scale=100.0).item() == 0.0


def test_info_nce_is_log_n_where_all_references_are_the_same() -> None:
    found = info_nce(random_rows(0, n=5), random_rows(1, n=1).expand(5, -1), scale=0.0)
    assert found.item() == pytest.approx(math.log(5))


def test_info_nce_does_not_overflow_at_scale_100() -> None:
    embedding = rows((1.0, 0.0), (-1.0, 0.0))
    # every own logit is -100, every other 100: log(1 + exp(200)) is 200
    assert info_nce(embedding, -embedding, scale=100.0).item() == pytest.approx(200.0)


def test_info_nce_is_the_same_from_either_side() -> None:
    one, other = random_rows(0), random_rows(1)
    there, back = info_nce(one, other, scale=10.0), info_nce(other, one, scale=10.0)
    assert there.item() == pytest.approx(back.item(), rel=1e-6)


def test_uni_modal_goes_to_the_target() -> None:
    embedding, target = random_rows(0), random_rows(1)
    after = stepped(lambda moving: uni_modal(moving, target), embedding)
    assert (cosines(after, target) > cosines(embedding, target)).all()


@pytest.mark.parametrize("seed", range(5))
def test_relative_redirection_goes_to_the_target_and_away_from_the_unsafe_item(seed: int) -> None:
    # At first the embedding is near its unsafe item, as that of a pre-trained encoder is.
    unsafe, target = random_rows(seed, d=64), random_rows(seed + 100, d=64)
    embedding = functional.normalize(unsafe + 0.5 * random_rows(seed + 200, d=64), dim=1)
    after = stepped(lambda moving: relative_redirection(moving, unsafe, target), embedding)
    assert (cosines(after, target) > cosines(embedding, target)).all()
    assert (cosines(after, unsafe) < cosines(embedding, unsafe)).all()


def test_info_nce_goes_to_its_own_row_and_away_from_the_other() -> None:
    embedding, reference = rows((0.6, 0.8), (0.8, 0.6)), rows((1.0, 0.0), (0.0, 1.0))
    after = stepped(lambda moving: info_nce(moving, reference, scale=1.0), embedding)
    assert (cosines(after, reference) > cosines(embedding, reference)).all()
    assert (cosines(after, reference.flip(0)) < cosines(embedding, reference.flip(0))).all()


@every_loss
def test_the_order_of_pairs_in_a_batch_does_not_matter(loss: Loss) -> None:
    batch = random_rows(0), random_rows(1), random_rows(2)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = loss(*(one[order] for one in batch))
    assert shuffled.item() == pytest.approx(loss(*batch).item(), rel=1e-6)


@every_loss
def test_who_is_paired_with_whom_matters(loss: Loss) -> None:
    embedding, other, target = random_rows(0), random_rows(1), random_rows(2)
    paired = loss(embedding, other, target).item()
    assert loss(embedding, other, target.roll(1, 0)).item() != pytest.approx(paired, rel=1e-3)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_loss_is_a_scalar_in_single_precision_whatever_its_rows(
    loss: Loss, dtype: torch.dtype
) -> None:
    batch = [random_rows(seed).to(dtype) for seed in range(3)]
    found = loss(*batch)
    assert found.shape == ()
    assert found.dtype == torch.float32
    one, unsafe, target = (rounded.double() for rounded in batch)  # exact: half fits in double
    expected = {
        LOSSES["uni_modal"]: (1 - (one * target).sum(1)).mean().item(),
        LOSSES["relative_redirection"]: torch.log1p(
            torch.exp((one * unsafe).sum(1) - (one * target).sum(1))
        )
        .mean()
        .item(),
        LOSSES["info_nce"]: numpy_info_nce(one.numpy(), target.numpy(), 7.0),
        LOSSES["neighbour_loss"]: numpy_neighbours(one.numpy(), target.numpy(), 2),
    }
    assert found.item() == pytest.approx(expected[loss], rel=1e-5)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_gradient_of_half_precision_rows_is_in_their_precision(
    loss: Loss, dtype: torch.dtype
) -> None:
    embedding = random_rows(0).to(dtype).requires_grad_()
    batch = random_rows(1).to(dtype), random_rows(2).to(dtype)
    (gradient,) = torch.autograd.grad(loss(embedding, *batch), embedding)
    exact = embedding.detach().double().requires_grad_()
    (expected,) = torch.autograd.grad(loss(exact, *(one.double() for one in batch)), exact)
    assert gradient.dtype == dtype
    torch.testing.assert_close(gradient.double(), expected, rtol=0.01, atol=1e-4)


@every_loss
def test_autocast_changes_nothing(loss: Loss) -> None:
    batch = [random_rows(seed).float() for seed in range(3)]
    plain = loss(*batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = loss(*batch)
    assert cast.dtype == torch.float32
    assert cast.item() == plain.item()


@every_loss
def test_only_the_embedding_has_a_gradient_where_the_others_are_frozen(loss: Loss) -> None:
    embedding, other, target = random_rows(0).requires_grad_(), random_rows(1), random_rows(2)
    loss(embedding, other, target).backward()  # type: ignore[no-untyped-call]
    assert embedding.grad is not None
    assert embedding.grad.abs().sum() > 0
    assert other.grad is None
    assert target.grad is None


@every_loss
@pytest.mark.parametrize("seed", range(5))
def test_every_loss_stays_within_its_bounds(loss: Loss, seed: int) -> None:
    found = loss(*(random_rows(3 * seed + number, d=3) for number in range(3))).item()
    # cosines are in [-1, 1], and six pairs at scale 7 cannot cost more than log(6) + 14
    lowest, highest = {
        LOSSES["uni_modal"]: (0.0, 2.0),
        LOSSES["relative_redirection"]: (math.log1p(math.exp(-2)), math.log1p(math.exp(2))),
        LOSSES["info_nce"]: (0.0, math.log(6) + 14),
        LOSSES["neighbour_loss"]: (0.0, 4.0),
    }[loss]
    assert lowest <= found <= highest


def test_spread_loss_is_the_share_that_was_lost() -> None:
    apart = torch.eye(4)  # mean of length 1/2: spread 3/4
    close = torch.eye(4)[[0, 0, 1, 1]]  # 1/sqrt(2): spread 1/2
    assert spread_loss(close, apart).item() == pytest.approx(1 / 3)
    assert spread_loss(apart, close).item() == 0.0  # one-sided
    assert math.isfinite(spread_loss(close, torch.ones(4, 1)).item())


def test_spread_loss_draws_rows_apart() -> None:
    reference = random_rows(0)
    close = functional.normalize(reference + 2, dim=1)
    apart = stepped(lambda moving: spread_loss(moving, reference), close, 0.1)
    assert spread_loss(apart, reference) < spread_loss(close, reference)


def test_neighbour_loss_looks_at_the_nearest_of_the_reference_alone() -> None:
    reference = rows((1.0, 0.0), (0.8, 0.6), (-1.0, 0.0))
    moved = rows((1.0, 0.0), (0.6, 0.8), (-1.0, 0.0))
    # Nearest: 1 of 0 (0.8 to 0.6), 0 of 1 (0.8 to 0.6), 1 of 2 (-0.8 to -0.6): 0.04 each.
    assert neighbour_loss(moved, reference, neighbours=1).item() == pytest.approx(0.04)
    # Both others: that of 0 and 2 does not change. (4 * 0.04) / 6
    assert neighbour_loss(moved, reference).item() == pytest.approx(0.16 / 6)
