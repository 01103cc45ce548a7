"""Choices of fixed directions, against other software and against what their papers ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from peft.tuners.lora.config import CordaConfig, LoraConfig
from peft.tuners.lora.corda import collect_eigens_for_layer
from scipy.linalg import subspace_angles
from torch import nn

from nsfwcaps.training.directions import Directions, LayerInputs, Moments, directions

WIDTH, OUT, COUNT = 10, 8, 3
Matrix = npt.NDArray[np.float64]


def rows(seed: int, count: int) -> torch.Tensor:
    stream = torch.Generator().manual_seed(seed)
    mix = torch.randn(WIDTH, WIDTH, generator=stream)
    return torch.randn(count, WIDTH, generator=stream) @ mix + 4


SAFE, UNSAFE = rows(1, 300), rows(2, 90)
WEIGHT = torch.randn(OUT, WIDTH, generator=torch.Generator().manual_seed(3))


def moments(given: torch.Tensor, size: int = 50) -> Moments:
    found = Moments(SAFE[:7].mean(0))
    for part in given.split(size):
        found.add(part, len(part))
    return found


def chosen(kind: Directions, **options: Any) -> Matrix:
    torch.manual_seed(0)
    inputs = LayerInputs(safe=moments(SAFE), unsafe=moments(UNSAFE), weight=WEIGHT)
    found = directions(inputs, COUNT, kind=kind, **{"ridge": 0.3} | options).double().numpy()
    np.testing.assert_allclose(found @ found.T, np.eye(COUNT), atol=1e-5)
    return found


def angle(one: Matrix, other: Matrix) -> float:
    return float(subspace_angles(one.T, other.T).max())


def second(given: torch.Tensor) -> Matrix:
    exact: Matrix = given.double().numpy()
    return exact.T @ exact / len(exact)


def test_moments_are_those_of_all_rows_at_once() -> None:
    found, exact = moments(UNSAFE, 13), UNSAFE.double().numpy()
    np.testing.assert_allclose(found.mean.numpy(), exact.mean(0), atol=1e-5)
    covariance = np.cov(exact.T, bias=True)
    np.testing.assert_allclose(found.about(found.mean).numpy(), covariance, atol=1e-4)
    np.testing.assert_allclose(found.about(torch.zeros(WIDTH)).numpy(), second(UNSAFE), atol=1e-3)
    assert found.items == 90


def test_a_mean_far_from_zero_costs_no_digits() -> None:
    """In single precision, squares about zero would leave nothing of a spread of one."""
    far = torch.randn(2000, WIDTH, generator=torch.Generator().manual_seed(4)) + 1e4
    found = Moments(far[:100].mean(0))
    found.add(far, len(far))
    covariance = np.cov(far.double().numpy().T, bias=True)
    np.testing.assert_allclose(found.about(found.mean).numpy(), covariance, atol=1e-3)


def test_contrast_is_the_largest_ratio() -> None:
    """The first direction has more unsafe than safe energy than any of many others."""
    first = chosen(Directions.CONTRAST)[0]
    safe, unsafe = SAFE.double().numpy(), UNSAFE.double().numpy() - SAFE.double().numpy().mean(0)
    spread = np.cov(safe.T, bias=True)
    spread += 0.3 * np.diag(spread).mean() * np.eye(WIDTH)
    many = np.random.default_rng(0).normal(size=(20_000, WIDTH))
    tried = np.concatenate([many, chosen(Directions.UNWHITENED), np.eye(WIDTH)])

    def ratio(some: Matrix) -> Matrix:
        found: Matrix = ((some @ unsafe.T) ** 2).mean(1) / np.einsum(
            "nd,de,ne->n", some, spread, some
        )
        return found

    assert ratio(first[None])[0] >= ratio(tried).max()


def test_unwhitened_are_principal_components_about_the_safe_mean() -> None:
    off = UNSAFE.double().numpy() - SAFE.double().numpy().mean(0)
    assert angle(chosen(Directions.UNWHITENED), np.linalg.svd(off)[2][:COUNT]) < 1e-3


def test_null_are_the_least_of_the_safe_inputs() -> None:
    least = np.linalg.svd(SAFE.double().numpy())[2][-COUNT:]
    assert angle(chosen(Directions.NULL), least) < 1e-2


def test_random_comes_from_the_seed() -> None:
    one, other = chosen(Directions.RANDOM), chosen(Directions.RANDOM)
    np.testing.assert_array_equal(one, other)
    torch.manual_seed(1)
    inputs = LayerInputs(safe=moments(SAFE), unsafe=moments(UNSAFE), weight=WEIGHT)
    third = directions(inputs, COUNT, ridge=0.3, kind=Directions.RANDOM).double().numpy()
    assert angle(one, third) > 0.1


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_corda_is_what_peft_computes(scale: float) -> None:
    """Whose covariance is of inputs divided by a constant, which changes no direction."""
    layer: Any = nn.Linear(WIDTH, OUT, bias=False)
    layer.weight.data = WEIGHT.clone()
    layer.covariance_matrix = torch.from_numpy(second(SAFE)).float() / scale
    layer.rank, layer.corda_method = COUNT, "kpm"
    eigens = collect_eigens_for_layer(
        layer,
        LoraConfig(
            r=COUNT, init_lora_weights="corda", corda_config=CordaConfig(corda_method="kpm")
        ),
    )
    ours = np.linalg.qr(eigens.V_WC[:, -COUNT:].double().numpy())[0].T
    assert angle(chosen(Directions.CORDA), ours) < 1e-2


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_sc_lora_is_the_pull_back_of_the_outputs_directions(beta: float) -> None:
    weight = WEIGHT.double().numpy()
    safe, unsafe = (given.double() @ WEIGHT.double().T for given in (SAFE, UNSAFE))
    difference = (1 - beta) * second(unsafe) - beta * second(safe)
    outputs = np.linalg.eigh(difference)[1][:, -COUNT:].T
    rows_of = np.linalg.qr((outputs @ weight).T)[0].T
    assert angle(chosen(Directions.SC_LORA, beta=beta), rows_of) < 1e-2
