from __future__ import annotations

import hashlib
from typing import Any

import pytest

from nsfwcaps.captions.clean import Clean, Rejected, clean_row
from nsfwcaps.captions.normalize import content_id, fold_key, normalize
from nsfwcaps.captions.rows import BadRow
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.captions.tables.roles import Columns

COLUMNS = Columns(
    caption="caption", image="image", category="category", partner="partner", label="label"
)
PICTURES = {"1.png": b"\x89PNG first", "2.png": b"\x89PNG second"}


def read_picture(path: str) -> bytes:
    try:
        return PICTURES[path]
    except KeyError:
        raise FileNotFoundError(path) from None


def clean(
    row: Any, label: Label | None = Label.SAFE, max_chars: int = 2000
) -> list[Clean | Rejected]:
    return list(clean_row(row, COLUMNS, label, max_chars=max_chars, read_image=read_picture))


def only(items: list[Clean | Rejected]) -> Any:
    assert len(items) == 1
    return items[0]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_caption_is_normalised_and_keyed() -> None:
    assert only(clean({"caption": "  A  vase ", "category": " home  ware"})) == Clean(
        id=content_id("A vase"),
        label=Label.SAFE,
        caption="A vase",
        fold_key=fold_key("A vase"),
        category="home ware",
        partner=None,
        image_path=None,
        image_sha256=None,
        image=None,
    )


def test_bytes_and_text_give_the_same_caption() -> None:
    assert clean({"caption": "a café".encode()}) == clean({"caption": "a café"})


@pytest.mark.parametrize(
    ("caption", "reason", "raw"),
    [
        (None, "empty", b""),
        ("", "empty", b""),
        (" \u200b ", "empty", " \u200b ".encode()),
        (float("nan"), "empty", b"nan"),
        (7, "not_text", b"7"),
        ("x" * 11, "too_long", b"x" * 11),
        (b"a \xff vase", "invalid_utf8", b"a \xff vase"),
        ("a \ud800 vase", "invalid_utf8", b"a \xed\xa0\x80 vase"),
    ],
)
def test_unusable_caption_is_set_aside_as_it_was_found(
    caption: object, reason: str, raw: bytes
) -> None:
    assert clean({"caption": caption}, max_chars=10) == [Rejected(reason, "safe", raw)]


def test_length_is_that_of_the_normalised_caption() -> None:
    assert only(clean({"caption": "  a   vase  "}, max_chars=6)).caption == "a vase"


def test_row_that_the_format_could_not_give_keeps_its_reason() -> None:
    bad = BadRow("broken_json", b"{oops")
    assert clean(bad) == [Rejected("broken_json", "safe", b"{oops")]
    assert clean(bad, label=None) == [Rejected("broken_json", None, b"{oops")]


def test_each_caption_of_a_list_is_judged_alone() -> None:
    first, second, third = clean({"caption": ["a vase", "", b"a cup"]})
    assert (first.caption, third.caption) == ("a vase", "a cup")
    assert second == Rejected("empty", "safe", b"")


def test_empty_list_is_set_aside_rather_than_lost() -> None:
    assert clean({"caption": []}) == [Rejected("empty", "safe", b"")]


@pytest.mark.parametrize(
    ("word", "label"),
    [("nsfw", Label.UNSAFE), (b"unlikely", Label.SAFE), (1, Label.UNSAFE), (0.1, Label.SAFE)],
)
def test_mixed_pool_takes_the_label_of_the_row(word: object, label: Label) -> None:
    assert only(clean({"caption": "a vase", "label": word}, label=None)).label is label


def test_label_of_the_pool_wins_over_the_rows() -> None:
    assert only(clean({"caption": "a vase", "label": "nsfw"})).label is Label.SAFE


def test_unclear_label_is_set_aside() -> None:
    row = {"caption": "a vase", "label": "UNSURE"}
    assert clean(row, label=None) == [Rejected("label_unclear", None, b"a vase")]


def test_category_that_is_empty_is_none() -> None:
    assert only(clean({"caption": "a vase", "category": ""})).category is None
    assert only(clean({"caption": "a vase", "category": None})).category is None


def test_category_with_invalid_bytes_stays_printable() -> None:
    assert only(clean({"caption": "a vase", "category": b"we\xffapons"})).category == "we?apons"


@pytest.mark.parametrize("label", [Label.UNSAFE, None])
def test_partner_by_id_is_that_id(label: Label | None) -> None:
    full = content_id("a vase", "0" * 64)
    for cell in (full, full.upper(), f" {full} ", full.encode()):
        row = {"caption": "a handgun", "label": "nsfw", "partner": cell}
        assert only(clean(row, label)).partner == full


def test_partner_by_caption_is_the_half_of_its_id_that_any_picture_leaves() -> None:
    for cell in ("a vase", " a\u200b  vase ".encode(), "a  vase"):
        partner = only(clean({"caption": "a handgun", "partner": cell}, Label.UNSAFE)).partner
        text = cell.decode() if isinstance(cell, bytes) else cell
        assert partner == content_id(normalize(text))[:16]
        assert len(partner) == 16
    for picture in (None, "0" * 64):
        assert content_id("a vase", picture).startswith(content_id("a vase")[:16])


@pytest.mark.parametrize("digits", ["0" * 32, "1234" * 8, "1e" + "2" * 30])
def test_partner_id_that_looks_like_a_number_is_no_flag(digits: str) -> None:
    row = {"caption": "a handgun", "partner": digits}
    assert only(clean(row, Label.UNSAFE, max_chars=10)).partner == digits


@pytest.mark.parametrize(
    "cell",
    [
        *(None, "", " ", b"", 1, 0.2, True, float("nan"), ["a vase"], {"a": "vase"}),
        *("safe", "NSFW", "false", "0", "0.97", "x" * 11, b"a \xff vase", "a \ud800"),
    ],
)
def test_cell_that_names_no_partner_costs_nothing(cell: object) -> None:
    row = {"caption": "a handgun", "partner": cell}
    assert only(clean(row, Label.UNSAFE, max_chars=10)).partner is None


def test_safe_captions_have_no_partner() -> None:
    row = {"caption": "a vase", "partner": "a cup", "label": "sfw"}
    assert only(clean(row, Label.SAFE)).partner is None
    assert only(clean(row, None)).partner is None


@pytest.mark.parametrize("cell", ["1.png", b"1.png", {"path": "1.png", "bytes": None}])
def test_image_by_path(cell: object) -> None:
    item = only(clean({"caption": "a vase", "image": cell}))
    assert (item.image_path, item.image) == ("1.png", None)
    assert item.image_sha256 == sha256(PICTURES["1.png"])
    assert item.id == content_id("a vase", item.image_sha256)


@pytest.mark.parametrize(
    "data", [b"\xff\xd8 tiny", b"GIF89a\x01\x00\x01\x00", b"large and printable" * 100]
)
def test_image_by_bytes(data: bytes) -> None:
    item = only(clean({"caption": "a vase", "image": data}))
    assert (item.image_path, item.image, item.image_sha256) == (None, data, sha256(data))


def test_image_by_bytes_with_a_path_goes_by_the_bytes() -> None:
    cell = {"path": "elsewhere.png", "bytes": b"\xff\xd8 tiny"}
    item = only(clean({"caption": "a vase", "image": cell}))
    assert (item.image_path, item.image) == (None, b"\xff\xd8 tiny")


@pytest.mark.parametrize("cell", [None, "", b"", {"path": None, "bytes": None}, {}])
def test_empty_image_cell_is_no_image(cell: object) -> None:
    assert only(clean({"caption": "a vase", "image": cell})).image_sha256 is None


def test_missing_image_sets_every_caption_of_the_row_aside() -> None:
    row = {"caption": ["a vase", "a cup"], "image": "nowhere.png"}
    assert clean(row) == [
        Rejected("image_missing", "safe", b"a vase"),
        Rejected("image_missing", "safe", b"a cup"),
    ]


def test_image_name_that_no_table_can_hold_counts_as_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PICTURES, "caf\udce9.png", b"picture")
    row = {"caption": "a vase", "image": "caf\udce9.png"}
    assert clean(row) == [Rejected("image_missing", "safe", b"a vase")]


def test_image_is_read_once_for_a_row_with_several_captions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return b"picture"

    row = {"caption": ["a vase", "a cup"], "image": "1.png"}
    list(clean_row(row, COLUMNS, Label.SAFE, max_chars=99, read_image=read))
    assert asked == ["1.png"]


def test_image_of_an_unusable_caption_is_not_read() -> None:
    assert clean({"caption": "", "image": "nowhere.png"}) == [Rejected("empty", "safe", b"")]
