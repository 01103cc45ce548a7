"""Files as people have them: each is read right, or refused with the option that settles it.

Each case is one kind of file on which a pool was once misread without a word. The names of the
tests that read a format are in docs/reference/formats.md.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.shell import Said, call

GUN, KNIFE = "A handgun on a table", "A knife on a chair"
CHINESE, FRENCH = "\u4e00\u628a\u5200", "A knife in a caf\u00e9"
RUSSIAN, CZECH = "\u043f\u0438\u0441\u0442\u043e\u043b\u0435\u0442", "mu\u017e kou\u0159\u00ed\n"
SAFE = ["A vase on a table", "A cup on a chair", "A lamp near a door"]


@dataclass(frozen=True)
class Read:
    """What ingest made of a file given as the unsafe pool."""

    said: Said
    rows: list[dict[str, Any]]
    facts: dict[str, Any]

    @property
    def captions(self) -> list[str]:
        return sorted(row["caption"] for row in self.rows)

    @property
    def columns(self) -> dict[str, Any]:
        (pool,) = [pool for pool in self.facts["pools"] if pool["label"] == "unsafe"]
        columns: dict[str, Any] = pool["columns"]
        return columns

    @property
    def rejects(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for pool in self.facts["pools"]:
            found |= pool["rejects"]
        return found


def ingest(tmp_path: Path, pool: Path | str, *more: object) -> Read:
    """Give a file to ingest as the unsafe pool, in place of an earlier one; read what is kept."""
    safe = tmp_path / "S.jsonl"
    safe.write_text("".join(json.dumps({"caption": item}) + "\n" for item in SAFE))
    pools = ("--safe", safe, "--unsafe", pool)
    said = call("ingest", "-w", tmp_path / "run", "--overwrite", *pools, *more)
    assert not any(text in said.out + said.err for text in (GUN, KNIFE, *SAFE))
    record = tmp_path / "run" / "ingest" / "stage.json"
    if said.code:
        return Read(said, [], {})
    files = sorted((tmp_path / "run" / "ingest").glob("unsafe-*.parquet"))
    rows = [row for path in files for row in pq.read_table(path).to_pylist()]
    return Read(said, rows, json.loads(record.read_text())["facts"])


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def picture(colour: str = "red") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(data, "PNG")
    return data.getvalue()


def parquet(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


TEXTS: dict[str, tuple[str, str | bytes, list[str]]] = {
    "flag column beside an unusual caption": (
        "a.csv",
        f"sentence,unsafe\n{GUN},1\n{KNIFE},1\n",
        [GUN, KNIFE],
    ),
    "flag called safe is one for the other side": (
        "a.csv",
        f"text,safe\n{GUN},0\n{KNIFE},0\n",
        [GUN, KNIFE],
    ),
    "pandas' index column": ("a.csv", f",caption\n0,{GUN}\n1,{KNIFE}\n", [GUN, KNIFE]),
    "Flickr8k captions.txt": (
        "captions.txt",
        f"image,caption\n1000.jpg,{GUN}\n1001.jpg,{KNIFE}\n",
        [GUN, KNIFE],
    ),
    "Flickr8k.token.txt": (
        "Flickr8k.token.txt",
        f"1000.jpg#0\t{GUN}\n1000.jpg#1\t{KNIFE}\n",
        [GUN, KNIFE],
    ),
    "Flickr30k .token": ("results_20130124.token", f"1000.jpg#0\t{GUN}\n", [GUN]),
    "Flickr30k results.csv": (
        "results.csv",
        f"image_name| comment_number| comment\n1.jpg| 0| {GUN}\n2.jpg| 1| {KNIFE}\n",
        [GUN, KNIFE],
    ),
    "TSV with quotes as characters": (
        "cc.tsv",
        'caption\turl\nA knife 5" long\thttp://a\n"No smoking" sign\thttp://b\n',
        ['"No smoking" sign', 'A knife 5" long'],
    ),
    "TSV as pandas quotes it": (
        "p.tsv",
        'caption\tn\n"A ""big"" knife"\t1\n',
        ['A "big" knife'],
    ),
    "semicolons": ("s.csv", f"caption;category\n{GUN};weapons\n", [GUN]),
    "semicolons beside commas in captions": (
        "s.csv",
        "id;caption\n1;A knife, a fork\n2;A gun, a holster, a belt\n",
        ["A gun, a holster, a belt", "A knife, a fork"],
    ),
    "Excel's sep= line": ("e.csv", f"sep=;\ncaption;n\n{GUN};1\n", [GUN]),
    "headers in capitals and spaces": ("h.csv", f"ID, Caption \n1,{GUN}\n", [GUN]),
    "two byte order marks": ("b.csv", "\ufeff\ufeffcaption\n" + GUN + "\n", [GUN]),
    "joined files with byte order marks": (
        "b.jsonl",
        "".join("\ufeff" + json.dumps({"caption": item}) + "\n" for item in (GUN, KNIFE)),
        [GUN, KNIFE],
    ),
    "UTF-16 text": (
        "u.txt",
        f"{GUN}\n\u4e00\u628a\u5200\n".encode("utf-16"),
        [GUN, "\u4e00\u628a\u5200"],
    ),
    "UTF-16 CSV as Excel saves it": (
        "u.csv",
        f"caption\tn\n{GUN}\t1\n".encode("utf-16"),
        [GUN],
    ),
    "UTF-16 without a mark": ("u.csv", f"caption\n{GUN}\n".encode("utf-16-le"), [GUN]),
    "cp1252": (
        "w.csv",
        "caption\nA knife in a caf\u00e9\n".encode("cp1252"),
        ["A knife in a caf\u00e9"],
    ),
    "a list in a cell": (
        "l.csv",
        "caption\n" + '"[""' + GUN + '"", ""' + KNIFE + '""]"\n',
        [GUN, KNIFE],
    ),
    "gzip under another name": ("g.csv", gzip.compress(f"caption\n{GUN}\n".encode()), [GUN]),
    "plain text named .gz": ("g.csv.gz", f"caption\n{GUN}\n", [GUN]),
    "two gzip members": (
        "m.txt.gz",
        gzip.compress(GUN.encode() + b"\n") + gzip.compress(KNIFE.encode()),
        [GUN, KNIFE],
    ),
    "xz by content": ("x.txt.gz", lzma.compress(GUN.encode()), [GUN]),
    "bzip2 by content": ("x.txt", bz2.compress(GUN.encode()), [GUN]),
    "JSON lines in a .txt": ("j.txt", json.dumps({"caption": GUN}) + "\n", [GUN]),
    "an array in a .jsonl": ("j.jsonl", json.dumps([{"caption": GUN}]), [GUN]),
    "an array of texts": ("j.json", json.dumps([GUN, KNIFE]), [GUN, KNIFE]),
    "rows under a key": ("j.json", json.dumps({"data": [{"caption": GUN}]}), [GUN]),
    "captions by image": ("j.json", json.dumps({"a.jpg": [GUN, KNIFE]}), [GUN, KNIFE]),
    "Karpathy's JSON": (
        "dataset_coco.json",
        json.dumps(
            {
                "images": [
                    {
                        "filename": "a.jpg",
                        "filepath": "val2014",
                        "split": "test",
                        "cocoid": 1,
                        "sentences": [{"raw": GUN, "tokens": []}, {"raw": KNIFE, "tokens": []}],
                    }
                ],
                "dataset": "coco",
            }
        ),
        [GUN, KNIFE],
    ),
    "COCO's JSON": (
        "captions_val2017.json",
        json.dumps(
            {
                "info": {},
                "images": [{"id": 1, "file_name": "1.jpg"}],
                "annotations": [
                    {"image_id": 1, "id": 1, "caption": GUN},
                    {"image_id": 2, "id": 2, "caption": KNIFE},
                ],
            }
        ),
        [GUN, KNIFE],
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_files_are_read_right(name: str, tmp_path: Path) -> None:
    file, content, captions = TEXTS[name]
    read = ingest(tmp_path, write(tmp_path / "pool" / file, content))
    assert read.said.code == 0, read.said.err
    assert read.captions == sorted(captions)
    assert "columns: caption=" in read.said.out


def test_words_for_missing_values_are_set_aside_unless_they_are_wanted(tmp_path: Path) -> None:
    pool = write(tmp_path / "pool" / "n.csv", f"id,caption\n1,None\n2,NA\n3,null\n4,{GUN}\n")
    read = ingest(tmp_path, pool, "--max-reject-share", "1")
    assert read.captions == [GUN]
    assert "3 null_word" in read.said.out
    kept = ingest(tmp_path, pool, "--no-null-words")
    assert kept.captions == [GUN, "NA", "None", "null"]


REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "flags alone": ("a.csv", "nsfw,safe\nTrue,False\n", "no caption column found"),
    "an unknown caption column": (
        "a.csv",
        f"beschreibung,n\n{GUN},1\n",
        "choose it with --unsafe-caption-column 'beschreibung'",
    ),
    "two columns of one name": (
        "a.csv",
        f"caption,caption\n{GUN},{KNIFE}\n",
        "'caption', 'caption.1'; choose one with --caption-column",
    ),
    "two caption columns": (
        "a.jsonl",
        json.dumps({"text": GUN, "caption": KNIFE}),
        "'caption', 'text'; choose one with --caption-column",
    ),
    "no header": (
        "a.csv",
        f"{GUN},weapons\n{KNIFE},weapons\n",
        "--no-header --unsafe-caption-column 0",
    ),
    "file names as captions": ("a.csv", "caption\n1.jpg\n2.jpg\n", "no caption column found"),
    "conversations": (
        "a.jsonl",
        json.dumps({"id": 1, "conversations": [{"from": "gpt", "value": GUN}]}),
        "captions inside 'conversations' are named by --unsafe-caption-path",
    ),
    "a ZIP archive": ("a.csv", b"PK\x03\x04rest", "a ZIP archive or an Excel workbook"),
    "a web page": ("a.csv", "<!DOCTYPE html><html></html>", "is a web page"),
    "a Git LFS pointer": (
        "a.parquet",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "git lfs pull",
    ),
    "an unknown encoding": ("a.csv", f"caption\n{GUN}\n", "unknown encoding 'klingon'"),
    "images that are not there": (
        "a.csv",
        f"caption,image\n{GUN},1.jpg\n",
        "--no-images",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_settled_is_refused_with_the_way_out(name: str, tmp_path: Path) -> None:
    file, content, message = REFUSED[name]
    more = ["--encoding", "klingon"] if "encoding" in name else []
    read = ingest(tmp_path, write(tmp_path / "pool" / file, content), *more)
    assert (read.said.code, read.said.out) == (3, "")
    assert message in read.said.err
    assert len(read.said.err.splitlines()) == 1


def test_the_options_that_settle_it(tmp_path: Path) -> None:
    pool = write(tmp_path / "a.csv", f"caption,caption\n{GUN},{KNIFE}\n")
    assert ingest(tmp_path, pool, "--unsafe-caption-column", "caption.1").captions == [KNIFE]
    pool = write(tmp_path / "b.tsv", f"{GUN}\thttp://a\n{KNIFE}\thttp://b\n")
    read = ingest(tmp_path, pool, "--no-header", "--unsafe-caption-column", "0")
    assert read.captions == [GUN, KNIFE]
    pool = write(tmp_path / "c.csv", f"caption^n\n{GUN}^1\n")
    assert ingest(tmp_path, pool, "--delimiter", "^").captions == [GUN]
    pool = write(tmp_path / "d.csv", f'caption,n\n"{GUN},1\n')
    assert "--quoting none" in ingest(tmp_path, pool).said.err
    assert ingest(tmp_path, pool, "--quoting", "none").captions == [f'"{GUN}']


def test_nothing_without_a_name_is_a_category_or_an_image(tmp_path: Path) -> None:
    write(tmp_path / "pool/1.png", picture())
    pool = write(tmp_path / "pool/a.csv", f",caption,image\n0,{GUN},1.png\n1,{KNIFE},1.png\n")
    read = ingest(tmp_path, pool)
    assert read.captions == [GUN, KNIFE]
    assert [row["category"] for row in read.rows] == [None, None]
    assert [row["image_path"] for row in read.rows] == ["1.png", "1.png"]
    assert read.columns["ignored"] == ["(no name)"]
    assert "columns: caption=caption, image=image; ignored: (no name)" in read.said.out


def test_columns_that_begin_late_are_read(tmp_path: Path) -> None:
    write(tmp_path / "pool/1.png", picture())
    rows: list[dict[str, Any]] = [{"caption": f"{GUN} {n}"} for n in range(80)]
    rows += [{"caption": f"{KNIFE} {n}", "category": "w", "image": "1.png"} for n in range(3)]
    pool = write(tmp_path / "pool/late.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    read = ingest(tmp_path, pool)
    with_category = [row for row in read.rows if row["category"] == "w"]
    assert (len(read.rows), len(with_category)) == (83, 3)
    assert all(row["image_path"] == "1.png" for row in with_category)


def test_the_first_of_several_categories_counts(tmp_path: Path) -> None:
    pool = write(tmp_path / "i2p.csv", f'prompt,categories\n{GUN},"violence, shocking"\n')
    read = ingest(tmp_path, pool)
    assert [row["category"] for row in read.rows] == ["violence"]
    assert "caption=prompt, category=categories (first of several)" in read.said.out


def test_rows_flagged_for_the_other_side_are_set_aside(tmp_path: Path) -> None:
    pool = write(tmp_path / "a.csv", f"text,unsafe\n{GUN},1\n{KNIFE},0\n")
    read = ingest(tmp_path, pool, "--max-reject-share", "1")
    assert read.captions == [GUN]
    assert read.rejects == {"flagged_safe": 1}
    pool = write(tmp_path / "b.csv", f"text,is_safe\n{GUN},1\n{KNIFE},0\n")
    assert ingest(tmp_path, pool).captions == [KNIFE]


def test_conversations_by_a_path(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": GUN}]
    row = {"id": 1, "image": "1.png", "conversations": turns}
    write(tmp_path / "pool/1.png", picture())
    pool = write(tmp_path / "pool/llava.json", json.dumps([row]))
    safe = write(
        tmp_path / "safe.json", json.dumps([{"conversations": [{"from": "gpt", "value": "A cup"}]}])
    )
    said = call(
        *("ingest", "-w", tmp_path / "run", "--safe", safe, "--unsafe", pool),
        *("--caption-path", "gpt.value"),
    )
    assert said.code == 0, said.err
    (file,) = (tmp_path / "run/ingest").glob("unsafe-*.parquet")
    (found,) = pq.read_table(file).to_pylist()
    assert (found["caption"], found["image_path"]) == (GUN, "1.png")


def test_a_path_of_one_side(tmp_path: Path) -> None:
    row = {"id": 1, "conversations": [{"from": "gpt", "value": GUN}]}
    pool = write(tmp_path / "llava.jsonl", json.dumps(row))
    assert ingest(tmp_path, pool, "--unsafe-caption-path", "gpt.value").captions == [GUN]


def test_nested_captions_of_karpathy_in_parquet(tmp_path: Path) -> None:
    pool = parquet(
        tmp_path / "k.parquet", caption=[[{"raw": GUN, "sentid": 1}, {"raw": KNIFE, "sentid": 2}]]
    )
    assert ingest(tmp_path, pool).captions == [GUN, KNIFE]


def test_duplicate_columns_of_parquet_are_refused(tmp_path: Path) -> None:
    table = pa.table([pa.array([GUN]), pa.array([KNIFE])], names=["caption", "caption"])
    pq.write_table(table, tmp_path / "d.parquet")
    read = ingest(tmp_path, tmp_path / "d.parquet")
    assert read.said.code == 3
    assert "'caption', 'caption.1'; choose one with --caption-column" in read.said.err
    chosen = ingest(tmp_path, tmp_path / "d.parquet", "--unsafe-caption-column", "caption.1")
    assert chosen.captions == [KNIFE]


def visu(path: Path) -> Path:
    row = {"incremental_id": 1, "safe": SAFE[0], "nsfw": GUN, "coco_id": 9, "tag": "weapons"}
    return write(path, json.dumps([row]))


def test_visu_with_images_by_a_template(tmp_path: Path) -> None:
    pool = visu(tmp_path / "visu.json")
    write(tmp_path / "COCO/train2017/000000000009.png", picture())
    write(tmp_path / "COCO/val2017/000000000001.png", picture("blue"))
    said = call(
        *("ingest", "-w", tmp_path / "run", "--safe", pool, "--unsafe", pool),
        *("--safe-image", f"{tmp_path}/COCO/*/{{coco_id:012d}}.png"),
    )
    assert said.code == 0, said.err
    assert "caption=safe, category=tag, image={coco_id:012d}.png; ignored: incr" in said.out
    (safe,) = (tmp_path / "run/ingest").glob("safe-*.parquet")
    (unsafe,) = (tmp_path / "run/ingest").glob("unsafe-*.parquet")
    (row,) = pq.read_table(safe).to_pylist()
    (other,) = pq.read_table(unsafe).to_pylist()
    assert row["image_sha256"] is not None
    assert (other["image_sha256"], other["partner"], other["category"]) == (
        None,
        row["id"][:16],
        "weapons",
    )


def test_a_template_of_a_missing_column_or_image(tmp_path: Path) -> None:
    pool = visu(tmp_path / "visu.json")
    both = ("ingest", "-w", tmp_path / "run", "--safe", pool, "--unsafe", pool)
    said = call(*both, "--safe-image", "{photo_id}.png")
    assert said.code == 3
    assert "the image template needs the column 'photo_id', which the pool lacks" in said.err
    said = call(*both, "--safe-image", "no-column.png")
    assert said.code == 2
    assert "needs the name of a column" in said.err
    said = call(*both, "--safe-image", "{coco_id}.png")
    assert said.code == 3
    assert "1 image_missing" in said.err


Layout = Callable[[Path], None]


def image_folder(folder: Path) -> None:
    write(folder / "1.png", picture())
    write(folder / "metadata.jsonl", json.dumps({"file_name": "1.png", "text": GUN}))


def image_folder_csv(folder: Path) -> None:
    write(folder / "train/1.png", picture())
    write(folder / "train/metadata.csv", f"file_name,caption\n1.png,{GUN}\n")


def captions_beside_images(folder: Path) -> None:
    write(folder / "1.png", picture())
    write(folder / "1.txt", GUN)


def webdataset(folder: Path) -> None:
    folder.mkdir(parents=True)
    with tarfile.open(folder / "00000.tar", "w") as tar:
        for name, data in (("22.0/1.1.png", picture()), ("22.0/1.1.txt", GUN.encode())):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


LAYOUTS: dict[str, Layout] = {
    "image folder": image_folder,
    "image folder with a split and CSV": image_folder_csv,
    "captions beside images": captions_beside_images,
    "webdataset": webdataset,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_folders_of_images_keep_captions_and_images(name: str, tmp_path: Path) -> None:
    LAYOUTS[name](tmp_path / "pool")
    read = ingest(tmp_path, tmp_path / "pool")
    assert read.said.code == 0, read.said.err
    assert read.captions == [GUN]
    assert [row["image_sha256"] is not None for row in read.rows] == [True]


def test_rows_that_were_filtered_out_stay_out(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset.from_dict({"caption": [GUN, KNIFE]})
    whole.save_to_disk(str(tmp_path / "set"))
    kept = datasets.load_from_disk(str(tmp_path / "set")).filter(
        lambda row: row["caption"] == KNIFE,
        cache_file_name=str(tmp_path / "set/cache-0123456789abcdef.arrow"),
    )
    assert kept.num_rows == 1
    assert ingest(tmp_path, tmp_path / "set").captions == [GUN, KNIFE]
    kept.save_to_disk(str(tmp_path / "kept"))
    assert ingest(tmp_path, tmp_path / "kept").captions == [KNIFE]


def test_splits_and_configurations_are_chosen_not_merged(tmp_path: Path) -> None:
    parquet(tmp_path / "set/data/train-00000-of-00001.parquet", caption=[GUN])
    parquet(tmp_path / "set/data/test-00000-of-00001.parquet", caption=[KNIFE])
    read = ingest(tmp_path, tmp_path / "set")
    assert read.said.code == 3
    assert "--split" in read.said.err
    assert ingest(tmp_path, tmp_path / "set", "--split", "test").captions == [KNIFE]
    assert ingest(tmp_path, tmp_path / "set", "--split", "all").captions == [GUN, KNIFE]
    parquet(tmp_path / "set/other/train-00000-of-00001.parquet", caption=["A third"])
    read = ingest(tmp_path, tmp_path / "set")
    assert read.said.code == 3
    assert "--config" in read.said.err
    read = ingest(tmp_path, tmp_path / "set", "--config", "other")
    assert read.captions == ["A third"]


def test_a_folder_of_two_kinds_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "pool/a.csv", f"caption\n{GUN}\n")
    write(tmp_path / "pool/b.jsonl", json.dumps({"caption": KNIFE}))
    read = ingest(tmp_path, tmp_path / "pool")
    assert read.said.code == 3
    assert f"{tmp_path}/pool/a.csv" in read.said.err
    assert ingest(tmp_path, tmp_path / "pool/*.csv").captions == [GUN]


def test_a_readme_is_no_pool(tmp_path: Path) -> None:
    write(tmp_path / "pool/readme.txt", "These are captions\nof something")
    write(tmp_path / "pool/captions.json", json.dumps([{"caption": GUN}]))
    assert ingest(tmp_path, tmp_path / "pool").captions == [GUN]


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost:9/pool.csv?X-Signature=secret&w=1",
        "s3://bucket/pool.csv?versionId=secret",
        "hf://datasets/org/name/pool.csv",
        "nowhere://pool.csv",
    ],
)
def test_what_cannot_be_reached_is_one_line(url: str, tmp_path: Path) -> None:
    read = ingest(tmp_path, url)
    assert read.said.code == 3
    assert len(read.said.err.splitlines()) == 1
    assert "secret" not in read.said.err
    assert url.partition("?")[0] in read.said.err


def test_a_csv_of_pandas_with_its_index(tmp_path: Path) -> None:
    import pandas

    frame = pandas.DataFrame({"caption": [GUN, KNIFE], "category": ["a", "b"]})
    frame.to_csv(tmp_path / "p.csv")
    read = ingest(tmp_path, tmp_path / "p.csv")
    assert {row["caption"]: row["category"] for row in read.rows} == {GUN: "a", KNIFE: "b"}


def test_a_csv_with_a_quoted_line_break(tmp_path: Path) -> None:
    with (tmp_path / "q.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["caption"], [GUN.replace(" on", "\non")], [KNIFE]])
    assert ingest(tmp_path, tmp_path / "q.csv").captions == [GUN, KNIFE]


def test_class_labels_are_their_names_not_their_numbers(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    side = datasets.ClassLabel(names=["unsafe", "safe"])
    kind = datasets.ClassLabel(names=["weapons", "smoking"])
    text = datasets.Value("string")
    rows = {"text": [GUN, SAFE[0]], "label": [0, 1], "category": [0, 1]}
    features = datasets.Features({"text": text, "label": side, "category": kind})
    whole = datasets.Dataset.from_dict(rows, features=features)
    whole.to_parquet(str(tmp_path / "a.parquet"))
    whole.save_to_disk(str(tmp_path / "set"))
    for number, pool in enumerate((tmp_path / "a.parquet", tmp_path / "set")):
        run = tmp_path / f"run{number}"
        said = call("ingest", "-w", run, "--pool", pool, "--label-column", "label")
        assert said.code == 0, said.err
        (file,) = (run / "ingest").glob("unsafe-*.parquet")
        (row,) = pq.read_table(file).to_pylist()
        assert (row["caption"], row["category"]) == (GUN, "weapons")


def test_scores_are_flags_from_one_half_on(tmp_path: Path) -> None:
    pool = write(tmp_path / "a.csv", f"text,nsfw\n{GUN},0.97\n{KNIFE},0.01\n")
    assert ingest(tmp_path, pool).captions == [GUN]


def test_a_flag_that_is_empty_at_first_counts_later(tmp_path: Path) -> None:
    lines = [f"{GUN} {number}," for number in range(70)]
    pool = write(tmp_path / "a.csv", "\n".join(["caption,nsfw", *lines, f"{KNIFE},0\n"]))
    read = ingest(tmp_path, pool)
    assert (len(read.rows), read.rejects) == (70, {"flagged_safe": 1})


def test_quoted_line_breaks_in_tsv(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    two = pandas.DataFrame({"caption": [GUN.replace(" on", "\non"), KNIFE], "n": [1, 2]})
    two.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    assert ingest(tmp_path, tmp_path / "a.tsv").captions == [GUN, KNIFE]
    pool = write(tmp_path / "b.tsv", f'caption\tn\n"Stop" beside a 5" knife\t1\n{GUN}\t2\n')
    assert ingest(tmp_path, pool).captions == ['"Stop" beside a 5" knife', GUN]
    long = [f"{GUN} {number}\t{number}\n" for number in range(80)]
    pool = write(tmp_path / "c.tsv", "".join(["caption\tn\n", *long, '"A knife\non a chair"\t3\n']))
    read = ingest(tmp_path, pool)
    assert (len(read.rows), read.rejects) == (80, {"open_quote": 2})
    pool = write(
        tmp_path / "d.tsv", "".join(["caption\n", f"{GUN}\n" * 70, '"A knife\non a chair"\n'])
    )
    assert ingest(tmp_path, pool).rejects == {"open_quote": 2}


def test_arrays_that_were_printed_into_cells(tmp_path: Path) -> None:
    pool = write(tmp_path / "a.csv", f"caption\n\"['{GUN}' '{KNIFE}']\"\n")
    assert ingest(tmp_path, pool).captions == [GUN, KNIFE]
    pool = write(tmp_path / "b.csv", f"caption\n\"('{GUN}', '{KNIFE}')\"\n")
    assert ingest(tmp_path, pool).captions == [GUN, KNIFE]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1000\tA handgun\n1001\tA knife\n", "give it the extension .tsv"),
        ('[\n  "A handgun"\n]\n', "give it the extension .json"),
        ("ein Stra\u017ee\u0148\u00fd \u017e\u00fd\u0148\u0161".encode("cp1250") * 9, "--encoding"),
        (
            "\u043f\u0438\u0441\u0442\u043e\u043b\u0435\u0442\n".encode("koi8-r") * 9,
            "--encoding",
        ),
        (picture(), "is not text"),
    ],
)
def test_a_text_that_is_something_else_is_refused(
    content: str | bytes, message: str, tmp_path: Path
) -> None:
    read = ingest(tmp_path, write(tmp_path / "a.txt", content))
    assert read.said.code == 3
    assert message in read.said.err


def test_damaged_utf8_is_not_taken_for_an_older_encoding(tmp_path: Path) -> None:
    content = f"caption\n{FRENCH}\n".encode() + b"A gun in \xe9t\xe9\n"
    read = ingest(tmp_path, write(tmp_path / "a.csv", content))
    assert (read.captions, read.rejects) == ([FRENCH], {"invalid_utf8": 1})


def test_an_encoding_is_for_the_files_that_need_it(tmp_path: Path) -> None:
    safe = write(tmp_path / "safe.csv", f"caption\n{FRENCH}\n")
    unsafe = write(tmp_path / "unsafe.csv", f"caption\n{RUSSIAN}\n".encode("cp1251"))
    run = tmp_path / "run"
    said = call(*("ingest", "-w", run, "--safe", safe, "--unsafe", unsafe, "--encoding", "cp1251"))
    assert said.code == 0, said.err
    found = [
        pq.read_table(file)["caption"].to_pylist()
        for side in ("safe", "unsafe")
        for file in (run / "ingest").glob(f"{side}-*.parquet")
    ]
    assert found == [[FRENCH], [RUSSIAN]]


def test_a_column_of_splits_is_chosen_by_split(tmp_path: Path) -> None:
    pool = write(tmp_path / "a.csv", f"caption,split\n{GUN},train\n{KNIFE},val\n")
    assert ingest(tmp_path, pool).captions == [GUN, KNIFE]
    assert ingest(tmp_path, pool, "--split", "validation").captions == [KNIFE]
    assert ingest(tmp_path, pool, "--split", "train+val").captions == [GUN, KNIFE]
    read = ingest(tmp_path, write(tmp_path / "b.csv", f"caption\n{GUN}\n"), "--split", "test")
    assert read.said.code == 3
    assert "no pool has splits, so --split test has no meaning" in read.said.err


def test_paths_of_windows_and_addresses_of_images(tmp_path: Path) -> None:
    write(tmp_path / "im/1.png", picture())
    pool = write(tmp_path / "a.csv", f"caption,image\n{GUN},im\\1.png\n")
    (row,) = ingest(tmp_path, pool).rows
    assert row["image_sha256"] is not None
    pool = write(tmp_path / "b.csv", f"caption,image\n{GUN},https://localhost:9/1.png?sig=secret\n")
    read = ingest(tmp_path, pool)
    assert read.said.code == 3
    assert "no image at the addresses in 'image' can be read" in read.said.err
    assert "secret" not in read.said.err


@pytest.mark.parametrize("value", ["Y", "T", "x", "porn", "97%", "high", "[1]", "none"])
def test_a_column_named_by_a_side_holds_captions_only_if_they_are_sentences(
    value: str, tmp_path: Path
) -> None:
    pool = write(tmp_path / "a.csv", f"description,unsafe\n{GUN},{value}\n{KNIFE},{value}\n")
    assert ingest(tmp_path, pool).captions == [GUN, KNIFE]
    pool = write(tmp_path / "b.csv", f"caption,nsfw\n{GUN},{value}\n{KNIFE},{value}\n")
    assert ingest(tmp_path, pool).captions == [GUN, KNIFE]


def test_flags_of_one_letter(tmp_path: Path) -> None:
    pool = write(tmp_path / "a.csv", f"caption,nsfw\n{GUN},Y\n{KNIFE},N\n")
    read = ingest(tmp_path, pool)
    assert (read.captions, read.rejects) == ([GUN], {"flagged_safe": 1})


@pytest.mark.parametrize("key", ["captions", "prompts", "unsafe", "data"])
def test_rows_under_a_key_keep_their_columns(key: str, tmp_path: Path) -> None:
    row = {"prompt": GUN, "category": "weapons", "nsfw": True}
    pool = write(tmp_path / "a.json", json.dumps({key: [row, {**row, "nsfw": False}]}))
    read = ingest(tmp_path, pool)
    assert [(row["caption"], row["category"]) for row in read.rows] == [(GUN, "weapons")]
    assert read.rejects == {"flagged_safe": 1}


def test_spaces_after_commas_and_escaped_quotes(tmp_path: Path) -> None:
    pool = write(tmp_path / "a.csv", 'id, caption\n1, "A knife, big"\n2, "A gun"\n')
    assert ingest(tmp_path, pool).captions == ["A gun", "A knife, big"]
    pool = write(tmp_path / "b.csv", 'caption,n\n"A \\"big\\" knife",1\n')
    assert ingest(tmp_path, pool).captions == ['A "big" knife']
    pool = write(tmp_path / "c.csv", f'path,caption\n"C:\\dir\\","{GUN}"\n')
    assert ingest(tmp_path, pool).captions == [GUN]
