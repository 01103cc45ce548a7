"""A run's folder, read: pairs, rejects and what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps import pipeline
from nsfwcaps.api import display
from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.errors import ArtifactError
from nsfwcaps.stages import BUILD
from nsfwcaps.tables import column_names, read_tables

if TYPE_CHECKING:
    import pyarrow as pa

_PICTURES = ("unsafe_image", "safe_image", "partner_image")
_FEW_IDS = 3


class Run:
    """The folder of a run: what `build` made, or the command.

    Everything is read from the folder when it is asked for. In a notebook, captions are covered
    until they are opened; elsewhere a run shows ids only.

    Args:
        path: Folder of the run.

    Raises:
        ArtifactError: the folder holds no finished stage, or a damaged one.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        """Folder of the run."""
        if not self._records():
            raise ArtifactError(
                f"{self.path} holds no finished stage; make a run with nsfwcaps.build(out=…) or "
                f"'nsfwcaps build --out {self.path}'"
            )

    @property
    def dataset(self) -> Path:
        """Folder of the data set, which `datasets.load_dataset` opens."""
        return self.path / "dataset"

    @property
    def pairs(self) -> pa.Table:
        """Published pairs, one a row, with the columns of the data set but its image bytes.

        A notebook shows the table's size and columns and not its captions.

        Raises:
            ArtifactError: nothing has been published yet.
        """
        import pyarrow as pa

        return display.cover(pa.concat_tables(list(self._tables())))

    @property
    def rejects(self) -> pa.Table:
        """What was set aside: `id`, `reason` and the `stage` that did it.

        The id of a row that ingest could not use is its pool's name and row, `pool.csv:17`.
        """
        from nsfwcaps.api.rejects import rejects_of

        return rejects_of(self._records().values())

    @property
    def facts(self) -> Mapping[str, Mapping[str, Any]]:
        """What each stage measured, by its name."""
        return {name: record.facts for name, record in self._records().items()}

    @property
    def digests(self) -> Mapping[str, str]:
        """Digest of each stage's output, by its name; equal for equal results."""
        return {name: record.output_digest for name, record in self._records().items()}

    def summary(self) -> str:
        """One line a stage: numbers, and what was set aside and why."""
        records = self._records().values()
        return "\n".join(f"{record.stage:<8} {pipeline.headline(record)}" for record in records)

    def _records(self) -> dict[str, StageRecord]:
        """Finished stages in order."""
        found = {stage.name: StageFolder(self.path / stage.name).record() for stage in BUILD}
        return {name: record for name, record in found.items() if record is not None}

    def _tables(self) -> Iterator[pa.Table]:
        """Tables of the data set, one file after the other."""
        record = self._records().get("publish")
        if record is None:
            raise ArtifactError(
                f"{self.path}: nothing has been published yet; run 'nsfwcaps publish --workdir "
                f"{self.path}', or build again"
            )
        paths = [path for path in record.paths("dataset") if path.suffix == ".parquet"]
        names = [name for name in column_names(paths[0]) if name not in _PICTURES]
        yield from read_tables(paths, names)

    def __repr__(self) -> str:
        lines = [f"Run({str(self.path)!r})", self.summary()]
        if "publish" in self._records():
            ids = next(self._tables())["pair_id"].slice(0, _FEW_IDS).to_pylist()
            lines.append(f"first pairs: {', '.join(ids)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Numbers, and below them the first pairs, covered until they are clicked."""
        records = self._records()
        first = next(self._tables()) if "publish" in records else None
        return display.run_as_html(self.path, records.values(), first)
