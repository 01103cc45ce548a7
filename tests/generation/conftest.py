"""One tiny pipeline and one tiny LLaVA, made of the towers of one tiny CLIP model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import transformers
from support import tiny_generators as tiny
from support.generator_place import Place


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
