"""Vectors imported from a folder in clip-retrieval's layout, looked up by content.

    FOLDER/text_emb/text_emb_0000.npy      [n, d], any float
    FOLDER/img_emb/img_emb_0000.npy        [n, d], optional
    FOLDER/metadata/metadata_0000.parquet  n rows: caption, and sha256 of the image

Row i of a metadata file describes row i of the array with the same number. Captions are looked up
by the hash of their text, images by the hash of their bytes; never by position.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.captions.normalize import content_id, normalize
from nsfwcaps.captions.tables.column_names import CAPTION_NAMES, folded
from nsfwcaps.encoders.encoder import Encoded, Identity, Images, finite
from nsfwcaps.encoders.keeping import Keeper
from nsfwcaps.encoders.languages import languages_of
from nsfwcaps.errors import InputError
from nsfwcaps.files import sha256_file
from nsfwcaps.work import Work, WorkSplit

_HALF_SLACK = 2.0**-10
"""As in `vectors.unit`: twice the rounding error of the length of a row in half precision."""
_NOT_FOUND = "not_in_source"
_KEY = "S16"
_BATCH = 2**16
_SHA256 = re.compile("[0-9a-fA-F]{64}")

Keys = npt.NDArray[np.bytes_]


class ImportedVectors:
    """Encoder that looks up precomputed vectors in a folder."""

    device = "none: vectors are imported"

    def __init__(self, folder: Path) -> None:
        self._text = _Lookup(folder, "text_emb", _caption_keys)
        has_images = (folder / "img_emb").is_dir()
        self._images = _Lookup(folder, "img_emb", _sha256_keys) if has_images else None
        self.identity = Identity(
            name=f"imported:{folder.name}",
            weights_sha256=source_digest(folder),
            activation="as imported",
            preprocessing={},
            precision="as imported",
            context_length=0,
            width=self._text.width,
            image_width=self._images.width if self._images else None,
            padding="as imported",
            languages=languages_of(folder.name),
        )

    def prepared(self, captions: Sequence[str]) -> Sequence[str]:
        """Return the captions: nothing can be done ahead."""
        return captions

    def encode_text(self, captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        """Look up n captions; those without a vector fail."""
        encoded = self._text.rows([bytes.fromhex(content_id(item)) for item in captions])
        advance(len(captions))
        return encoded

    def started(
        self,
        captions: Sequence[str],
        advance: Callable[[int], None],
        keeper: Keeper | None = None,
    ) -> Callable[[], Encoded]:
        """Look up n captions."""
        encoded = self.encode_text(captions, advance)
        return lambda: encoded

    def encode_images(
        self,
        images: Images,
        advance: Callable[[int], None],
        split: WorkSplit | None = None,
        keeper: Keeper | None = None,
    ) -> Encoded:
        """Look up n images by the hash of their bytes."""
        assert self._images is not None, "checked through identity.image_width"
        with (split or WorkSplit()).timed(Work.READ):
            encoded = self._images.rows([bytes.fromhex(sha256)[:16] for sha256, _ in images])
        advance(len(images))
        return encoded

    def truncated(self, captions: Sequence[str]) -> None:
        """Return None: the window of the encoder is unknown."""


def source_digest(folder: Path) -> str:
    """Return a digest of all array and metadata files.

    Raises:
        InputError: there are none.
    """
    _shards(folder, "text_emb")
    whole = hashlib.sha256()
    for kind in ("text_emb", "img_emb", "metadata"):
        for path in sorted((folder / kind).glob("*.*")):
            whole.update(f"{path.name}:{sha256_file(path)}\n".encode())
    return whole.hexdigest()


class _Lookup:
    """Lookup table of one modality: sorted 16-byte keys, and the position of each vector."""

    def __init__(self, folder: Path, kind: str, keys_of: Callable[[Path], Keys]) -> None:
        self._arrays: list[npt.NDArray[Any]] = []
        keys: list[Keys] = []
        for path, metadata in _shards(folder, kind):
            array, found = _load(path), keys_of(metadata)
            if len(found) != len(array):
                raise InputError(
                    f"{path}: {len(array)} vectors, but {metadata.name} has {len(found)} rows; "
                    "expected one row per vector"
                )
            if self._arrays and array.shape[1] != self._arrays[0].shape[1]:
                raise InputError(
                    f"{path}: expected vectors of width {self._arrays[0].shape[1]}, got "
                    f"{array.shape[1]}; a folder must hold vectors of one encoder"
                )
            self._arrays.append(array)
            keys.append(found)
        self._starts = np.cumsum([0, *map(len, self._arrays)])
        whole = np.concatenate(keys)
        del keys
        self._places = np.argsort(whole, kind="stable")
        self._keys = whole[self._places]
        self.width = int(self._arrays[0].shape[1])
        self._in_half = all(array.dtype == np.float16 for array in self._arrays)

    def rows(self, keys: Sequence[bytes]) -> Encoded:
        """Return the unit rows of known keys; unknown ones fail."""
        wanted = np.array(keys, _KEY)
        spots = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        found = self._keys[spots] == wanted
        vectors = self._gather(self._places[spots[found]])
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        if self._in_half:  # dividing rows that a run exported would round them once more
            length[np.abs(length - 1) <= _HALF_SLACK] = 1
        positions = np.flatnonzero(found)
        failed = dict.fromkeys(np.flatnonzero(~found).tolist(), _NOT_FOUND)
        with np.errstate(invalid="ignore", divide="ignore"):
            checked = finite(vectors / length)
        bad = {int(positions[at]): reason for at, reason in checked.failed.items()}
        return Encoded(rows=checked.rows, failed=failed | bad)

    def _gather(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        out = np.empty((len(places), self.width), dtype=np.float32)
        file = np.searchsorted(self._starts, places, side="right") - 1
        for number, array in enumerate(self._arrays):
            here = file == number
            out[here] = array[places[here] - self._starts[number]]
        return out


def _shards(folder: Path, kind: str) -> list[tuple[Path, Path]]:
    arrays = sorted((folder / kind).glob("*.npy"))
    if not arrays:
        raise InputError(f"{folder}: no {kind}/*.npy; embed.source expects clip-retrieval's layout")
    pairs = []
    for path in arrays:
        metadata = folder / "metadata" / f"metadata_{path.stem.rpartition('_')[2]}.parquet"
        if not metadata.is_file():
            raise InputError(f"{path}: metadata file {metadata} is missing")
        pairs.append((path, metadata))
    return pairs


def _load(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        raise InputError(f"{path}: truncated or not a .npy array; copy it again") from None
    if array.ndim != 2 or array.dtype.kind != "f":
        raise InputError(f"{path}: expected floats [n, d], got {array.dtype} {list(array.shape)}")
    return array


def _column(path: Path, choose: Callable[[Sequence[str]], str]) -> Iterator[list[Any]]:
    """Yield the values of one column in batches: other columns may hold far more."""
    try:
        with pq.ParquetFile(path) as file:
            name = choose(file.schema_arrow.names)
            for batch in file.iter_batches(_BATCH, columns=[name]):
                yield batch.column(0).to_pylist()
    except (OSError, pa.ArrowException):
        raise InputError(f"{path}: damaged or truncated; copy it again") from None


def _as_keys(parts: Iterable[Iterable[bytes]]) -> Keys:
    return np.concatenate([np.empty(0, _KEY), *(np.array([*part], _KEY) for part in parts)])


def _caption_keys(path: Path) -> Keys:
    def choose(names: Sequence[str]) -> str:
        own = {folded(name): name for name in reversed(names)}
        name = next((own[name] for name in CAPTION_NAMES[None] if name in own), None)
        if name is None:
            raise InputError(f"{path}: no caption column; available columns: {', '.join(names)}")
        return name

    return _as_keys(
        (bytes.fromhex(content_id(normalize(str(item or "")))) for item in part)
        for part in _column(path, choose)
    )


def _sha256_keys(path: Path) -> Keys:
    def choose(names: Sequence[str]) -> str:
        if "sha256" not in names:
            raise InputError(
                f"{path}: column sha256 is missing, which identifies images by their bytes; "
                "add it, or set embed.images to false"
            )
        return "sha256"

    def keys() -> Iterator[list[bytes]]:
        start = 0
        for part in _column(path, choose):
            hashes = [str(item or "00" * 32) for item in part]
            for row, item in enumerate(hashes):
                if not _SHA256.fullmatch(item):
                    raise InputError(
                        f"{path}: expected 64 hexadecimal digits in row {start + row} of column "
                        "sha256"
                    )
            start += len(hashes)
            yield [bytes.fromhex(item)[:16] for item in hashes]

    return _as_keys(keys())
