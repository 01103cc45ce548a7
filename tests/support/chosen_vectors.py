"""Captions whose vectors a test chooses, taken through ingest, embed and mine."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.ingest_place import Place, table

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.encoders.encoder import Encoded, Identity, Images, Vectors
from nsfwcaps.encoders.keeping import Keeper
from nsfwcaps.encoders.languages import Languages
from nsfwcaps.pipeline import run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.embed import run as embed
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.work import WorkSplit

BROKEN = b"broken"


def at(degrees: float) -> list[float]:
    """Point on the unit circle: the cosine of two is the cosine of the angle between them."""
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


@dataclass
class ChosenVectors:
    """An encoder that looks captions and pictures up, and remembers what it was asked."""

    text: Mapping[str, Sequence[float]]
    pictures: Mapping[bytes, Sequence[float]] = field(default_factory=dict)
    weights: str = "0"
    device: str = "none"
    asked: list[str] = field(default_factory=list)
    asked_pictures: list[str] = field(default_factory=list)
    fail_after: int | None = None
    """Raise on the call after so many, as a run that is killed."""
    window: int | None = 77
    languages: Languages = Languages.ENGLISH

    @property
    def identity(self) -> Identity:
        widths = {len(row) for row in self.text.values()}
        picture_widths = {len(row) for row in self.pictures.values()}
        return Identity(
            name="chosen",
            weights_sha256=self.weights,
            activation="none",
            preprocessing={},
            precision="fp32",
            context_length=77,
            width=widths.pop(),
            image_width=picture_widths.pop() if picture_widths else None,
            padding="none",
            languages=self.languages,
        )

    def prepared(self, captions: Sequence[str]) -> Sequence[str]:
        return captions

    def encode_text(self, captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        if self.fail_after is not None:
            if self.fail_after == 0:
                raise KeyboardInterrupt
            self.fail_after -= 1
        self.asked += captions
        advance(len(captions))
        failed = {n: "not_finite" for n, item in enumerate(captions) if item not in self.text}
        rows = [self.text[item] for item in captions if item in self.text]
        return Encoded(rows=_array(rows, self.identity.width), failed=failed)

    def truncated(self, captions: Sequence[str]) -> npt.NDArray[np.bool_] | None:
        """Captions of more words than the window; unknown without one."""
        if self.window is None:
            return None
        return np.array([len(item.split()) > self.window for item in captions], dtype=np.bool_)

    def started(
        self, captions: Sequence[str], advance: Callable[[int], None], keeper: Keeper | None = None
    ) -> Callable[[], Encoded]:
        encoded = self.encode_text(captions, advance)
        return lambda: encoded

    def encode_images(
        self,
        images: Images,
        advance: Callable[[int], None],
        split: WorkSplit | None = None,
        keeper: Keeper | None = None,
    ) -> Encoded:
        failed: dict[int, str] = {}
        rows = []
        for number, (sha256, get) in enumerate(images):
            self.asked_pictures.append(sha256)
            try:
                data = get()
            except OSError:
                failed[number] = "image_missing"
                continue
            if data.startswith(BROKEN):
                failed[number] = "image_undecodable"
            else:
                rows.append(self.pictures[data])
        advance(len(images))
        return Encoded(rows=_array(rows, self.identity.image_width or 0), failed=failed)


def _array(rows: list[Sequence[float]], width: int) -> Vectors:
    return np.array(rows, dtype=np.float32).reshape(-1, width)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Project:
    """A workdir whose embed stage gets its vectors from the test."""

    place: Place
    monkeypatch: pytest.MonkeyPatch

    @property
    def workdir(self) -> Path:
        return self.place.folder / "work"

    def ingest(self, unsafe: Sequence[Any], safe: Sequence[Any], **settings: Any) -> StageRecord:
        """Rows are captions or whole rows; a `picture` of bytes becomes a file beside the pool."""
        pools = {
            label: (self.place.pool(f"{label}.jsonl", map(self._row, rows)),)
            for label, rows in (("unsafe", unsafe), ("safe", safe))
            if rows
        }
        return self.place.ingest(**pools, **settings)

    def _row(self, row: Any) -> Any:
        if isinstance(row, str) or "picture" not in row:
            return row
        path = self.place.write(f"pictures/{sha256(row['picture'])[:8]}.png", row["picture"])
        return {"caption": row["caption"], "image_path": path}

    def embed(self, encoder: ChosenVectors, **settings: Any) -> StageRecord:
        self.monkeypatch.setattr(embed, "encoder_of", lambda settings, **choice: encoder)
        self.monkeypatch.setattr(
            embed, "sources", lambda settings: {"model": encoder.identity.digest}
        )
        return run_stage(STAGE["embed"], EmbedSettings(**settings), self.workdir, Silent()).record

    def mine(self, **settings: Any) -> StageRecord:
        values = MineSettings(**settings)
        return run_stage(STAGE["mine"], values, self.workdir, Silent()).record

    def captions(self) -> dict[str, str]:
        """Caption of every id."""
        from nsfwcaps.artifacts import StageFolder

        record = StageFolder(self.workdir / "ingest").record()
        assert record is not None
        return {
            row["id"]: row["caption"]
            for label in ("unsafe", "safe")
            if record.paths(label)
            for row in table(record, label).to_pylist()
        }


def rows(record: StageRecord, group: str) -> list[dict[str, Any]]:
    """Every row of a group, or none where there is no file of it."""
    return table(record, group).to_pylist() if record.paths(group) else []
