from __future__ import annotations

from pathlib import Path

from support.small_evaluation import DATASET, RETRIEVAL, Writer, comparison, figure, part, small

from nsfwcaps.reports.read import read
from nsfwcaps.reports.tables import Cell, ShownVerdict, Table, TableRow, stale, tables, unequal

R1 = "T*→V R@1"


def retrieval(writer: Writer) -> Table:
    found = [table for table in tables(read(writer.write())) if table.task == "retrieval"]
    return found[0]


def row(table: Table, name: str) -> TableRow:
    return next(item for item in table.rows if item.name == name)


def cell(table: Table, name: str, model: str = "ours") -> Cell:
    found = row(table, name).cell(model)
    assert found is not None
    return found


def test_verdict_follows_the_test_and_the_better_way(tmp_path: Path) -> None:
    table = retrieval(small(tmp_path))
    assert cell(table, R1).verdict is ShownVerdict.GAINED
    assert cell(table, "T*→V unsafe first").verdict is ShownVerdict.SECONDARY
    assert cell(table, "V→T R@1").verdict is ShownVerdict.LOST
    assert cell(table, "V*→T R@1").verdict is ShownVerdict.KEPT
    assert cell(table, "T→V R@1").verdict is ShownVerdict.UNDECIDED
    assert cell(table, R1, "base").verdict is ShownVerdict.UNCOMPARED


def test_best_is_marked_only_where_it_is_shown(tmp_path: Path) -> None:
    table = retrieval(small(tmp_path))
    assert cell(table, R1).best
    assert cell(table, "V→T R@1", "base").best
    assert not any(item and item.best for item in row(table, "V*→T R@1").cells)


def with_third(folder: Path, value: float) -> Table:
    """A table with a model that the tests compare with the base only."""
    writer = small(folder)
    writer.run["models"]["third"] = {}
    writer.parts[f"results/{DATASET}/retrieval/third.json"] = part(
        DATASET, "retrieval", "third", {R1: value}, ()
    )
    writer.comparisons.append(
        comparison(DATASET, "retrieval", R1, value - RETRIEVAL[R1][0], True, "third")
    )
    return retrieval(writer)


def test_two_models_with_overlapping_intervals_are_neither_the_best(tmp_path: Path) -> None:
    table = with_third(tmp_path, 0.43)
    assert cell(table, R1, "third").verdict is ShownVerdict.GAINED
    assert not any(item and item.best for item in row(table, R1).cells)


def test_model_whose_interval_is_apart_from_the_others_is_the_best(tmp_path: Path) -> None:
    table = with_third(tmp_path, 0.6)
    assert cell(table, R1, "third").best
    assert row(table, "T→V R@1").cells[2] is None  # which the third model lacks


def test_model_on_other_data_is_set_apart(tmp_path: Path) -> None:
    writer = small(tmp_path)
    own = writer.parts[f"results/{DATASET}/retrieval/ours.json"]["nsfwcaps"]
    own["data_digest"] = "e" * 64
    first, second = (t for t in tables(read(writer.write())) if t.task == "retrieval")
    assert (first.models, first.compared) == (["base"], True)
    assert (second.models, second.compared) == (["ours"], False)
    assert cell(second, R1).verdict is ShownVerdict.UNCOMPARED
    (said,) = unequal([first, second])
    where = f"ours on {DATASET}, retrieval"
    assert said.startswith(f"{where}: not compared, because the data (eeeeeeeeeeee)")


def test_model_of_another_version_is_set_apart(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.parts[f"results/{DATASET}/retrieval/ours.json"]["nsfwcaps"]["version"] = "0.2.0"
    found = [table for table in tables(read(writer.write())) if table.task == "retrieval"]
    assert [table.compared for table in found] == [True, False]


def test_comparison_of_other_values_is_not_used(tmp_path: Path) -> None:
    writer = small(tmp_path)
    own = writer.parts[f"results/{DATASET}/retrieval/ours.json"]["nsfwcaps"]
    own["figures"][R1] = figure(0.3)
    assert cell(retrieval(writer), R1).verdict is ShownVerdict.UNCOMPARED
    (said,) = stale(read(tmp_path))
    where = f"ours on {DATASET}, retrieval"
    assert said.startswith(f"comparisons.json does not match the results of {where}")
    assert not stale(read(small(tmp_path / "sound").write()))


def test_figure_without_a_number_is_a_dash(tmp_path: Path) -> None:
    writer = small(tmp_path)
    own = writer.parts[f"results/{DATASET}/retrieval/ours.json"]["nsfwcaps"]
    own["figures"][R1] = {"value": None, "low": None, "high": None, "n": 0}
    shown = cell(retrieval(writer), R1)
    assert (shown.value, shown.interval, shown.best) == ("–", "", False)  # noqa: RUF001
