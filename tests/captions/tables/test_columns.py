from __future__ import annotations

from typing import Any

import pytest

from nsfwcaps.captions.rows import Sample
from nsfwcaps.captions.tables import columns as pool_columns
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.captions.tables.columns import label_of
from nsfwcaps.captions.tables.roles import Columns, Named
from nsfwcaps.captions.tables.values import Kind, kind_of, parse_flag, parsed_list
from nsfwcaps.errors import InputError

VISU_TEXT = ["incremental_id", "safe", "nsfw", "coco_id", "tag"]
NSFWCAPS = ["image_coco_url", "caption", "nsfw_caption", "chosen_category"]
LAION = ["URL", "TEXT", "NSFW", "similarity", "LICENSE", "punsafe"]


def resolve(
    present: list[str],
    side: Label | None,
    *,
    where: str,
    rows: list[dict[str, Any]] | None = None,
    **named: Any,
) -> Columns:
    sample = Sample(names=present, rows=rows or [])
    return pool_columns.resolve(sample, side, where=where, named=Named(**named))


@pytest.mark.parametrize(
    ("present", "label", "caption", "category"),
    [
        (VISU_TEXT, Label.SAFE, "safe", "tag"),
        (VISU_TEXT, Label.UNSAFE, "nsfw", "tag"),
        (NSFWCAPS, Label.SAFE, "caption", "chosen_category"),
        (NSFWCAPS, Label.UNSAFE, "nsfw_caption", "chosen_category"),
        (LAION, Label.SAFE, "TEXT", None),
        (LAION, None, "TEXT", None),
        (["prompt", "category"], Label.UNSAFE, "prompt", "category"),
        (["text"], Label.SAFE, "text", None),
        (["captions", "image"], Label.SAFE, "captions", None),
        (["safe_caption", "unsafe_caption"], Label.SAFE, "safe_caption", None),
        (["safe_caption", "unsafe_caption"], Label.UNSAFE, "unsafe_caption", None),
    ],
)
def test_columns_of_public_sets_are_recognised(
    present: list[str], label: Label | None, caption: str, category: str | None
) -> None:
    columns = resolve(present, label, where="pool")
    assert (columns.caption, columns.category) == (caption, category)


@pytest.mark.parametrize(
    ("label", "flag"), [(Label.SAFE, "safe"), (Label.UNSAFE, "nsfw"), (Label.UNSAFE, "unsafe")]
)
def test_flag_beside_a_caption_is_not_taken_for_the_caption(label: Label, flag: str) -> None:
    assert resolve([flag, "caption"], label, where="pool").caption == "caption"


@pytest.mark.parametrize("name", ["image_path", "filepath", "image", "jpeg"])
def test_image_columns_are_recognised(name: str) -> None:
    assert resolve(["caption", name], Label.SAFE, where="pool").image == name


@pytest.mark.parametrize(
    ("label", "image"),
    [(Label.SAFE, "safe_image"), (Label.UNSAFE, "unsafe_image"), (None, "image")],
)
def test_images_of_both_sides_in_one_row(label: Label | None, image: str) -> None:
    present = ["caption", "image", "unsafe_image_path", "unsafe_image", "safe_image"]
    assert resolve(present, label, where="pool").image == image
    assert resolve(["caption", "image"], label, where="pool").image == "image"


def test_web_addresses_are_not_taken_for_images() -> None:
    assert resolve(["caption", "url"], Label.SAFE, where="pool").image is None


def test_named_columns_win_over_recognised_ones() -> None:
    present = ["caption", "alt", "image", "photo", "category", "topic", "partner_id", "of", "flag"]
    columns = resolve(
        present,
        None,
        where="pool",
        caption="alt",
        image="photo",
        category="topic",
        partner="of",
        label="flag",
    )
    assert columns == Columns(
        caption="alt",
        image="photo",
        category="topic",
        partner="of",
        label="flag",
        ignored=("caption", "image", "category", "partner_id"),
    )


@pytest.mark.parametrize(
    ("present", "partner"),
    [
        (VISU_TEXT, "safe"),
        (NSFWCAPS, "caption"),
        (["safe_caption", "unsafe_caption"], "safe_caption"),
        (["caption", "unsafe_caption"], "caption"),
        (["safe", "unsafe"], "safe"),
        (["caption", "safe_caption"], "safe_caption"),
        (["caption", "safe_caption", "partner_id"], "partner_id"),
        (["caption", "safe"], None),
        (["nsfw_caption", "safe"], None),
        (["nsfw", "caption"], None),
        (LAION, None),
    ],
)
def test_partners_of_known_sets_are_recognised(present: list[str], partner: str | None) -> None:
    assert resolve(present, Label.UNSAFE, where="pool").partner == partner
    assert resolve(present, Label.SAFE, where="pool").partner is None


def test_mixed_pools_name_partners_by_id() -> None:
    assert resolve(["caption", "partner_id"], None, where="pool").partner == "partner_id"
    assert resolve(["caption", "safe"], None, where="pool").partner is None


def test_partner_beside_a_caption_column_that_was_named() -> None:
    columns = resolve(VISU_TEXT, Label.UNSAFE, where="pool", caption="nsfw")
    assert (columns.caption, columns.partner) == ("nsfw", "safe")
    with pytest.raises(InputError, match="no partner column 'of'"):
        resolve(VISU_TEXT, Label.UNSAFE, where="pool", partner="of")


def test_label_column_counts_for_mixed_pools_only() -> None:
    assert resolve(["caption"], Label.SAFE, where="pool", label="flag").label is None
    with pytest.raises(InputError, match="no label column 'flag'"):
        resolve(["caption"], None, where="pool", label="flag")


def test_unknown_column_is_answered_with_a_close_name() -> None:
    with pytest.raises(InputError) as error:
        resolve(["alt_text", "id"], Label.SAFE, where="pool.csv", caption="alt_txt")
    assert str(error.value) == (
        "pool.csv: no caption column 'alt_txt'; did you mean 'alt_text'? "
        "available columns: alt_text, id"
    )


def test_unknown_column_without_a_close_name_lists_the_columns() -> None:
    with pytest.raises(InputError) as error:
        resolve(["caption", "id"], Label.SAFE, where="pool.csv", image="zzz")
    assert str(error.value) == "pool.csv: no image column 'zzz'; available columns: caption, id"


def test_pool_without_a_caption_column_names_the_option() -> None:
    with pytest.raises(
        InputError, match=r"columns: id, url; choose one with --safe-caption-column"
    ):
        resolve(["id", "url"], Label.SAFE, where="pool.csv")


@pytest.mark.parametrize(
    "value", ["unsafe", " NSFW ", "Harmful", "TRUE", "yes", "1", True, 1, 0.5, "0.91"]
)
def test_unsafe_labels(value: object) -> None:
    assert parse_flag(value) is True


@pytest.mark.parametrize(
    "value", ["safe", "SFW", "UNLIKELY", "False", "no", "0", False, 0, 0.49, "0.02"]
)
def test_safe_labels(value: object) -> None:
    assert parse_flag(value) is False


@pytest.mark.parametrize("value", [None, "", "UNSURE", "maybe", float("nan"), "nan"])
def test_unclear_labels(value: object) -> None:
    assert parse_flag(value) is None


RIGHT = "A handgun on a table"


@pytest.mark.parametrize(
    ("row", "label", "caption"),
    [
        ({"sentence": RIGHT, "unsafe": "1"}, Label.UNSAFE, "sentence"),
        ({"sentence": RIGHT, "safe": "1"}, Label.SAFE, "sentence"),
        ({"nsfw": RIGHT, "safe": "A vase"}, Label.UNSAFE, "nsfw"),
        ({"text": "IMG_2034.JPG", "caption": RIGHT}, Label.UNSAFE, "caption"),
        ({"caption": "https://a.example/1.jpg", "text": RIGHT}, Label.UNSAFE, "text"),
        ({"prompt": 7, "text": RIGHT}, Label.UNSAFE, "text"),
        ({" Caption": RIGHT}, Label.UNSAFE, " Caption"),
        ({"TEXT ": RIGHT}, Label.UNSAFE, "TEXT "),
        ({"Nsfw Caption": RIGHT, "caption": "A vase"}, Label.UNSAFE, "Nsfw Caption"),
        ({"caption": None, "text": RIGHT}, Label.UNSAFE, "text"),
        ({"caption": ["A vase", "A cup"], "image": "1.jpg"}, Label.SAFE, "caption"),
        ({"\ufeffcaption": RIGHT}, Label.UNSAFE, "\ufeffcaption"),
    ],
)
def test_a_caption_column_holds_text(row: dict[str, Any], label: Label, caption: str) -> None:
    assert resolve(list(row), label, where="pool", rows=[row]).caption == caption


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"nsfw": "True", "safe": "False"}, "no caption column found"),
        ({"caption": "1000.jpg"}, "no caption column found"),
        ({"beschreibung": RIGHT, "unsafe": "1"}, "--unsafe-caption-column 'beschreibung'"),
        (
            {"caption": RIGHT, "text": "A gun"},
            "'caption', 'text'; choose one with --caption-col",
        ),
        ({"Caption": RIGHT, "caption": "A gun"}, "choose one with --caption-column"),
        ({"caption": RIGHT, "caption.1": "A gun"}, "'caption', 'caption.1'"),
        ({"nsfw": RIGHT, "caption": "A gun"}, "'caption', 'nsfw'"),
    ],
)
def test_what_is_ambiguous_or_no_text_is_refused(row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        resolve(list(row), Label.UNSAFE, where="pool", rows=[row])
    assert message in str(error.value)
    assert RIGHT not in str(error.value)


def test_a_named_column_of_flags_is_no_caption_column() -> None:
    row = {"text": RIGHT, "unsafe": "1"}
    with pytest.raises(InputError, match="column 'unsafe' holds flags, not captions"):
        resolve(list(row), Label.UNSAFE, where="pool", rows=[row], caption="unsafe")


def test_named_columns_are_found_in_any_case() -> None:
    assert resolve(["Alt Text", "n"], Label.SAFE, where="p", caption="alt_text").caption == (
        "Alt Text"
    )


@pytest.mark.parametrize(
    ("row", "image"),
    [
        ({"caption": RIGHT, "file_name": "1.jpg"}, "file_name"),
        ({"caption": RIGHT, "photo_file_name": "1.jpg"}, "photo_file_name"),
        ({"caption": RIGHT, "image": 391895}, None),
        ({"caption": RIGHT, "image": 391895, "image_path": "a/1.jpg"}, "image_path"),
        ({"caption": RIGHT, "Image": {"bytes": b"x", "path": None}}, "Image"),
        ({"caption": RIGHT, "url": "https://a.example/1.jpg"}, None),
        ({"caption": RIGHT, "image": None}, "image"),
        ({"caption": RIGHT, "": "0"}, None),
    ],
)
def test_an_image_column_holds_images(row: dict[str, Any], image: str | None) -> None:
    assert resolve(list(row), Label.UNSAFE, where="pool", rows=[row]).image == image


def test_a_column_without_a_name_is_ignored_and_said() -> None:
    columns = resolve(["", "caption", "url"], Label.UNSAFE, where="pool")
    assert (columns.category, columns.partner, columns.image) == (None, None, None)
    assert columns.ignored == ("(no name)", "url")


@pytest.mark.parametrize(
    ("value", "column", "label"),
    [
        ("1", "unsafe", Label.UNSAFE),
        ("1", "is_safe", Label.SAFE),
        ("0", "safe", Label.UNSAFE),
        (True, "Safe", Label.SAFE),
        ("unsafe", "safe", Label.UNSAFE),
        ("safe", "label", Label.SAFE),
        (2, "label", None),
        ("7", "label", None),
        ("UNSURE", "NSFW", None),
    ],
)
def test_a_flag_means_what_its_column_says(value: object, column: str, label: object) -> None:
    assert label_of(value, column) is label


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a vase", "1"], Kind.TEXT),
        (["0", "1"], Kind.FLAG),
        ([0, 1, 1], Kind.FLAG),
        (["0", "2"], Kind.NUMBER),
        ([0.12, 0.9], Kind.SCORE),
        (["True", "False"], Kind.FLAG),
        (["UNSURE", "UNLIKELY"], Kind.FLAG),
        (["None", "NA", "null"], Kind.TEXT),
        (["IMG_1.JPG", "dir/b.png"], Kind.IMAGE_FILE),
        (["http://a.example/x"], Kind.URL),
        (['["a vase", "a cup"]'], Kind.LISTED),
        ([["a vase"], ["a cup"]], Kind.TEXT),
        ([{"raw": "a vase"}], Kind.NESTED),
        ([None, "", " "], Kind.EMPTY),
    ],
)
def test_kinds_of_values(values: list[object], kind: Kind) -> None:
    assert kind_of(values) is kind


def test_lists_in_cells_of_text() -> None:
    assert parsed_list('["a", "b"]') == ["a", "b"]
    assert parsed_list("['a', \"b's\"]") == ["a", "b's"]
    assert parsed_list("[a, b]") is None
    assert parsed_list("[1, 2]") is None
    assert parsed_list("a [b]") is None


@pytest.mark.parametrize(
    ("path", "root", "rest"),
    [
        ("gpt.value", "conversations", ("gpt", "value")),
        ("conversations.gpt.value", "conversations", ("gpt", "value")),
    ],
)
def test_captions_inside_conversations(path: str, root: str, rest: tuple[str, ...]) -> None:
    row = {"id": 1, "conversations": [{"from": "gpt", "value": RIGHT}]}
    columns = resolve(list(row), Label.UNSAFE, where="pool", rows=[row], caption_path=path)
    assert (columns.caption, columns.path) == (root, rest)
    with pytest.raises(InputError, match=r"no column has 'user\.value' inside"):
        resolve(list(row), Label.UNSAFE, where="pool", rows=[row], caption_path="user.value")


def test_captions_in_objects_are_found_by_their_key() -> None:
    row = {"caption": [{"raw": RIGHT, "sentid": 1}]}
    assert resolve(list(row), Label.UNSAFE, where="pool", rows=[row]).path == ("raw",)
