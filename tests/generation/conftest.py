"""One tiny pipeline and one tiny LLaVA, made of the towers of one tiny CLIP model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny_generators as tiny
import torch
import transformers


@dataclass(frozen=True)
class Place:
    """Names by which models, pipeline and LLaVA are loaded."""

    base: str
    """An open_clip model; its towers are those of pipeline and LLaVA."""
    exported: Path
    """The same as a `CLIPModel`."""
    other: str
    """A model built alike, of other weights."""
    run: Path
    """The folder of a run that trained the base."""
    pipeline: Path
    llava: Path


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Several threads wait for each other where a layer is this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    pytest.importorskip("diffusers", reason="needs the extra generation")
    folder = tmp_path_factory.mktemp("private")
    transformers.logging.disable_progress_bar()
    base = tiny.write_clip(folder / "base")
    exported = tiny.export(folder / "exported", base)
    return Place(
        base=base,
        exported=exported,
        other=tiny.write_clip(folder / "other", seed=1),
        run=tiny.write_run(folder / "safer", base),
        pipeline=tiny.write_pipeline(folder / "pipeline", exported),
        llava=tiny.write_llava(folder / "llava", exported),
    )
