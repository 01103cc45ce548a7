"""train, subspace: what adapters with fixed inputs read, computed once and kept.

    subspace-*.safetensors   layer: directions [rank, in]

Its name is a digest of what it depends on: model, items, layers, rank and ridge. Epochs, rates and
batches are not among them, so runs with others reuse it, and so does a killed one. The last few of
a folder are kept, so that runs that alternate between ranks or ridges reuse theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nsfwcaps.artifacts import Shard, ShardFiles, StageFolder
from nsfwcaps.config import digest
from nsfwcaps.errors import ArtifactError
from nsfwcaps.stages.train.plans import SUBSPACE, Clock
from nsfwcaps.stages.train.reference import Reference

if TYPE_CHECKING:  # plans need no torch
    import torch

    from nsfwcaps.training.contrast import ContrastSample
    from nsfwcaps.training.options import TrainingOptions

VERSION = 1
GROUP = SUBSPACE
_LAST = 4
"""How many are kept in a folder."""


class KeptSubspace:
    """The directions of a run, from its folder if an earlier run has computed them."""

    def __init__(
        self,
        folder: StageFolder,
        encoder: str,
        reference: Reference,
        options: TrainingOptions,
        clock: Clock,
        made_from: str,
    ) -> None:
        """`made_from` says for plans what the directions depend on, as far as settings know."""
        self._made_from = made_from
        self._folder, self._encoder, self._clock = folder, encoder, clock
        self._reference, self._options = reference, options

    def __call__(
        self, sample: ContrastSample, make: Callable[[], dict[str, torch.Tensor]]
    ) -> Mapping[str, torch.Tensor]:
        """Return the directions by layer."""
        from safetensors.torch import load, save

        key = self._key(sample)

        def files() -> ShardFiles:
            with self._clock.timed(SUBSPACE) as done:
                data: bytes = save({name: item.contiguous() for name, item in make().items()})
                done.append(len(sample))
            contents: dict[tuple[str, str], Any] = {
                (GROUP, f"{GROUP}-{key[:12]}.safetensors"): data
            }
            facts = {"items": len(sample), "made_from": self._made_from}
            return ShardFiles(contents=contents, facts=facts)

        self._folder.move_to_end(key)
        shard = self._folder.shard_or(key, files)
        path = self._folder.path / shard.files[0].path
        try:
            found: dict[str, torch.Tensor] = load(path.read_bytes())
        except OSError:
            raise ArtifactError(f"{path} is missing; run the same command again") from None
        return found

    def _key(self, sample: ContrastSample) -> str:
        ids, hashes = ([*rows] for rows in (self._reference.text_row, self._reference.image_row))
        how = self._options.adaptation
        return digest(
            [
                *(VERSION, GROUP, self._encoder, self._options.precision.value),
                *(how.rank, self._options.ridge),
                [how.image_targets if how.image else None, how.text_targets if how.text else None],
                *(
                    [ids[text], hashes[image]]
                    for side in (sample.safe, sample.unsafe)
                    for text, image in zip(side.text.tolist(), side.image.tolist(), strict=True)
                ),
            ]
        )


def last(folder: StageFolder) -> list[Shard]:
    """Return the last few intact shards, in order of use."""
    rows = [row for row in folder.journal_rows() if any(f.group == GROUP for f in row.files)]
    intact = [shard for row in rows if (shard := folder.shard(row.key)) is not None]
    return intact[-_LAST:]
