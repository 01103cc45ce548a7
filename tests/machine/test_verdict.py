"""The verdict in words, for every combination of packages and devices."""

from __future__ import annotations

import pytest

from nsfwcaps.machine.verdict import shown, verdict


@pytest.mark.parametrize(
    ("gpu", "cpu", "expected"),
    [
        ("1.14", None, {"torch": "2", "faiss-gpu": "1.14"}),
        (None, "1.10", {"torch": "2", "faiss-cpu": "1.10"}),
        ("1.14", "1.10", {"torch": "2", "faiss-gpu": "1.14", "faiss-cpu": "1.10"}),
        (None, None, {"torch": "2", "faiss-gpu": None, "faiss-cpu": None}),
    ],
)
def test_one_faiss_is_enough(
    gpu: str | None, cpu: str | None, expected: dict[str, str | None]
) -> None:
    assert shown({"torch": "2", "faiss-gpu": gpu, "faiss-cpu": cpu}) == expected


@pytest.mark.parametrize(
    ("torch", "faiss", "expected"),
    [
        ("cuda: one", "cuda: 1 GPU(s)", "ready: models and search run on the GPU"),
        ("cpu: why", "cpu: why; FAISS 1", "ready: everything runs on the cpu: why"),
        ("cuda: one", "cpu: no build", "ready: models run on the GPU, search on the cpu: no build"),
        ("cpu: why", "cuda: 1 GPU(s)", "ready: search runs on the GPU, models on the cpu: why"),
    ],
)
def test_devices(torch: str, faiss: str, expected: str) -> None:
    assert verdict({"torch": "2"}, torch_device=torch, faiss_device=faiss) == expected


def test_missing_packages_are_named() -> None:
    packages = {"torch": "2", "timm": None, "pillow": None}
    assert verdict(packages, torch_device="cpu: why", faiss_device="cpu: why") == (
        "not ready: timm, pillow not installed; run pip install nsfwcaps"
    )
