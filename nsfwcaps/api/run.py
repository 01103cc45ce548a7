"""Read access to a run's folder: pairs, rejects and facts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps import pipeline
from nsfwcaps.api import display
from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.errors import ArtifactError
from nsfwcaps.inspection.pairs import PAIR_STAGES
from nsfwcaps.stages import BUILD
from nsfwcaps.stages.publish import replaced
from nsfwcaps.stores.address import shown
from nsfwcaps.stores.session import Use, opened
from nsfwcaps.tables import column_names, read_tables

if TYPE_CHECKING:
    import pyarrow as pa

_PICTURES = ("unsafe_image", "safe_image", "partner_image")
_FEW_IDS = 3


class Run:
    """A run made by `build` or by the command line.

    Attributes are read from the folder on access. Notebooks hide captions until you expand them;
    everywhere else a run prints ids only.

    Args:
        path: Folder of the run, or an address such as `s3://bucket/run`, which is fetched.

    Raises:
        ArtifactError: the folder contains no finished stage, or a damaged one.
    """

    def __init__(self, path: str | Path) -> None:
        with opened(path, Use.READ) as folder:
            self.path = folder
            """Folder of the run; of one on a store, its mirror on this machine."""
            if not self._records():
                raise ArtifactError(
                    f"{self.path} contains no finished stage; make a run with "
                    "nsfwcaps.build(out=…) or "
                    f"'nsfwcaps build --out {shlex.quote(str(self.path))}'"
                )

    @property
    def dataset(self) -> Path:
        """Folder of the data set, for `datasets.load_dataset`."""
        return self.path / "dataset"

    @property
    def pairs(self) -> pa.Table:
        """Published pairs, one per row, with all columns except image bytes.

        Notebooks show the size and columns of the table, not its captions.

        Raises:
            ArtifactError: the run has not been published yet.
        """
        import pyarrow as pa

        return display.cover(pa.concat_tables(list(self._tables())))

    @property
    def rejects(self) -> pa.Table:
        """Rejected rows: `id`, `reason` and the `stage` that rejected them.

        Rows that ingest rejected are identified by file and row, such as `pool.csv:17`.
        """
        from nsfwcaps.api.rejects import rejects_of

        return rejects_of(self._records().values())

    @property
    def facts(self) -> Mapping[str, Mapping[str, Any]]:
        """Statistics of each stage, by stage name."""
        return {name: record.facts for name, record in self._records().items()}

    @property
    def quality(self) -> Mapping[str, Any]:
        """How close the pairs are: quartiles of their cosines, and the most used targets.

        `border` is the cosine below which more pairs are wrong than right, where it was measured.

        Raises:
            ArtifactError: the run has no pairs yet.
        """
        from nsfwcaps.inspection import quality  # imported here, as numpy imports slowly

        return quality.facts(self.path)

    @property
    def digests(self) -> Mapping[str, str]:
        """Digest of each stage's output, by stage name. Equal outputs have equal digests."""
        return {name: record.output_digest for name, record in self._records().items()}

    def summary(self) -> str:
        """One line per stage, then how close the pairs are.

        A line has row counts, rejects by reason, and the pairs that were replaced.
        """
        if not {*PAIR_STAGES} & {*self._records()}:
            return self._headlines()
        from nsfwcaps.inspection import quality  # imported here, as numpy imports slowly

        return f"{self._headlines()}\n{quality.paragraph(self.path)}"

    def _headlines(self) -> str:
        lines = []
        for record in self._records().values():
            change = replaced(record.facts)
            said = pipeline.headline(record) + (f"; {change}" if change else "")
            lines.append(f"{record.stage:<8} {said}")
        return "\n".join(lines)

    def _records(self) -> dict[str, StageRecord]:
        """Records of the finished stages, in pipeline order."""
        found = {stage.name: StageFolder(self.path / stage.name).record() for stage in BUILD}
        return {name: record for name, record in found.items() if record is not None}

    def _tables(self) -> Iterator[pa.Table]:
        """Yield the tables of the data set, file by file."""
        record = self._records().get("publish")
        if record is None:
            raise ArtifactError(
                f"{self.path}: not published yet; run "
                f"'nsfwcaps publish --workdir {shlex.quote(str(self.path))}', or "
                "build again"
            )
        paths = [path for path in record.paths("dataset") if path.parent.name == "data"]
        names = [name for name in column_names(paths[0]) if name not in _PICTURES]
        yield from read_tables(paths, names)

    def __repr__(self) -> str:
        lines = [f"Run({shown(str(self.path))!r})", self._headlines()]
        if "publish" in self._records():
            ids = next(self._tables())["pair_id"].slice(0, _FEW_IDS).to_pylist()
            lines.append(f"first pairs: {', '.join(ids)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Table of the stages, and the first pairs hidden until clicked."""
        records = self._records()
        first = next(self._tables()) if "publish" in records else None
        return display.run_as_html(self.path, records.values(), first)
