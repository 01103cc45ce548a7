"""What a driver asks its workers for, and whether they have the same code, inputs and weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps import changes, config
from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.errors import ArtifactError, ModelError
from nsfwcaps.executors.shareable import shareable
from nsfwcaps.freshness import fingerprint, inputs_of
from nsfwcaps.version import __version__


@dataclass(frozen=True, kw_only=True)
class Order:
    """A stage to share. Plain values only, so that another version can read it and refuse."""

    stage: str
    settings: Mapping[str, Any]
    workdir: str
    version: str
    fingerprint: str
    inputs: Mapping[str, str]
    """Digests of everything that the stage reads: earlier stages, pools, weights."""

    @classmethod
    def of(
        cls, stage: str, settings: Any, workdir: Path, inputs: Mapping[str, StageRecord]
    ) -> Order:
        """Describe a run of a stage as this process would make it."""
        wanted, digests = fingerprint(shareable(stage), settings, inputs)
        return cls(
            stage=stage,
            settings=config.as_dict(settings),
            workdir=str(workdir),
            version=__version__,
            fingerprint=wanted,
            inputs=digests,
        )

    def opened(self) -> tuple[Any, dict[str, StageRecord]]:
        """Return the settings and the records of the inputs, as this process finds them.

        Raises:
            ModelError: this process has another version of the package, or other weights.
            ArtifactError: it sees other inputs.
        """
        if self.version != __version__:
            raise ModelError(
                f"this worker has nsfwcaps {__version__}, the driver {self.version}; install the "
                "same version on all machines"
            )
        stage = shareable(self.stage)
        settings = config.parse(stage.settings, self.settings, where=self.stage)
        inputs = inputs_of(stage, settings, Path(self.workdir))
        for name, record in inputs.items():
            if record is None:
                raise ArtifactError(
                    f"this worker finds no {name} in {self.workdir}, which the driver has; share "
                    "the folder with all machines"
                )
        known = {name: record for name, record in inputs.items() if record is not None}
        self.compare(Order.of(self.stage, settings, Path(self.workdir), known))
        return settings, known

    def compare(self, own: Order) -> None:
        """Refuse to work on what another process would make differently.

        Raises:
            ModelError: weights, code or settings differ.
        """
        if own.version != self.version:
            raise ModelError(
                f"{self.stage}: another part was made by nsfwcaps {self.version}, this is "
                f"{own.version}; install the same version on all machines"
            )
        if own.fingerprint == self.fingerprint:
            return
        kind = shareable(self.stage).settings
        before, now = (
            config.output_settings(config.parse(kind, each.settings, where=self.stage))
            for each in (self, own)
        )
        found = [
            *changes.of_settings(before, now),
            *changes.of_inputs(self.inputs, own.inputs),
        ]
        why = "; ".join(found) or "the code of the stage differs"
        raise ModelError(
            f"{self.stage}: this process would make other shards than the others: {why}; give all "
            "of them the same options, inputs and weights"
        )

    def is_like(self, own: Order) -> bool:
        """Whether another process would make the same shards."""
        return (self.version, self.fingerprint) == (own.version, own.fingerprint)

    def folder(self, writer: str | None) -> StageFolder:
        """Return the stage's folder, for a writer."""
        return StageFolder(Path(self.workdir) / self.stage, writer=writer)
