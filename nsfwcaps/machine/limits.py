"""What limits each kind of work: the slowest of the steps that every item passes through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nsfwcaps.machine.rates import MachineRates


@dataclass(frozen=True, kw_only=True)
class Demand:
    """FLOP of a model for one item in a forward pass."""

    caption: float
    picture: float


CAPTION_TOKENS = 16
"""Tokens of a caption of COCO, with both ends; the encoders do not pad to 77."""
DEMANDS = {
    "ViT-B-32": Demand(caption=1.215e9, picture=8.818e9),
    "ViT-L-14": Demand(caption=2.729e9, picture=162.0e9),
}
"""As torch's FlopCounterMode counts open_clip's models; a test counts again."""

REACHED = {"cpu": 0.9, "cuda": 0.2}
"""Share of the rate of matrix products that a whole model reaches.

Measured with ViT-B-32 and ViT-L-14: 0.10 to 0.28 on an H100 in bf16, 0.9 to 1.0 on a CPU.
"""
_PASSES = 2
"""Of training: forwards, and backwards to the inputs. The weights are frozen, adapters small."""
_OF_PAIR = 2
"""Captions of a pair, and its pictures."""

QUERIES, WIDTH = 10_000, 768
_ROW_BYTES = 2 * WIDTH
_PIXEL_BYTES = 3 * 224 * 224
_JPEG_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class Bottleneck:
    """The slowest step of one kind of work, and the rates of all, in items per second."""

    work: str
    unit: str
    limits: str
    steps: dict[str, float]

    def __str__(self) -> str:
        slowest = self.steps[self.limits]
        others = {name: value for name, value in self.steps.items() if name != self.limits}
        beside = ", ".join(f"{name} {_rounded(value)}/s" for name, value in others.items())
        found = f"{self.limits} limits, about {_rounded(slowest)} {self.unit}/s"
        return f"{self.work}: {found} ({beside})"


def limits(rates: MachineRates) -> list[Bottleneck]:
    """Estimate from measured rates what limits embedding, searching and training."""
    found = []
    for work, unit, steps in (
        ("captions", "captions", _captions),
        ("pictures", "pictures", _pictures),
        ("training", "pairs", _training),
    ):
        for name, demand in DEMANDS.items():
            found.append(_limit(f"{work}, {name}", unit, steps(rates, demand)))
    return [*found, _limit(f"search by {QUERIES:,} captions", "safe captions", _search(rates))]


def _captions(rates: MachineRates, demand: Demand) -> Iterator[tuple[str, float]]:
    yield "tokenising", rates.captions
    yield "the device", _reached(rates) / demand.caption


def _pictures(rates: MachineRates, demand: Demand) -> Iterator[tuple[str, float]]:
    if rates.disk_read_bytes is not None:
        yield "reading", rates.disk_read_bytes / _JPEG_BYTES
    yield "decoding", rates.pictures
    if rates.to_device_bytes is not None:
        yield "copying", rates.to_device_bytes / _PIXEL_BYTES
    yield "the device", _reached(rates) / demand.picture


def _search(rates: MachineRates) -> Iterator[tuple[str, float]]:
    if rates.disk_read_bytes is not None:
        yield "reading", rates.disk_read_bytes / _ROW_BYTES
    if rates.to_device_bytes is not None:
        yield "copying", rates.to_device_bytes / _ROW_BYTES
    yield "the device", rates.flops / (2 * WIDTH * QUERIES)


def _training(rates: MachineRates, demand: Demand) -> Iterator[tuple[str, float]]:
    yield "decoding", rates.pictures / _OF_PAIR
    of_pair = _PASSES * _OF_PAIR * (demand.caption + demand.picture)
    yield "the device", _reached(rates) / of_pair


def _reached(rates: MachineRates) -> float:
    return rates.flops * REACHED[rates.device]


def _limit(work: str, unit: str, steps: Iterator[tuple[str, float]]) -> Bottleneck:
    of_each = dict(steps)
    return Bottleneck(
        work=work, unit=unit, limits=min(of_each, key=of_each.__getitem__), steps=of_each
    )


def _rounded(value: float) -> str:
    """Round to two digits, as an estimate deserves.

    >>> [_rounded(value) for value in (0.1234, 21_364.0, 9.96)]
    ['0.12', '21,000', '10']
    """
    shown = float(f"{value:.2g}")
    return f"{shown:,.0f}" if shown >= 10 else f"{shown:g}"
