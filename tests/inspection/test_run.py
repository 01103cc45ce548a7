"""What an inspection finds, format by format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import transformers_models
from support.inspected_pools import (
    CAPTIONS,
    arrow_file,
    csv_file,
    jsonl_file,
    numbered,
    parquet_file,
    png,
    sidecar_folder,
    tar_file,
)

import nsfwcaps
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.inspection.facts import Spread
from nsfwcaps.stages import STAGE

Make = Callable[[Path], Path]


def lines_of(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


FORMATS: list[tuple[str, Make, tuple[object, ...]]] = [
    ("pool.csv", csv_file, ("CSV", "UTF-8", "comma", {"caption": "caption"}, ["url"])),
    ("pool.jsonl", jsonl_file, ("JSON lines", "UTF-8", None, {"caption": "caption"}, [])),
    (
        "pool.parquet",
        parquet_file,
        ("Parquet", None, None, {"caption": "caption"}, ["number"]),
    ),
    ("pool.arrow", arrow_file, ("Arrow", None, None, {"caption": "caption"}, [])),
    (
        "folder",
        sidecar_folder,
        (
            *("images with captions beside them", None, None),
            *({"caption": "caption", "image": "image"}, ["__key__"]),
        ),
    ),
    (
        "pool.tar",
        tar_file,
        (
            *("tar (tar of images and captions)", None, None),
            *({"caption": "caption", "image": "image"}, ["__key__"]),
        ),
    ),
]


@pytest.mark.parametrize(("name", "make", "expected"), FORMATS)
def test_formats(tmp_path: Path, name: str, make: Make, expected: tuple[object, ...]) -> None:
    found = nsfwcaps.inspect(make(tmp_path / name))
    (side,) = found.sides
    assert (found.format, found.encoding, found.delimiter, side.used, side.ignored) == expected
    assert (found.rows, found.rows_exact, found.rows_read, found.sample) == (3, True, 3, "all rows")
    assert (side.label, side.captions, side.unusable) == ("safe or unsafe", 3, {})
    assert side.characters == Spread(smallest=18, median=20, most=20, largest=20)
    assert side.words == Spread(smallest=5, median=5, most=6, largest=6)
    assert [item.caption for item in side.examples] == list(CAPTIONS)
    assert [item.row for item in side.examples] == [0, 1, 2]


@pytest.mark.parametrize(("name", "make"), [("a", sidecar_folder), ("a.tar", tar_file)])
def test_pictures_choose_the_model_and_are_measured(tmp_path: Path, name: str, make: Make) -> None:
    (side,) = nsfwcaps.inspect(make(tmp_path / name)).sides
    assert side.tokens is not None
    assert (side.tokens.model, side.tokens.window) == ("mini", 77)
    assert side.pictures is not None
    assert (side.pictures.named, side.pictures.missing, side.pictures.decoded) == (3, 0, 3)
    assert side.pictures.widths == Spread(smallest=8, median=9, most=10, largest=10)
    assert side.pictures.heights == Spread(smallest=6, median=6, most=6, largest=6)


def test_missing_and_broken_pictures(tmp_path: Path) -> None:
    (tmp_path / "whole.png").write_bytes(png(8, 6))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    pool = lines_of(
        tmp_path / "pool.csv",
        *("caption,file_name", "A vase.,whole.png", "A cup.,broken.png", "A lamp.,lost.png"),
    )
    for everything in (False, True):
        (side,) = nsfwcaps.inspect(pool, everything=everything).sides
        assert side.unusable == {"image_missing": 1}
        assert side.pictures is not None
        assert (side.pictures.named, side.pictures.missing) == (3, 1)
        assert (side.pictures.decoded, side.pictures.undecodable) == (1, 1)


def test_pictures_by_a_template(tmp_path: Path) -> None:
    (tmp_path / "007.png").write_bytes(png(8, 6))
    pool = lines_of(tmp_path / "pool.csv", "id,caption", "7,A vase.", "8,A cup.")
    safe, unsafe = nsfwcaps.inspect(pool, safe_image="{id:03d}.png").sides
    assert safe.pictures is not None
    assert (safe.pictures.named, safe.pictures.missing, safe.pictures.decoded) == (2, 1, 1)
    assert (unsafe.pictures, unsafe.captions) == (None, 2)


def test_long_categories_are_not_shown(tmp_path: Path) -> None:
    pool = lines_of(
        tmp_path / "pool.csv",
        *("caption,category", "A vase.,fire", "A cup.,A long caption about a vase on a red table"),
    )
    (side,) = nsfwcaps.inspect(pool).sides
    assert side.categories == {"fire": 1, "(long text)": 1}
    assert [item.category for item in side.examples] == ["fire", "(long text)"]


def test_the_columns_are_the_line_that_ingest_prints(tmp_path: Path) -> None:
    pool = lines_of(tmp_path / "pool.csv", "Caption;tags;x", "A vase.;a,b;1", "A cup.;a;2")
    run = nsfwcaps.build(safe=CAPTIONS, unsafe=str(pool), out=tmp_path / "run", model="minilm")
    (side,) = nsfwcaps.inspect(pool, side="unsafe").sides
    assert list(side.columns) == [
        "pool.csv: columns: caption=Caption, category=tags (first of several); ignored: x; "
        "delimiter: semicolon"
    ]
    assert side.columns[0] in list(STAGE["ingest"].notes(run.facts["ingest"]))
    assert (side.categories, side.several_categories) == ({"a": 2}, 1)


def test_both_sides_are_shown_where_they_differ(tmp_path: Path) -> None:
    pool = lines_of(
        tmp_path / "visu.csv",
        *("safe,nsfw", "A cup on a table.,A handgun on a table.", "A man walks.,A man smokes."),
    )
    safe, unsafe = nsfwcaps.inspect(pool).sides
    assert (safe.label, safe.used) == ("safe", {"caption": "safe"})
    assert (unsafe.label, unsafe.used) == ("unsafe", {"caption": "nsfw", "partner": "safe"})
    (alone,) = nsfwcaps.inspect(pool, side="unsafe").sides
    assert alone == unsafe


def test_flags_set_rows_of_the_other_side_aside(tmp_path: Path) -> None:
    pool = lines_of(
        tmp_path / "flags.jsonl",
        *(json.dumps({"text": f"A vase {n}.", "nsfw": int(n > 1)}) for n in range(6)),
    )
    safe, unsafe = nsfwcaps.inspect(pool).sides
    assert (safe.captions, safe.unusable) == (2, {"flagged_unsafe": 4})
    assert (unsafe.captions, unsafe.unusable) == (4, {"flagged_safe": 2})
    (mixed,) = nsfwcaps.inspect(pool, label_column="nsfw").sides
    assert (mixed.label, mixed.labels) == ("by column", {"safe": 2, "unsafe": 4})


def test_a_pool_may_be_refused_as_one_side_only(tmp_path: Path) -> None:
    pool = lines_of(tmp_path / "pool.csv", "unsafe_caption", "A handgun on a table.")
    found = nsfwcaps.inspect(pool)
    assert [side.label for side in found.sides] == ["unsafe"]
    assert list(found.problems) == ["safe"]
    assert "no caption column found" in found.problems["safe"]
    with pytest.raises(InputError, match="no caption column found"):
        nsfwcaps.inspect(pool, side="safe")


def test_ambiguity_and_empty_pools_are_the_errors_of_ingest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 columns may hold the captions: 'caption', 'text'"):
        nsfwcaps.inspect(lines_of(tmp_path / "a.csv", "caption,text", "A vase.,A cup here."))
    with pytest.raises(InputError, match="no usable caption in 0 rows"):
        nsfwcaps.inspect(lines_of(tmp_path / "b.csv", "caption"))
    with pytest.raises(InputError, match=r"no usable caption in 2 rows \(2 empty\)"):
        nsfwcaps.inspect(lines_of(tmp_path / "c.csv", "caption,x", " ,1", ",2"))
    with pytest.raises(InputError, match="has no meaning"):
        nsfwcaps.inspect(csv_file(tmp_path / "d.csv"), split="train")


def test_splits_are_chosen(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    parquet_file(folder / "train-00000-of-00001.parquet", numbered(5))
    parquet_file(folder / "test-00000-of-00001.parquet", numbered(2))
    with pytest.raises(InputError, match="several splits: train, test"):
        nsfwcaps.inspect(folder)
    found = nsfwcaps.inspect(folder, split="all")
    assert (found.files, found.rows, list(found.splits)) == (2, 7, ["train", "test"])
    assert found.sides[0].exact_copies == 2
    assert nsfwcaps.inspect(folder, split="test").rows == 2


def test_rows_of_a_split_are_chosen_by_a_column(tmp_path: Path) -> None:
    pool = lines_of(tmp_path / "a.csv", "caption,split", "A vase.,train", "A cup.,test")
    (side,) = nsfwcaps.inspect(pool, split="test").sides
    assert (side.captions, side.used) == (1, {"caption": "caption", "split": "split"})
    (whole,) = nsfwcaps.inspect(pool).sides
    assert (whole.captions, list(whole.ignored)) == (2, ["split"])


def test_duplicates_scripts_and_hidden_characters(tmp_path: Path) -> None:
    pool = lines_of(
        tmp_path / "pool.txt",
        *(
            "A dog on a mat.",
            "A dog\u202e on a mat.",
            "a DOG, on a mat",
            "桌上有一只猫",
            "Кот.",
            "\u263a \u263a",
        ),
    )
    (side,) = nsfwcaps.inspect(pool).sides
    assert (side.captions, side.exact_copies, side.near_copies) == (6, 1, 1)
    assert side.scripts == {"Latin": 3, "Han": 1, "Cyrillic": 1, "no letters": 1}
    assert (side.non_latin, side.hidden_characters) == (2, 1)


def test_tokens_beyond_the_window(tmp_path: Path) -> None:
    pool = lines_of(tmp_path / "pool.txt", "A vase.", "a cup " * 60, "a cup " * 150)
    counts = {"minilm": (256, 1), "mini": (77, 2), "open_clip:ViT-B-32/openai": (77, 2)}
    for model, (window, truncated) in counts.items():
        (side,) = nsfwcaps.inspect(pool, model=model).sides
        assert side.tokens is not None
        assert (side.tokens.window, side.tokens.truncated) == (window, truncated)
        assert side.tokens.spread is not None
        assert (side.tokens.spread.smallest, side.tokens.spread.largest) == (5, 302)
    (other,) = nsfwcaps.inspect(pool, model="open_clip:ViT-B-16-SigLIP/webli").sides
    assert other.tokens is None


def test_tokens_of_a_model_of_transformers(tmp_path: Path) -> None:
    pool = lines_of(tmp_path / "pool.txt", "A vase.", "a cup " * 60)
    model = transformers_models.write(tmp_path / "clip", words=True)
    (side,) = nsfwcaps.inspect(pool, model=model).sides
    assert side.tokens is not None
    assert (side.tokens.window, side.tokens.truncated) == (77, 1)
    assert side.tokens.spread is not None
    assert (side.tokens.spread.smallest, side.tokens.spread.largest) == (5, 122)
    (other,) = nsfwcaps.inspect(
        pool, model=transformers_models.write(tmp_path / "siglip", "siglip")
    ).sides
    assert other.tokens is None


def test_pools_in_memory() -> None:
    found = nsfwcaps.inspect(list(CAPTIONS))
    assert (found.pool, found.format, found.rows) == ("in memory", "list", 3)
    table = pa.table({"prompt": ["A handgun on a table."], "url": ["x"]})
    found = nsfwcaps.inspect(table, side="unsafe")
    assert (found.format, found.sides[0].used) == ("Table", {"caption": "prompt"})


def test_pictures_in_a_table_are_not_read_twice_for_copies(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    cells = [{"bytes": png(8, 6), "path": "a.png"}] * 2
    pq.write_table(pa.table({"caption": ["A vase."] * 2, "image": cells}), path)
    (side,) = nsfwcaps.inspect(path).sides
    assert side.exact_copies == 1
    assert side.pictures is not None
    assert (side.pictures.named, side.pictures.decoded) == (2, 1)


def test_displays_cover_captions(tmp_path: Path) -> None:
    found = nsfwcaps.inspect(csv_file(tmp_path / "a.csv"))
    for shown in (repr(found), found._repr_html_(), json.dumps(found.as_dict())):
        assert "vase" not in shown
    assert "▇▇▇" in repr(found)
    assert "A vase on a table." in json.dumps(found.as_dict(show=True))
    assert "vase" not in repr(found.sides[0])


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    pool = csv_file(tmp_path / "a.csv")
    with pytest.raises(ConfigError, match=r"inspect.captions_column: unknown key; did you mean"):
        nsfwcaps.inspect(pool, captions_column="x")
    with pytest.raises(ConfigError, match="side and label_column exclude each other"):
        nsfwcaps.inspect(pool, side="safe", label_column="nsfw")
    with pytest.raises(ConfigError, match="unknown model"):
        nsfwcaps.inspect(pool, model="minilmm")
