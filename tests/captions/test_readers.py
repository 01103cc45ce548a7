from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.captions import opening
from nsfwcaps.captions.formats import columnar
from nsfwcaps.captions.readers import read_pool, reader_of
from nsfwcaps.captions.rows import BadRow, Row, Sample
from nsfwcaps.errors import InputError

CAPTIONS = ["a vase on a table", "a café, with a \u201cquoted\u201d sign", "a handgun on a table"]
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)


def everything(sample: Sample) -> Sequence[str]:
    return sample.names


def read(path: Path) -> list[Row | BadRow]:
    return list(read_pool(str(path), everything))


def captions(path: Path) -> list[str]:
    """Captions of a pool without bad rows; Parquet and Arrow give them as bytes."""
    cells = [row["caption"] for row in read(path) if isinstance(row, dict)]
    return [cell.decode() if isinstance(cell, bytes) else cell for cell in cells]


def rows() -> list[dict[str, Any]]:
    return [{"caption": caption, "n": n} for n, caption in enumerate(CAPTIONS)]


def as_jsonl() -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows()).encode()


def as_delimited(delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([["caption", "n"], *([row["caption"], row["n"]] for row in rows())])
    return text.getvalue().encode()


def as_parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows()), sink)
    return sink.getvalue()


def as_arrow(writer: Callable[..., Any]) -> bytes:
    table = pa.Table.from_pylist(rows())
    sink = io.BytesIO()
    with writer(sink, table.schema) as file:
        file.write_table(table)
    return sink.getvalue()


def as_coco() -> bytes:
    notes = [{"caption": row["caption"], "image_id": 7 + row["n"]} for row in rows()]
    images = [{"id": 7, "file_name": "7.jpg"}, {"id": 8, "file_name": "8.jpg"}]
    return json.dumps({"info": {}, "annotations": notes, "images": images}).encode()


FORMATS = {
    "pool.jsonl": as_jsonl(),
    "pool.ndjson": as_jsonl(),
    "pool.csv": as_delimited(","),
    "pool.tsv": as_delimited("\t"),
    "pool.parquet": as_parquet(),
    "file.arrow": as_arrow(pa.ipc.new_file),
    "stream.arrow": as_arrow(pa.ipc.new_stream),
    "pool.txt": "\n".join(CAPTIONS).encode(),
    "coco.json": as_coco(),
    "array.json": json.dumps(rows(), indent=1).encode(),
    "lines.json": as_jsonl(),
    "UPPER.JSONL": as_jsonl(),
    "pool.jsonl.gz": gzip.compress(as_jsonl()),
    "pool.csv.bz2": bz2.compress(as_delimited(",")),
    "pool.txt.xz": lzma.compress("\n".join(CAPTIONS).encode()),
    "coco.json.gz": gzip.compress(as_coco()),
    "pool.parquet.gz": gzip.compress(as_parquet()),
}
TEXT_FORMATS = ["pool.jsonl", "pool.csv", "pool.tsv", "pool.txt", "coco.json", "array.json"]


def write(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_captions_in_order(tmp_path: Path, name: str) -> None:
    assert captions(write(tmp_path, name, FORMATS[name])) == [
        caption + ("\n" if name.startswith("pool.txt") and caption != CAPTIONS[-1] else "")
        for caption in CAPTIONS
    ]


@pytest.mark.parametrize("name", [*TEXT_FORMATS, "lines.json"])
def test_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path, name: str) -> None:
    plain = captions(write(tmp_path, name, FORMATS[name]))
    assert captions(write(tmp_path, name, b"\xef\xbb\xbf" + FORMATS[name])) == plain


@pytest.mark.parametrize("name", ["pool.csv", "pool.parquet", "file.arrow", "stream.arrow"])
def test_reader_is_told_the_columns(tmp_path: Path, name: str) -> None:
    seen: list[Sequence[str]] = []

    def choose(sample: Sample) -> Sequence[str]:
        seen.append(list(sample.names))
        return ["caption"]

    first = next(read_pool(str(write(tmp_path, name, FORMATS[name])), choose))
    assert seen == [["caption", "n"]]
    assert isinstance(first, dict)


@pytest.mark.parametrize("name", ["pool.parquet", "file.arrow", "stream.arrow"])
def test_columnar_reader_reads_the_chosen_columns_only(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, FORMATS[name])
    got = list(read_pool(str(path), lambda sample: ["n"]))
    assert got == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_pool_is_read_from_an_fsspec_url() -> None:
    fsspec.filesystem("memory").pipe("/readers/pool.jsonl.gz", FORMATS["pool.jsonl.gz"])
    assert list(read_pool("memory://readers/pool.jsonl.gz", everything)) == rows()


def test_coco_joins_captions_with_file_names(tmp_path: Path) -> None:
    names = [row["image_name"] for row in read(write(tmp_path, "coco.json", as_coco()))]
    assert names == ["7.jpg", "8.jpg", None]


def test_pretty_printed_coco_with_images_first(tmp_path: Path) -> None:
    images = [{"id": n, "file_name": f"{n}.jpg", "pad": "x" * 100} for n in range(1000)]
    whole = {"images": images, "annotations": [{"caption": "a vase", "image_id": 999}]}
    path = write(tmp_path, "coco.json", json.dumps(whole, indent=2))
    assert read(path) == [{"caption": "a vase", "image_name": "999.jpg", "image_id": 999}]


@pytest.mark.parametrize(
    ("line", "bad"),
    [
        ('{"caption": "a va', BadRow("broken_json", b'{"caption": "a va')),
        ("[1, 2]", BadRow("not_an_object", b"[1, 2]")),
        ("[" * 100_000, BadRow("broken_json", b"[" * 100_000)),
    ],
)
def test_broken_json_line_costs_that_row_only(tmp_path: Path, line: str, bad: BadRow) -> None:
    path = write(tmp_path, "pool.jsonl", f'{{"caption": "a vase"}}\n{line}\n\n{{"caption": "b"}}')
    assert read(path) == [{"caption": "a vase"}, bad, {"caption": "b"}]


def test_columns_are_found_behind_many_broken_lines(tmp_path: Path) -> None:
    seen: list[Sequence[str]] = []
    path = write(tmp_path, "pool.jsonl", "{oops\n" * 100 + '{"caption": "a vase"}\n')
    got = list(read_pool(str(path), lambda sample: seen.append(sample.names) or sample.names))
    assert len(got) == 101
    assert seen == [["caption"]]


def test_columns_are_those_of_the_first_rows_together(tmp_path: Path) -> None:
    seen: list[Sequence[str]] = []
    path = write(tmp_path, "pool.jsonl", '{"id": 1}\n{"id": 2, "caption": "a vase"}\n')
    list(read_pool(str(path), lambda sample: seen.append(sample.names) or sample.names))
    assert seen == [["id", "caption"]]


def test_element_of_an_array_that_is_no_object_is_a_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path, "pool.json", '[{"caption": "a vase"}, 7]')
    assert read(path) == [{"caption": "a vase"}, BadRow("not_an_object", b"7")]


@pytest.mark.parametrize("name", ["pool.jsonl", "pool.csv", "pool.txt"])
def test_invalid_utf8_stays_recoverable_in_its_row(tmp_path: Path, name: str) -> None:
    good, bad = "a vase", "a \udcff vase"
    lines = {
        "pool.jsonl": f'{{"caption": "{good}"}}\n{{"caption": "{bad}"}}',
        "pool.csv": f"caption\n{good}\n{bad}",
        "pool.txt": f"{good}\n{bad}",
    }
    path = write(tmp_path, name, lines[name].encode(errors="surrogateescape"))
    first, second = (row["caption"] for row in read(path) if isinstance(row, dict))
    assert first.strip() == good
    assert second.encode(errors="surrogateescape") == b"a \xff vase"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_invalid_utf8_in_parquet_comes_as_bytes(tmp_path: Path, kind: pa.DataType) -> None:
    cells = pa.array([b"a vase", b"a \xff vase"], pa.large_binary())
    unchecked = cells.cast(pa.binary()).view(pa.string()).cast(kind, safe=False)
    pq.write_table(pa.table({"caption": unchecked}), tmp_path / "pool.parquet")
    assert read(tmp_path / "pool.parquet") == [{"caption": b"a vase"}, {"caption": b"a \xff vase"}]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a vase", "a cup"]).dictionary_encode(),
        pa.array(["a vase", "a cup"], pa.large_string()),
    ],
)
def test_every_string_type_of_parquet_is_read(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"caption": column}), tmp_path / "pool.parquet")
    assert captions(tmp_path / "pool.parquet") == ["a vase", "a cup"]


def test_list_column_of_parquet_is_a_list(tmp_path: Path) -> None:
    pq.write_table(pa.table({"captions": [["a vase", "a cup"], []]}), tmp_path / "pool.parquet")
    got = read(tmp_path / "pool.parquet")
    assert got == [{"captions": [b"a vase", b"a cup"]}, {"captions": []}]


def test_parquet_is_read_over_many_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "BATCH_ROWS", 2)
    table = pa.table({"caption": [f"a vase {n}" for n in range(7)]})
    pq.write_table(table, tmp_path / "pool.parquet", row_group_size=3)
    assert captions(tmp_path / "pool.parquet") == table["caption"].to_pylist()


def test_quoted_line_break_and_delimiter_stay_in_the_cell(tmp_path: Path) -> None:
    path = write(tmp_path, "pool.csv", 'caption,n\r\n"a vase,\r\non a ""table""",1\r\n\r\n')
    assert read(path) == [{"caption": 'a vase,\r\non a "table"', "n": "1"}]


def test_cell_larger_than_the_csv_default_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, "pool.csv", f"caption\n{'x' * 200_000}\n")
    assert read(path) == [{"caption": "x" * 200_000}]


def test_wrong_number_of_cells_costs_that_row_only(tmp_path: Path) -> None:
    path = write(tmp_path, "pool.csv", "caption,n\na vase,1\na cup\na,b,c\na bowl,2\n")
    assert read(path) == [
        {"caption": "a vase", "n": "1"},
        BadRow("wrong_number_of_cells", b"a cup"),
        BadRow("wrong_number_of_cells", b"a,b,c"),
        {"caption": "a bowl", "n": "2"},
    ]


@pytest.mark.parametrize("cell", ['"a cup', '"a "cup"'])
def test_quote_that_does_not_close_names_its_line(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path, "pool.csv", f"caption\na vase\n{cell}\na bowl\n")
    with pytest.raises(InputError, match="line 3 has an unclosed or misplaced quote"):
        read(path)


@pytest.mark.parametrize("name", ["pool.parquet", "file.arrow", "stream.arrow"])
def test_columnar_file_cut_in_half_is_an_input_error(tmp_path: Path, name: str) -> None:
    data = FORMATS[name]
    path = write(tmp_path, name, data[: len(data) // 2])
    with pytest.raises(InputError, match="damaged or truncated"):
        read(path)


def test_parquet_with_a_damaged_page_is_an_input_error(tmp_path: Path) -> None:
    data = bytearray(FORMATS["pool.parquet"])
    data[4:40] = b"\xff" * 36
    with pytest.raises(InputError, match="damaged or truncated"):
        read(write(tmp_path, "pool.parquet", bytes(data)))


@pytest.mark.parametrize("name", ["pool.jsonl.gz", "pool.csv.bz2", "pool.txt.xz"])
def test_truncated_compressed_file_is_an_input_error(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, FORMATS[name][:-9])
    with pytest.raises(InputError, match="damaged or truncated"):
        read(path)


def test_compressed_file_with_a_flipped_bit_is_an_input_error(tmp_path: Path) -> None:
    data = bytearray(FORMATS["pool.jsonl.gz"])
    data[-6] ^= 1  # in the checksum
    with pytest.raises(InputError, match="damaged or truncated"):
        read(write(tmp_path, "pool.jsonl.gz", bytes(data)))


def test_compression_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    assert captions(write(tmp_path, "pool.jsonl.gz", as_jsonl())) == CAPTIONS
    assert captions(write(tmp_path, "packed.csv", gzip.compress(as_delimited(",")))) == CAPTIONS
    assert captions(write(tmp_path, "packed.csv.xz", bz2.compress(as_delimited(",")))) == CAPTIONS


def test_zst_without_its_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "compr", {"gzip": opening.compr["gzip"]})
    with pytest.raises(InputError, match="pip install zstandard"):
        read(write(tmp_path, "pool.jsonl.zst", b"\x28\xb5\x2f\xfd" + b"0" * 20))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"caption": "a vase"}, {"cap', "invalid JSON; fix the file"),
        ('{"annotations": [{"caption": "a vase"', "invalid JSON; fix the file"),
        ('{"annotations": [{"bbox": [1, 2]}]}', r"its annotations\[\] are no captions"),
        ('{"annotations": [7]}', "not valid COCO captions JSON"),
        ('{"annotations": [], "images": []}', r"expected COCO captions, found no annotations\[\]"),
        ('{\n"images": [],\n"rows": []}', "no captions in JSON of this shape"),
        ("", "invalid JSON; fix the file"),
    ],
)
def test_json_that_breaks_off_or_has_another_form(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, "pool.json", text))


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.txt", "header.csv", "array.json"])
def test_empty_pool_has_no_rows(tmp_path: Path, name: str) -> None:
    content = {"header.csv": "caption,n\n", "array.json": "[]"}.get(name, "")
    assert read(write(tmp_path, name, content)) == []


def test_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pool\.csv: no such file"):
        read(tmp_path / "pool.csv")


def test_file_that_may_not_be_read_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(opening.fsspec, "open", refuse)
    with pytest.raises(InputError, match=r"pool\.csv: permission denied"):
        read(Path("pool.csv"))


@pytest.mark.parametrize("name", ["pool.xlsx", "pool", "pool.gz", "folder.csv/pool"])
def test_unknown_ending_lists_the_known_ones(name: str) -> None:
    with pytest.raises(
        InputError, match=r"unknown file format; expected \.arrow, \.csv, \.json, \.jsonl"
    ):
        reader_of(name)


@given(st.lists(TEXT, min_size=1))
def test_any_text_survives_csv_and_json_lines(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("pool")
    with (folder / "pool.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["caption"], *([text] for text in texts)])
    lines = "".join(json.dumps({"caption": text}, ensure_ascii=False) + "\n" for text in texts)
    assert captions(folder / "pool.csv") == texts
    assert captions(write(folder, "pool.jsonl", lines)) == texts
