from __future__ import annotations

import hashlib
import json
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingest_place import Place, copies, rejects, table

from nsfwcaps import schema
from nsfwcaps.captions.normalize import content_id, fold_key
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.stages.ingest import run as ingest
from nsfwcaps.stages.ingest.settings import IngestSettings

VASE, CUP, BOWL = "a vase on a table", "a cup on a table", "a bowl on a table"
HANDGUN, KNIFE = "a handgun on a table", "a knife on a table"
PICTURE, OTHER_PICTURE = b"\x89PNG vase", b"\x89PNG cup"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def unsafe(place: Place) -> str:
    return place.pool("unsafe.jsonl", [HANDGUN])


def test_caption_row_holds_everything_later_stages_need(place: Place) -> None:
    safe = place.pool("safe.jsonl", [VASE])
    unsafe = place.pool("unsafe.jsonl", [{"caption": f" {HANDGUN} ", "category": "weapons"}])
    record = place.ingest(safe=(safe,), unsafe=(unsafe,))
    assert table(record, "unsafe").schema == schema.CAPTIONS
    assert table(record, "unsafe").to_pylist() == [
        {
            "id": content_id(HANDGUN),
            "caption": HANDGUN,
            "category": "weapons",
            "partner": None,
            "source": "unsafe.jsonl",
            "source_row": 0,
            "copies": 1,
            "fold_key": fold_key(HANDGUN),
            "image_path": None,
            "image_sha256": None,
            "flags": None,
        }
    ]


def test_facts_add_up(place: Place) -> None:
    safe = place.pool("safe.jsonl", [VASE, VASE, CUP, HANDGUN, ""])
    unsafe = place.pool("unsafe.jsonl", [HANDGUN, KNIFE])
    record = place.ingest(safe=(safe,), unsafe=(unsafe,))
    pools = record.facts["pools"]
    assert record.facts == {
        "captions": {"safe": 2, "unsafe": 2},
        "images": 0,
        "copies_folded": 1,
        "safe_dropped_as_also_unsafe": 1,
        "safe_side": {
            "screen": "flag",
            "screened": 2,
            "flagged": 0,
            "hazard": 0,
            "near_unsafe": 0,
            "detectors": [],
        },
        "benchmarks": [],
        "pools": pools,
    }
    assert pools[0] == {
        "name": "safe.jsonl",
        "label": "safe",
        "sha256": sha256(Path(safe).read_bytes()),
        "rows": 5,
        "captions": 4,
        "hidden_characters": 0,
        "rejects": {"empty": 1},
        "several_categories": 0,
        "columns": {"used": {"caption": "caption"}, "ignored": [], "notes": {}},
        "chosen": [],
    }
    assert (record.rows_in, record.rows_out, record.rejects) == (6, 4, {"empty": 1})


def test_duplicates_are_folded_with_their_count(place: Place, unsafe: str) -> None:
    first = place.pool("a.jsonl", [VASE, f"  {VASE}", CUP])
    second = place.pool("b.jsonl", [CUP, "a\u200b cup on a  table", "A cup on a table"])
    record = place.ingest(safe=(first, second), unsafe=(unsafe,))
    assert copies(record, "safe") == {VASE: 2, CUP: 3, "A cup on a table": 1}


def test_first_copy_in_order_of_source_and_row_stays(place: Place, unsafe: str) -> None:
    late = place.pool("b.jsonl", [{"caption": VASE, "category": "b0"}])
    early = place.pool("a.jsonl", [CUP, *({"caption": VASE, "category": f"a{n}"} for n in (1, 2))])
    record = place.ingest(safe=(late, early), unsafe=(unsafe,))
    kept = {row["caption"]: row for row in table(record, "safe").to_pylist()}[VASE]
    assert (kept["source"], kept["source_row"], kept["category"]) == ("a.jsonl", 1, "a1")


def test_safe_caption_that_is_also_unsafe_is_dropped(place: Place) -> None:
    safe = place.pool("safe.jsonl", [VASE, HANDGUN, HANDGUN])
    unsafe = place.pool("unsafe.jsonl", [HANDGUN])
    record = place.ingest(safe=(safe,), unsafe=(unsafe,))
    assert copies(record, "safe") == {VASE: 1}
    assert copies(record, "unsafe") == {HANDGUN: 1}
    assert record.facts["safe_dropped_as_also_unsafe"] == 1


def test_one_caption_is_a_pool(place: Place, unsafe: str) -> None:
    safe = place.write("safe.txt", VASE)
    record = place.ingest(safe=(safe,), unsafe=(unsafe,))
    assert record.facts["captions"] == {"safe": 1, "unsafe": 1}


def test_source_rows_count_readable_and_unreadable_rows(place: Place, unsafe: str) -> None:
    safe = place.write("safe.jsonl", f'{{oops\n\n{{"caption": "{VASE}"}}\n')
    record = place.ingest(safe=(safe,), unsafe=(unsafe,))
    assert table(record, "safe")["source_row"].to_pylist() == [1]
    assert rejects(record) == [("safe.jsonl", 0, "broken_json", "safe", b"{oops")]


def test_rejects_keep_the_row_and_the_reason(place: Place, unsafe: str) -> None:
    good = [f'{{"caption": "a vase {n}"}}'.encode() for n in range(9)]
    bad = [
        b'{"caption": "a \xff vase"}',
        b'{"caption": 7}',
        f'{{"caption": "{"x" * 21}"}}'.encode(),
    ]
    safe = place.write("safe.jsonl", b"\n".join(good + bad))
    record = place.ingest(safe=(safe,), unsafe=(unsafe,), max_chars=20, max_reject_share=0.25)
    assert table(record, "rejects").schema == schema.INGEST_REJECTS
    assert rejects(record) == [
        ("safe.jsonl", 9, "invalid_utf8", "safe", b"a \xff vase"),
        ("safe.jsonl", 10, "not_text", "safe", b"7"),
        ("safe.jsonl", 11, "too_long", "safe", b"x" * 21),
    ]
    assert record.rejects == {"invalid_utf8": 1, "not_text": 1, "too_long": 1}


def test_too_many_unusable_rows_stop_the_run(place: Place, unsafe: str) -> None:
    safe = place.pool("safe.jsonl", [*(f"a vase {n}" for n in range(7)), "", "", ""])
    with pytest.raises(InputError) as error:
        place.ingest(safe=(safe,), unsafe=(unsafe,), max_reject_share=0.29)
    assert "3 of 10 captions are unusable (30.0%: 3 empty)" in str(error.value)
    kept = list((place.folder / "work" / "ingest").glob("rejects-*.parquet"))
    assert [pq.read_table(path)["reason"].to_pylist() for path in kept] == [["empty"] * 3]
    record = place.ingest(safe=(safe,), unsafe=(unsafe,), max_reject_share=0.3)
    assert record.facts["captions"]["safe"] == 7


def test_two_unusable_rows_never_stop_a_run(place: Place, unsafe: str) -> None:
    safe = place.pool("safe.jsonl", [VASE, "", ""])
    record = place.ingest(safe=(safe,), unsafe=(unsafe,), max_reject_share=0)
    assert record.rejects == {"empty": 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"no usable caption in 0 rows(?! \()"),
        ('{"caption": ""}\n', r"no usable caption in 1 rows \(1 empty; see .*\); set the caption"),
        ("{oops\n" * 2, r"no usable caption in 2 rows \(2 broken_json; see .*\); repair the JSON"),
    ],
)
def test_pool_without_a_usable_caption_stops_the_run(
    place: Place, unsafe: str, content: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        place.ingest(safe=(place.write("safe.jsonl", content),), unsafe=(unsafe,))


@pytest.mark.parametrize(
    ("name", "content", "settings", "says"),
    [
        ("a.jsonl", b'{"caption": "a \xff vase"}\n', {}, "--encoding"),
        ("a.jsonl", b'{"caption": "a vase"}\n', {"max_chars": 3}, "--max-chars"),
        ("a.csv", b"caption,url\na,vase,x\na,cup,y\n", {"delimiter": ","}, "--delimiter"),
        ("a.jsonl", b'{"caption": "a vase", "nsfw": 1}\n', {}, "--pool with --label-column"),
    ],
)
def test_advice_is_about_the_reason(
    place: Place, unsafe: str, name: str, content: bytes, settings: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=rf"no usable caption .*rejects-.*{says}") as error:
        place.ingest(safe=(place.write(name, content),), unsafe=(unsafe,), **settings)
    assert "--caption-column" not in str(error.value)
    assert "vase" not in str(error.value)
    assert [*(place.folder / "work" / "ingest").glob("rejects-*.parquet")]


def test_advice_on_unclear_labels_names_the_values(place: Place) -> None:
    pool = place.pool("both.jsonl", [{"caption": VASE, "rating": 4}])
    with pytest.raises(InputError, match=r"1 label_unclear; see .*words safe, unsafe, sfw or nsfw"):
        place.ingest(pool=(pool,), label_column="rating")


def test_object_without_columns_is_an_input_error(place: Place, unsafe: str) -> None:
    with pytest.raises(InputError, match="no caption column found"):
        place.ingest(safe=(place.write("safe.jsonl", "{}\n{}\n"),), unsafe=(unsafe,))


def test_missing_pool_leaves_nothing_behind(place: Place, unsafe: str) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file"):
        place.ingest(safe=(f"{place.folder}/nowhere.csv",), unsafe=(unsafe,))
    assert not (place.folder / "work").exists()


def test_no_pool_at_all_names_the_options(place: Place) -> None:
    with pytest.raises(ConfigError, match="no pool; add --safe and --unsafe, or --pool"):
        place.ingest()


def test_unknown_column_suggests_a_close_name(place: Place, unsafe: str) -> None:
    safe = place.write("safe.csv", f"alt_text\n{VASE}\n")
    with pytest.raises(InputError, match=r"no caption column 'alt_txt'; did you mean 'alt_text'\?"):
        place.ingest(safe=(safe,), unsafe=(unsafe,), caption_column="alt_txt")


def test_messages_hold_no_caption_text(place: Place, unsafe: str) -> None:
    safe = place.write("safe.csv", f'caption\n"{VASE}\n')
    with pytest.raises(InputError) as error:
        place.ingest(safe=(safe,), unsafe=(unsafe,))
    assert "vase" not in str(error.value)


def test_labels_by_column(place: Place) -> None:
    rows = [(VASE, "UNLIKELY"), (HANDGUN, "NSFW"), (CUP, "0.1"), (KNIFE, "0.97"), (BOWL, "UNSURE")]
    lines = "\n".join(f"{caption},{label}" for caption, label in rows)
    pool = place.write("laion.csv", f"TEXT,NSFW\n{lines}\n")
    record = place.ingest(pool=(pool,), label_column="NSFW")
    assert copies(record, "safe") == {VASE: 1, CUP: 1}
    assert copies(record, "unsafe") == {HANDGUN: 1, KNIFE: 1}
    assert rejects(record) == [("laion.csv", 4, "label_unclear", None, BOWL.encode())]
    assert record.facts["pools"][0]["label"] == "by column"


@pytest.mark.parametrize(
    ("row", "category"),
    [
        ({"incremental_id": 1, "safe": VASE, "nsfw": HANDGUN, "coco_id": 9, "tag": "arms"}, "arms"),
        (
            {
                "image_coco_url": "http://images.test/1.jpg",
                "caption": VASE,
                "nsfw_caption": HANDGUN,
                "chosen_category": "arms",
            },
            "arms",
        ),
    ],
)
def test_set_with_both_sides_in_a_row_serves_as_both_pools(
    place: Place, row: dict[str, object], category: str
) -> None:
    pool = place.pool("both.jsonl", [row])
    record = place.ingest(safe=(pool,), unsafe=(pool,))
    assert copies(record, "safe") == {VASE: 1}
    assert copies(record, "unsafe") == {HANDGUN: 1}
    assert table(record, "unsafe")["category"].to_pylist() == [category]
    assert table(record, "unsafe")["partner"].to_pylist() == [content_id(VASE)[:16]]
    assert table(record, "safe")["partner"].to_pylist() == [None]


def test_list_of_captions_gives_one_caption_each(place: Place, unsafe: str) -> None:
    path = place.folder / "safe.parquet"
    pq.write_table(pa.table({"captions": [[VASE, CUP], [VASE], []]}), path)
    record = place.ingest(safe=(str(path),), unsafe=(unsafe,))
    assert copies(record, "safe") == {VASE: 2, CUP: 1}
    assert rejects(record) == [("safe.parquet", 2, "empty", "safe", b"")]


def test_invalid_utf8_in_parquet_costs_that_row_only(place: Place, unsafe: str) -> None:
    cells = pa.array([VASE.encode(), b"a \xff vase"], pa.binary()).view(pa.string())
    path = place.folder / "safe.parquet"
    pq.write_table(pa.table({"caption": cells}), path)
    record = place.ingest(safe=(str(path),), unsafe=(unsafe,))
    assert copies(record, "safe") == {VASE: 1}
    assert rejects(record) == [("safe.parquet", 1, "invalid_utf8", "safe", b"a \xff vase")]


def test_coco_captions_are_a_pool(place: Place, unsafe: str) -> None:
    notes = [{"image_id": 1, "caption": VASE}, {"image_id": 1, "caption": CUP}]
    whole = {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": notes}
    record = place.ingest(safe=(place.write("coco.json", json.dumps(whole)),), unsafe=(unsafe,))
    assert copies(record, "safe") == {VASE: 1, CUP: 1}


def test_saved_hugging_face_folder_is_a_pool(place: Place, unsafe: str) -> None:
    for split, caption in (("train", VASE), ("test", CUP)):
        place.write(f"set/{split}/state.json", "{}")
        schema_ = pa.schema([("text", pa.string())])
        path = place.folder / "set" / split / "data-00000-of-00001.arrow"
        with pa.ipc.new_stream(path, schema_) as file:
            file.write_table(pa.table({"text": [caption]}))
    with pytest.raises(InputError, match="several splits: train, test; choose with --split"):
        place.ingest(safe=(f"{place.folder}/set",), unsafe=(unsafe,))
    record = place.ingest(safe=(f"{place.folder}/set",), unsafe=(unsafe,), split="all")
    assert copies(record, "safe") == {VASE: 1, CUP: 1}
    record = place.ingest(safe=(f"{place.folder}/set",), unsafe=(unsafe,), split="test")
    assert copies(record, "safe") == {CUP: 1}
    assert record.facts["pools"][0]["chosen"] == ["split test"]


def test_glob_and_url_pools_are_read(place: Place) -> None:
    place.pool("a.jsonl", [VASE])
    place.pool("b.jsonl", [CUP])
    fsspec.filesystem("memory").pipe("/ingest/unsafe.txt", HANDGUN.encode())
    record = place.ingest(safe=(f"{place.folder}/?.jsonl",), unsafe=("memory://ingest/unsafe.txt",))
    assert copies(record, "safe") == {VASE: 1, CUP: 1}
    assert copies(record, "unsafe") == {HANDGUN: 1}


def test_plan_tells_files_and_bytes(place: Place) -> None:
    safe, unsafe = place.write("safe.txt", VASE), place.write("unsafe.txt", HANDGUN)
    settings = IngestSettings(safe=(safe,), unsafe=(unsafe,))
    assert ingest.plan(settings, {}) == {
        "pool_files": 2,
        "input_bytes": len(VASE) + len(HANDGUN),
        "work": {"ingest, txt, screen flag, bytes": len(VASE) + len(HANDGUN)},
    }


def test_sources_name_side_place_and_content(place: Place) -> None:
    safe = place.write("safe.txt", VASE)
    settings = IngestSettings(safe=(safe,), pool=(safe,), label_column="flag")
    digest = sha256(VASE.encode())
    assert ingest.sources(settings) == {f"safe:{safe}": digest, f"pool:{safe}": digest}


def test_images_by_path_are_kept_once_by_content(place: Place, unsafe: str) -> None:
    for name, data in (("b.png", PICTURE), ("a.png", PICTURE), ("c.png", OTHER_PICTURE)):
        place.write(f"img/{name}", data)
    rows = [(VASE, "img/b.png"), (CUP, "img/a.png"), (BOWL, "img/c.png")]
    safe = place.pool("safe.jsonl", ({"caption": c, "image_path": p} for c, p in rows))
    record = place.ingest(safe=(safe,), unsafe=(unsafe,))
    assert record.facts["images"] == 2
    assert table(record, "images").schema == schema.IMAGES
    found = {row["image_sha256"]: row for row in table(record, "images").to_pylist()}
    assert {key: (row["image_path"], row["image"]) for key, row in found.items()} == {
        sha256(PICTURE): (f"{place.folder}/img/a.png", None),
        sha256(OTHER_PICTURE): (f"{place.folder}/img/c.png", None),
    }
    kept = {row["caption"]: row for row in table(record, "safe").to_pylist()}
    assert kept[VASE]["image_path"] == "img/b.png"
    assert kept[VASE]["id"] == content_id(VASE, sha256(PICTURE))


@pytest.mark.parametrize(
    ("names", "settings"),
    [
        (("safe_image", "unsafe_image"), {}),
        (("mine", "theirs"), {"safe_image_column": "mine", "unsafe_image_column": "theirs"}),
    ],
)
def test_a_set_of_pairs_has_an_image_for_each_side(
    place: Place, names: tuple[str, str], settings: dict[str, str]
) -> None:
    for name in ("a.png", "b.png"):
        place.write(name, PICTURE + name.encode())
    row = {"safe_caption": VASE, "unsafe_caption": "A broken window"}
    pool = place.pool("pairs.jsonl", [{**row, names[0]: "a.png", names[1]: "b.png"}])
    record = place.ingest(safe=(pool,), unsafe=(pool,), **settings)
    assert [row["image_path"] for row in table(record, "safe").to_pylist()] == ["a.png"]
    assert [row["image_path"] for row in table(record, "unsafe").to_pylist()] == ["b.png"]
    assert record.facts["images"] == 2


def test_images_by_bytes_travel_with_the_pool(place: Place, unsafe: str) -> None:
    cells = [{"bytes": PICTURE, "path": "x.png"}, {"bytes": OTHER_PICTURE, "path": None}]
    path = place.folder / "safe.parquet"
    pq.write_table(pa.table({"caption": [VASE, CUP], "image": cells}), path)
    record = place.ingest(safe=(str(path),), unsafe=(unsafe,))
    found = {row["image_sha256"]: row["image"] for row in table(record, "images").to_pylist()}
    assert found == {sha256(PICTURE): PICTURE, sha256(OTHER_PICTURE): OTHER_PICTURE}


def test_same_picture_by_path_and_by_bytes_gives_the_same_ids(place: Place, unsafe: str) -> None:
    place.write("1.png", PICTURE)
    by_path = place.pool("path.jsonl", [{"caption": VASE, "image": "1.png"}])
    by_bytes = place.folder / "bytes.parquet"
    pq.write_table(pa.table({"caption": [VASE], "image": [PICTURE]}), by_bytes)
    record = place.ingest(safe=(by_path, str(by_bytes)), unsafe=(unsafe,))
    assert copies(record, "safe") == {VASE: 2}
    assert record.facts["images"] == 1


def test_caption_under_two_pictures_stays_two(place: Place, unsafe: str) -> None:
    place.write("1.png", PICTURE)
    place.write("2.png", OTHER_PICTURE)
    rows = [{"caption": VASE, "image": "1.png"}, {"caption": VASE, "image": "2.png"}]
    record = place.ingest(safe=(place.pool("safe.jsonl", rows),), unsafe=(unsafe,))
    assert table(record, "safe")["caption"].to_pylist() == [VASE, VASE]


def test_missing_image_is_set_aside(place: Place, unsafe: str) -> None:
    place.write("1.png", PICTURE)
    rows = [{"caption": VASE, "image": "1.png"}, {"caption": CUP, "image": "2.png"}]
    record = place.ingest(safe=(place.pool("safe.jsonl", rows),), unsafe=(unsafe,))
    assert copies(record, "safe") == {VASE: 1}
    assert rejects(record) == [("safe.jsonl", 1, "image_missing", "safe", CUP.encode())]


def test_image_root_is_where_relative_paths_start(place: Place) -> None:
    place.write("pictures/1.png", PICTURE)
    safe = place.pool("pools/safe.jsonl", [{"caption": VASE, "photo": "1.png"}])
    unsafe = place.pool("pools/unsafe.jsonl", [{"caption": HANDGUN, "photo": None}])
    record = place.ingest(
        safe=(safe,), unsafe=(unsafe,), image_root=f"{place.folder}/pictures", image_column="photo"
    )
    assert table(record, "images")["image_path"].to_pylist() == [f"{place.folder}/pictures/1.png"]


def test_safe_caption_whose_text_is_unsafe_under_another_picture_is_dropped(place: Place) -> None:
    place.write("vase.png", PICTURE)
    place.write("cup.png", OTHER_PICTURE)
    safe = place.pool("safe.jsonl", [{"caption": HANDGUN, "image_path": "vase.png"}, VASE])
    unsafe = place.pool("unsafe.jsonl", [{"caption": HANDGUN, "image_path": "cup.png"}])
    record = place.ingest(safe=(safe,), unsafe=(unsafe,))
    assert copies(record, "safe") == {VASE: 1}
    assert record.facts["safe_dropped_as_also_unsafe"] == 1


def test_images_can_be_left_out(place: Place, unsafe: str) -> None:
    safe = place.pool("safe.jsonl", [{"caption": VASE, "image_path": "nowhere.png"}])
    record = place.ingest(safe=(safe,), unsafe=(unsafe,), images=False)
    assert table(record, "safe")["id"].to_pylist() == [content_id(VASE)]
    assert (record.facts["images"], record.rejects) == (0, {})


def test_each_side_may_have_its_own_caption_column(place: Place) -> None:
    safe = place.pool("safe.jsonl", [{"words": VASE}])
    unsafe = place.pool("unsafe.jsonl", [{"bad": HANDGUN}])
    record = place.ingest(
        safe=(safe,), unsafe=(unsafe,), caption_column="words", unsafe_caption_column="bad"
    )
    assert (copies(record, "safe"), copies(record, "unsafe")) == ({VASE: 1}, {HANDGUN: 1})


def test_category_column_is_asked_of_unsafe_pools_only(place: Place) -> None:
    safe = place.pool("safe.jsonl", [VASE])
    unsafe = place.pool("unsafe.jsonl", [{"caption": HANDGUN, "kind": "weapons"}])
    record = place.ingest(safe=(safe,), unsafe=(unsafe,), category_column="kind")
    assert table(record, "unsafe")["category"].to_pylist() == ["weapons"]


def test_partner_column_is_asked_of_unsafe_pools_only(place: Place) -> None:
    safe = place.pool("safe.jsonl", [VASE])
    rows = [
        {"caption": HANDGUN, "of": content_id(VASE)},
        {"caption": KNIFE, "of": f" {VASE} "},
        {"caption": "a broken cup on a table", "of": None},
    ]
    unsafe = place.pool("unsafe.jsonl", rows)
    record = place.ingest(safe=(safe,), unsafe=(unsafe,), partner_column="of")
    partners = {row["caption"]: row["partner"] for row in table(record, "unsafe").to_pylist()}
    assert [*map(partners.get, (row["caption"] for row in rows))] == [
        content_id(VASE),
        content_id(VASE)[:16],
        None,
    ]
    assert table(record, "safe")["partner"].to_pylist() == [None]
    with pytest.raises(InputError, match="no partner column 'off'; did you mean 'of'"):
        place.ingest(safe=(safe,), unsafe=(unsafe,), partner_column="off")
