"""The fused layer is the plain formula: values, gradients, and what is not differentiated."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from nsfwcaps.training.fused import LinearWeights, adapted_linear

ROWS, IN, OUT, RANK, SCALING = (2, 3), 5, 4, 2, 0.75


def tensors(bias: bool = True, dtype: torch.dtype = torch.float64) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int, trained: bool = False) -> torch.Tensor:
        drawn = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        return drawn.requires_grad_(trained)

    return {
        "states": draw(*ROWS, IN, trained=True),
        "weight": draw(OUT, IN),
        "bias": draw(OUT) if bias else None,
        "first": draw(RANK, IN, trained=True),
        "second": draw(OUT, RANK, trained=True),
    }


def fused(states: Any, weight: Any, bias: Any, first: Any, second: Any) -> torch.Tensor:
    return adapted_linear(states, LinearWeights(weight, bias, first, second), SCALING)


def plain(states: Any, weight: Any, bias: Any, first: Any, second: Any) -> torch.Tensor:
    return functional.linear(states, weight, bias) + SCALING * (states @ first.T @ second.T)


@pytest.mark.parametrize("bias", [True, False])
def test_gradients_are_those_of_differences(bias: bool) -> None:
    given = tensors(bias)
    torch.testing.assert_close(fused(**given), plain(**given), rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(fused, tuple(given.values()))


@pytest.mark.parametrize("trained", [("second",), ("first", "second"), ("states",), ("first",)])
def test_only_what_is_asked_for_gets_a_gradient(trained: tuple[str, ...]) -> None:
    given = tensors()
    for name in ("states", "first", "second"):
        given[name].requires_grad_(name in trained)
    wanted = [given[name] for name in trained]
    found, expected = (
        torch.autograd.grad(way(**given).square().sum(), wanted) for way in (fused, plain)
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    fused(**given).sum().backward()
    assert [name for name, item in given.items() if item is not None and item.grad is not None] == [
        name for name in given if name in trained
    ]


def test_states_in_single_precision_are_computed_in_that_of_the_weights() -> None:
    given = tensors(dtype=torch.bfloat16)
    given["states"] = given["states"].detach().float().requires_grad_()
    out = fused(**given)
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert given["states"].grad.dtype == torch.float32
    assert given["first"].grad.dtype == torch.bfloat16
    exact = tensors()
    plain(**exact).sum().backward()
    for name in ("states", "first", "second"):
        torch.testing.assert_close(
            given[name].grad.double(), exact[name].grad, rtol=0.05, atol=0.05
        )


def test_a_gradient_of_equal_rows_is_read_right() -> None:
    """The gradient of a sum is one number, expanded: it has no rows in memory."""
    given = tensors()
    found, expected = (
        torch.autograd.grad(way(**given).sum(), given["second"]) for way in (fused, plain)
    )
    torch.testing.assert_close(found[0], expected[0])
