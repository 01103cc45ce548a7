from __future__ import annotations

import pytest

from nsfwcaps.captions.columns import Columns, Label, parse_label, resolve
from nsfwcaps.errors import InputError

VISU_TEXT = ["incremental_id", "safe", "nsfw", "coco_id", "tag"]
NSFWCAPS = ["image_coco_url", "caption", "nsfw_caption", "chosen_category"]
LAION = ["URL", "TEXT", "NSFW", "similarity", "LICENSE", "punsafe"]


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
        label_column="flag",
    )
    assert columns == Columns(
        caption="alt", image="photo", category="topic", partner="of", label="flag"
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
    assert resolve(["caption"], Label.SAFE, where="pool", label_column="flag").label is None
    with pytest.raises(InputError, match="no label column 'flag'"):
        resolve(["caption"], None, where="pool", label_column="flag")


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
    with pytest.raises(InputError, match=r"columns: id, url; choose one with --caption-column"):
        resolve(["id", "url"], Label.SAFE, where="pool.csv")


@pytest.mark.parametrize(
    "value", ["unsafe", " NSFW ", "Harmful", "TRUE", "yes", "1", True, 1, 0.5, "0.91"]
)
def test_unsafe_labels(value: object) -> None:
    assert parse_label(value) is Label.UNSAFE


@pytest.mark.parametrize(
    "value", ["safe", "SFW", "UNLIKELY", "False", "no", "0", False, 0, 0.49, "0.02"]
)
def test_safe_labels(value: object) -> None:
    assert parse_label(value) is Label.SAFE


@pytest.mark.parametrize("value", [None, "", "UNSURE", "maybe", float("nan"), "nan"])
def test_unclear_labels(value: object) -> None:
    assert parse_label(value) is None
