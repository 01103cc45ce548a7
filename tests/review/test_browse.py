"""The page that shows pairs, driven as a person would."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

from nsfwcaps import resources
from nsfwcaps.errors import ArtifactError
from nsfwcaps.review.pairs import PairSet

HIDDEN = "a handgun on a <b>table</b>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of three pairs, the hardest first on disk."""
    rows = [
        ("p3", None, "hard", "test", 0.9, 0.4, 2, HIDDEN, "a vase on a table"),
        ("p1", "weapons", "easy", "train", 0.1, 0.8, 1, "a knife on a shelf", "a cup on a shelf"),
        ("p2", "smoking", "medium", "train", 0.5, 0.6, 2, "a man who smokes", "a man who reads"),
    ]
    names = [
        *("pair_id", "category", "stage", "split", "difficulty", "sim_text", "hub_count"),
        *("unsafe_caption", "safe_caption"),
    ]
    (tmp_path / "data").mkdir()
    table = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    pq.write_table(table, tmp_path / "data" / "train-00000-of-00001.parquet")
    return tmp_path


def page(folder: Path) -> AppTest:
    script = f"import browse\nbrowse.main({str(folder)!r})"
    source = f"import sys\nsys.path.insert(0, {str(resources.folder('app'))!r})\n{script}"
    return AppTest.from_string(source, default_timeout=30).run()


def texts(app: AppTest) -> list[str]:
    return [item.value for item in app.text]


def test_pairs_are_sorted_from_easy_to_hard(folder: Path) -> None:
    pairs = PairSet(folder)
    assert [pairs.pair(row).pair_id for row in range(len(pairs))] == ["p1", "p2", "p3"]


def test_a_missing_category_has_a_name(folder: Path) -> None:
    assert PairSet(folder).counts("category") == {"none": 1, "smoking": 1, "weapons": 1}


def test_choosing_keeps_categories_and_stages(folder: Path) -> None:
    pairs = PairSet(folder)
    assert pairs.choose(["weapons", "smoking"], ["medium", "hard"]) == [1]
    assert pairs.choose([], ["easy"]) == []


def test_a_folder_without_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no data set to show"):
        PairSet(tmp_path)


def test_captions_are_hidden_until_asked_for(folder: Path) -> None:
    app = page(folder)
    assert not app.exception
    assert texts(app) == []
    app.toggle(key="unsafe-p1").set_value(True).run()
    assert texts(app) == ["a knife on a shelf"]


def test_the_next_pair_starts_hidden(folder: Path) -> None:
    app = page(folder)
    app.toggle(key="unsafe-p1").set_value(True).run()
    app.number_input[0].set_value(2).run()
    assert texts(app) == []


def test_captions_are_shown_as_plain_text(folder: Path) -> None:
    app = page(folder)
    app.number_input[0].set_value(3).run()
    app.toggle(key="unsafe-p3").set_value(True).run()
    assert texts(app) == [HIDDEN]
    assert not any(HIDDEN in item.value for item in app.markdown)


def test_a_stage_can_be_left_out(folder: Path) -> None:
    app = page(folder)
    app.sidebar.multiselect[1].set_value(["hard"]).run()
    assert app.number_input[0].max == 1


def test_a_wrong_folder_is_said_on_the_page(tmp_path: Path) -> None:
    app = page(tmp_path)
    assert "no data set to show" in app.error[0].value
