"""What limits, as a function of rates; the demand of models, counted again."""

from __future__ import annotations

import dataclasses
import doctest

import pytest
import torch

from nsfwcaps.machine import limits
from nsfwcaps.machine.limits import CAPTION_TOKENS, DEMANDS, Limit
from nsfwcaps.machine.rates import Rates

H100 = Rates(
    device="cuda",
    single_flops=51e12,
    half_flops=676e12,
    captions=12_000.0,
    pictures=640.0,
    workers=16,
    disk_write_bytes=1e9,
    disk_read_bytes=2e9,
    to_device_bytes=50e9,
)
"""A GPU behind a slow tokenizer and decoder."""

LAPTOP = Rates(
    device="cpu",
    single_flops=0.2e12,
    half_flops=0.1e12,
    captions=200_000.0,
    pictures=300.0,
    workers=2,
    disk_write_bytes=0.5e9,
    disk_read_bytes=1e9,
    to_device_bytes=None,
)


def by_work(rates: Rates) -> dict[str, Limit]:
    return {one.work: one for one in limits.limits(rates)}


def test_a_gpu_waits_for_the_cpu() -> None:
    found = by_work(H100)
    assert {work: one.limits for work, one in found.items()} == {
        "captions, ViT-B-32": "tokenising",
        "captions, ViT-L-14": "tokenising",
        "pictures, ViT-B-32": "decoding",
        "pictures, ViT-L-14": "decoding",
        "training, ViT-B-32": "decoding",
        "training, ViT-L-14": "the device",
        "search by 10,000 captions": "reading",
    }
    assert found["pictures, ViT-B-32"].steps == pytest.approx(
        {
            "reading": 20_000,
            "decoding": 640,
            "copying": 50e9 / 150_528,
            "the device": 0.2 * 676e12 / 8.818e9,
        }
    )
    assert str(found["pictures, ViT-B-32"]) == (
        "pictures, ViT-B-32: decoding limits, about 640 pictures/s "
        "(reading 20,000/s, copying 330,000/s, the device 15,000/s)"
    )
    assert found["training, ViT-L-14"].steps == pytest.approx(
        {"decoding": 320, "the device": 0.2 * 676e12 / (4 * 164.729e9)}
    )


def test_a_cpu_is_the_limit_itself_in_single_precision() -> None:
    found = by_work(LAPTOP)
    assert {one.limits for one in found.values()} == {"the device"}
    assert found["captions, ViT-B-32"].steps == pytest.approx(
        {"tokenising": 200_000, "the device": 0.9 * 0.2e12 / 1.215e9}
    )
    assert found["search by 10,000 captions"].steps == pytest.approx(
        {"reading": 1e9 / 1536, "the device": 0.2e12 / (2 * 768 * 10_000)}
    )


def test_a_faster_tokenizer_moves_the_limit_to_the_device() -> None:
    faster = dataclasses.replace(H100, captions=1e6)
    assert by_work(faster)["captions, ViT-B-32"].limits == "the device"


def test_examples_hold() -> None:
    assert doctest.testmod(limits).failed == 0


@pytest.mark.parametrize("name", DEMANDS)
def test_the_demand_of_a_model_is_what_torch_counts(name: str) -> None:
    import open_clip
    from torch.utils.flop_counter import FlopCounterMode

    config = open_clip.get_model_config(name)
    text = {**config["text_cfg"], "context_length": CAPTION_TOKENS}
    with torch.device("meta"):  # shapes without numbers
        model = open_clip.CLIP(config["embed_dim"], config["vision_cfg"], text).eval()
        caption = torch.zeros(1, CAPTION_TOKENS, dtype=torch.long)
        picture = torch.empty(1, 3, 224, 224)
    counts = []
    for encode, given in ((model.encode_text, caption), (model.encode_image, picture)):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            encode(given)
        counts.append(counter.get_total_flops())
    assert [DEMANDS[name].caption, DEMANDS[name].picture] == pytest.approx(counts, rel=1e-3)
