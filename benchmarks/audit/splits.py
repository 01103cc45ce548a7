"""How many held-out pairs share a picture or a caption with training pairs.

    python benchmarks/audit/splits.py --data RUN/dataset
    python benchmarks/audit/splits.py --flickr8k FLICKR8K.parquet --out FOLDER [-- BUILD OPTIONS]

The second form first builds such a data set: photographs with five captions each are the safe
pool, one mild edit of each caption the unsafe pool. With `--copies`, one caption of each photograph
has it encoded again, at another size and quality. FLICKR8K.parquet has the columns `image_id`,
`captions` (a list) and `jpeg`.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from PIL import Image

_EDITS = (
    "next to a handgun",
    "beside a broken window",
    "with a cigarette in hand",
    "in front of a burnt car",
    "near a knife on the ground",
)
_SIDES = ("unsafe", "safe", "partner")


def write_pools(flickr8k: Path, out: Path, photographs: int, *, copies: bool) -> None:
    """Write `safe.parquet` and `unsafe.parquet`."""
    table = pq.read_table(flickr8k, columns=["image_id", "captions", "jpeg"])
    safe, unsafe = [], []
    for row in table.slice(0, photographs).to_pylist():
        again = _encoded_again(row["jpeg"]) if copies else row["jpeg"]
        for place, caption in enumerate(row["captions"]):
            picture = again if place == 0 else row["jpeg"]
            safe.append({"photograph": row["image_id"], "caption": caption, "image": picture})
            edited = f"{caption.rstrip(' .')} {_EDITS[place % len(_EDITS)]}."
            unsafe.append({"photograph": row["image_id"], "caption": edited, "category": "mild"})
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(safe), out / "safe.parquet")
    pq.write_table(pa.Table.from_pylist(unsafe), out / "unsafe.parquet")


def build(out: Path, options: list[str]) -> None:
    """Build the data set of the pools."""
    command = [sys.executable, "-m", "nsfwcaps", "build", "--quiet", "--out", str(out / "run")]
    pools = ["--safe", str(out / "safe.parquet"), "--unsafe", str(out / "unsafe.parquet")]
    subprocess.run([*command, *pools, *options], check=True)


def measure(data: Path) -> dict[str, object]:
    """Count pairs by split, and those of a held-out split that share something with train."""
    found = ds.dataset(sorted((data / "data").glob("*.parquet")))
    shared = {
        "caption": [f"{side}_id" for side in _SIDES],
        "picture": [f"{side}_image_sha256" for side in _SIDES],
        "photograph": [f"{side}_photograph" for side in _SIDES],
    }
    names = [name for part in shared.values() for name in part if name in found.schema.names]
    table = found.to_table(["split", *names])
    train = table.filter(pc.equal(table["split"], "train"))
    out: dict[str, object] = {"pairs": dict(_counts(table["split"]))}
    for split in ("validation", "test"):
        held = table.filter(pc.equal(table["split"], split))
        out[split] = {
            what: _sharing(held, train, [name for name in part if name in names])
            for what, part in shared.items()
        }
    out["safe items"] = _of_safe_items(data, table.filter(pc.not_equal(table["split"], "train")))
    return out


def _sharing(held: pa.Table, train: pa.Table, names: list[str]) -> int | None:
    """Number of held-out pairs with a value, in any column, that a training pair has in any."""
    if not names:
        return None
    known = pa.chunked_array([c for name in names for c in train[name].chunks]).drop_null()
    masks = [pc.is_in(held[name], value_set=known.combine_chunks()) for name in names]
    hit = masks[0]
    for mask in masks[1:]:
        hit = pc.or_(hit, mask)
    return int(pc.sum(hit).as_py() or 0)


def _of_safe_items(data: Path, held: pa.Table) -> dict[str, int]:
    """Number of safe items for preservation, and of those with a picture of a held-out pair."""
    files = sorted((data / "safe").glob("*.parquet"))
    if not files:
        return {"count": 0, "picture of a held-out pair": 0}
    items = ds.dataset(files).to_table(["safe_id", "safe_image_sha256"])
    names = [name for name in held.column_names if name.endswith("_image_sha256")]
    known = {value for name in names for value in held[name].to_pylist()} - {None}
    hits = sum(value in known for value in items["safe_image_sha256"].to_pylist())
    return {"count": items.num_rows, "picture of a held-out pair": hits}


def _counts(column: pa.ChunkedArray) -> list[tuple[str, int]]:
    return sorted((item["values"], item["counts"]) for item in pc.value_counts(column).to_pylist())


def _encoded_again(jpeg: bytes) -> bytes:
    """The same photograph as another JPEG file: three quarters of the size, quality 60."""
    picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    smaller = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4))
    out = io.BytesIO()
    smaller.save(out, "JPEG", quality=60)
    return out.getvalue()


def main() -> None:
    """Build if asked to, then print the measure as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a published data set")
    parser.add_argument("--flickr8k", type=Path, help="build one of these photographs first")
    parser.add_argument("--out", type=Path, help="folder of the pools and the run")
    parser.add_argument("--photographs", type=int, default=300)
    parser.add_argument("--copies", action="store_true", help="encode some pictures again")
    given, options = parser.parse_known_args()
    if given.flickr8k is not None:
        if given.out is None:
            parser.error("--flickr8k needs --out")
        write_pools(given.flickr8k, given.out, given.photographs, copies=given.copies)
        build(given.out, [item for item in options if item != "--"])
    elif given.data is None:
        parser.error("give --data, or --flickr8k and --out")
    print(json.dumps(measure(given.data or given.out / "run" / "dataset"), indent=1))


if __name__ == "__main__":
    main()
