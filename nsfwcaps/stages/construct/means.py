"""construct: what edits and checks; loaded by this process, or by each of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.captions.benchmarks import fold_keys
from nsfwcaps.config import digest
from nsfwcaps.construction import plausibility
from nsfwcaps.construction.editors import load as editors
from nsfwcaps.construction.editors.openai import Manners
from nsfwcaps.detectors.detector import Detector, Modality
from nsfwcaps.detectors.registry import load_all
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.models import create
from nsfwcaps.progress import Advance
from nsfwcaps.stages.construct.block import Benchmark
from nsfwcaps.stages.construct.edit import EditChecker, benchmark_parts, embed_benchmark
from nsfwcaps.stages.construct.requests import limits_of
from nsfwcaps.stages.construct.settings import ConstructSettings
from nsfwcaps.vectors.store import VectorTable


def load_checker(
    settings: ConstructSettings, folder: StageFolder, captions: Sequence[str]
) -> EditChecker:
    """Load editor, encoder and detectors; `captions` are the benchmark's, without vectors yet.

    Raises:
        ModelError: a model cannot be loaded.
    """
    encoder = create.load(settings.aligner, EncoderOptions.of(settings))
    editor = editors.load(
        settings.editor,
        seed=settings.seed,
        device=settings.device,
        folder=folder.path,
        manners=Manners(
            workers=settings.parallel,
            requests_per_minute=settings.requests_per_minute,
            timeout_s=settings.timeout,
            attempts=settings.attempts,
        ),
    )

    def detectors(names: Sequence[str], option: str) -> list[Detector[str]]:
        return load_all(names, Modality.TEXT, settings.device, option=option) if names else []

    return EditChecker(
        editor=editor,
        encoder=encoder,
        detectors=detectors(settings.detector, "--detector"),
        edit_detectors=detectors(settings.edit_detector, "--edit-detector"),
        benchmark=Benchmark(keys=fold_keys(captions), vectors=None, digest=digest(captions)),
        limits=limits_of(settings, only_inserts=editor.statement.only_inserts),
        ranking=plausibility.load(settings.plausibility, settings.device),
        min_plausibility=settings.min_plausibility,
        min_alignment=settings.min_alignment,
        near_duplicate=settings.near_duplicate,
        folder=folder,
    )


def with_benchmark(checker: EditChecker, captions: Sequence[str], advance: Advance) -> EditChecker:
    """Return the checker with the vectors of the benchmark's captions."""
    paths = embed_benchmark(benchmark_parts(captions), checker.encoder, checker.folder, advance)
    vectors = VectorTable(paths) if paths else None
    return replace(checker, benchmark=replace(checker.benchmark, vectors=vectors))
