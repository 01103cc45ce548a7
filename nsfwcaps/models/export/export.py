"""Export of a trained run to a folder that open_clip or transformers loads."""

from __future__ import annotations

import enum
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.errors import ArtifactError, ConfigError, ModelError
from nsfwcaps.models.trained import TrainedRun, adapter_folder
from nsfwcaps.models.trainings import data_sha256, data_title, described
from nsfwcaps.version import __version__


class Format(enum.StrEnum):
    """Target library."""

    OPEN_CLIP = "open_clip"
    TRANSFORMERS = "transformers"


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """Result of an export, and how to load it."""

    folder: Path
    facts: Mapping[str, Any]
    model: str
    """Name for `--model`."""
    notes: tuple[str, ...] = ()
    """A line for each edited file of an earlier export that was kept."""


def export(run: Path, form: Format, out: Path, strength: float = 1.0) -> ExportedModel:
    """Write the merged model of a trained run, its card and a record to a folder.

    Strength a gives the weights base + a (trained − base), for adapters and full fine-tuning alike.

    Raises:
        ConfigError: the strength is out of range.
        ArtifactError: the run has no trained model.
        ModelError: a file is damaged, the base model differs, or the format cannot represent it.
        StorageError: the folder contains other files.
    """
    if not 0 < strength <= 1:
        raise ConfigError(f"export: strength must be above 0 and at most 1, got {strength}")
    adapter = adapter_folder(str(run))
    if adapter is None:
        raise ArtifactError(
            f"{run} holds no trained model; finish "
            f"'nsfwcaps train … --out {shlex.quote(str(run))}' first"
        )
    # Imports torch, which is slow; the checks above fail fast.
    from nsfwcaps.cards import model as model_card
    from nsfwcaps.delivery.exported import delivered, write_record
    from nsfwcaps.models.create import create
    from nsfwcaps.models.export import open_clip_format, same_form, transformers_format
    from nsfwcaps.models.huggingface.towers import TransformersClip
    from nsfwcaps.models.lineage import lineage
    from nsfwcaps.models.names import Form, parse
    from nsfwcaps.runtime.weights import weights_sha256

    runs, notes = lineage(adapter), list[str]()
    base = parse(runs[-1].base)
    if base.form is Form.HUGGING_FACE and form is Format.OPEN_CLIP:
        raise ModelError(
            f"{run} was trained on a model of transformers ({base.architecture}), which open_clip "
            "cannot load; use --to transformers"
        )
    with delivered(out, notes) as folder:
        model, _, tokenizer = create(parse(str(run)), strength)
        same = isinstance(model, TransformersClip)
        if form is Format.OPEN_CLIP:
            open_clip_format.write(folder, base.architecture, model, tokenizer)
        elif same:
            same_form.write(folder, model, tokenizer)
        else:
            transformers_format.write(folder, model, tokenizer)
        facts = {
            "format": form.value,
            **_facts(runs[0], strength),
            "weights_sha256": weights_sha256(model.state_dict()),
            "configured": (folder / open_clip_format.CONFIG).is_file(),
            "same_form": same,
            "loads_as": model.files.loads_as if same else "CLIPModel",
        }
        (folder / "README.md").write_text(model_card.render(facts), encoding="utf-8")
        write_record(folder, facts)
    name = open_clip_format.model_name(out) if form is Format.OPEN_CLIP else f"hf:{out}"
    return ExportedModel(folder=out, facts=facts, model=name, notes=tuple(notes))


def _facts(run: TrainedRun, strength: float) -> dict[str, Any]:
    settings = run.settings
    return {
        "name": run.name,
        "base": run.base_name,
        "base_weights_sha256": run.encoder["weights_sha256"],
        "method": settings.get("method"),
        "trained": described(settings),
        "towers": list(settings["towers"]),
        "steps": run.steps,
        "epochs": settings.get("epochs"),
        "kept_epoch": run.kept_epoch,
        "strength": strength,
        "before": run.before,
        "after": run.after,
        "training": run.training,
        "data": data_title(run),
        "data_sha256": data_sha256(run),
        "nsfwcaps": __version__,
    }
