"""Kinds of work of a model, as estimates of time name them."""

from __future__ import annotations

from nsfwcaps.enums import Device, Precision
from nsfwcaps.machine.known_rates import device_name
from nsfwcaps.models.create import label_of
from nsfwcaps.runtime.device import resolve_precision, torch_device


def kind_of_work(what: str, model: str, device: Device, precision: Precision) -> str:
    """Return a kind of work: what is done, by which model, on which device, how exactly.

    >>> kind_of_work("captions", "minilm", Device.CPU, Precision.AUTO)
    'captions, minilm, cpu, fp32'
    """
    on = torch_device(device)
    exact = resolve_precision(precision, on)
    return f"{what}, {label_of(model)}, {device_name(on)}, {exact.value}"
