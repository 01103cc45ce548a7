"""`nsfwcaps card check`: each wrong number, name, column or digest is found and named."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.shell import call
from support.small_release import crowded_world, release

from nsfwcaps import extras
from nsfwcaps.card_check.card import check_card
from nsfwcaps.card_check.check import check
from nsfwcaps.card_check.description import check_description
from nsfwcaps.card_check.published import open_published
from nsfwcaps.delivery import own_section
from nsfwcaps.errors import ArtifactError
from nsfwcaps.progress import Silent

Json = dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {"title": "Drawers", "license": "cc-by-4.0", "shard_rows": 30}
    return release(crowded_world(), tmp_path_factory.mktemp("made"), publish=settings)


@pytest.fixture
def dataset(made: Path, tmp_path: Path) -> Path:
    """A copy without its run."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


def findings(dataset: Path) -> list[str]:
    return [str(finding) for finding in check(dataset, Silent()).findings]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def change(path: Path, how: Callable[[Json], Any]) -> None:
    values = json.loads(path.read_bytes())
    how(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def field(described: Json, name: str) -> Json:
    pairs = next(item for item in described["recordSet"] if item["@id"] == "pairs")
    found: Json = next(item for item in pairs["field"] if item["name"] == name)
    return found


def rewrite(dataset: Path, name: str, how: Callable[[pa.Table], pa.Table]) -> None:
    """Change a file of pairs, and its entries in the manifest and in croissant.json."""
    path = dataset / "data" / name
    pq.write_table(how(pq.read_table(path)), path)
    size, sha = path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()

    def in_manifest(values: Json) -> None:
        file = next(item for item in values["files"] if item["path"] == f"data/{name}")
        file.update(bytes=size, sha256=sha, rows=pq.read_metadata(path).num_rows)

    def in_croissant(values: Json) -> None:
        file = next(item for item in values["distribution"] if item["@id"] == f"data/{name}")
        file.update(contentSize=f"{size} B", sha256=sha)

    change(dataset / "manifest.json", in_manifest)
    change(dataset / "croissant.json", in_croissant)


FIRST = "train-00000-of-00002.parquet"


# What agrees.


def test_a_data_set_agrees_with_its_papers_with_and_without_its_run(
    made: Path, dataset: Path
) -> None:
    for folder in (made, made.parent, dataset):
        found = check(folder, Silent())
        assert (found.findings, found.notes) == ([], [])
        assert (found.pairs, found.files) == (60, 4)


def test_words_and_the_section_of_the_user_may_be_edited(dataset: Path) -> None:
    card = dataset / "README.md"
    edit(card, own_section.EMPTY, f"{own_section.START}\nSeen 17 times.\n{own_section.END}")
    edit(card, "Share the data set gated.", "Please share it gated.")
    edit(card, "pretty_name: Drawers", "pretty_name: My 2 drawers")

    def add(described: Json) -> None:
        described["creator"] = {"@type": "Person", "name": "A. Name"}
        described["datePublished"] = "2026-11-28"
        described["rai:dataReleaseMaintenancePlan"] = ["yearly"]
        described["rai:dataSocialImpact"] = "Some."

    change(dataset / "croissant.json", add)
    assert findings(dataset) == []


# The card.


def test_another_number_anywhere_in_the_card_is_found(dataset: Path) -> None:
    published = open_published(dataset)
    card = (dataset / "README.md").read_text(encoding="utf-8")
    spots = [*re.finditer(r"\d", card[: card.index(own_section.START)])]
    assert len(spots) > 350
    for spot in spots[::15]:
        other = str((int(spot.group()) + 1) % 10)
        text = f"{card[: spot.start()]}{other}{card[spot.end() :]}"
        (dataset / "README.md").write_text(text, encoding="utf-8")
        line = card.count("\n", 0, spot.start()) + 1
        assert [*check_card(published, is_current=True)], f"line {line}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("| pairs | 60 |", "| pairs | 61 |", r"line \d+: has 61; the data say 60"),
        ("| pairs | 60 |", "| all pairs | 61 |", r"line \d+: has .*; the data say .*"),
        ("\n| pairs | 60 |", "", r"lacks the line '\| pairs \| 60 \|'"),
        (
            "| `margin` | float32 |",
            "| `margins` | float32 |",
            "line .*: has `margins`; the data say `margin`",
        ),
        ("| `rank` | int32 |", "| `rank` | string |", "line .*: has string; the data say int32"),
        (
            "| `split` | string |",
            "| `colour` | string | red |\n| `split` | string |",
            "line .* is not nsfwcaps' own.*",
        ),
        ("num_examples: 42", "num_examples: 43", r"front matter, .*\.num_examples: is 43; .* 42"),
        ("license: cc-by-4.0", "license: mit", "front matter, license: .*publish --license"),
        ("- config_name: default", "- config_name: other", "front matter, configs.*"),
        ("## Limits\n", "## Limits\n\nA pair costs 3 cents.\n", "line .* is not nsfwcaps' own.*"),
    ],
)
def test_what_is_wrong_in_the_card_is_named(
    dataset: Path, old: str, new: str, expected: str
) -> None:
    edit(dataset / "README.md", old, new)
    found = [str(item) for item in check_card(open_published(dataset), is_current=True)]
    assert any(re.fullmatch(f"README.md: {expected}", item) for item in found), found


# croissant.json.


def rename(old: str, new: str) -> Callable[[Json], Any]:
    return lambda described: described.update({new: described.pop(old)})


def of_file(key: str, value: str) -> Callable[[Json], Any]:
    return lambda described: described["distribution"][0].update({key: value})


def of_field(name: str, key: str, value: Any) -> Callable[[Json], Any]:
    return lambda described: field(described, name).update({key: value})


def without_field(name: str) -> Callable[[Json], Any]:
    def change(described: Json) -> None:
        records = next(item for item in described["recordSet"] if item["@id"] == "pairs")
        records["field"] = [item for item in records["field"] if item["name"] != name]

    return change


def with_field(described: Json) -> None:
    records = next(item for item in described["recordSet"] if item["@id"] == "pairs")
    other = json.loads(json.dumps(field(described, "rank")).replace("rank", "colour"))
    records["field"].append(other)


def more_pairs(described: Json) -> None:
    described["rai:dataCollection"] = described["rai:dataCollection"].replace("60", "61", 1)


CROISSANT = {
    "a misspelt RAI name": (
        rename("rai:dataBiases", "rai:dataBias"),
        "rai:dataBias: is not in its vocabulary; did you mean 'rai:dataBiases'?",
    ),
    "a RAI name of the overview": (
        rename("rai:dataUseCases", "rai:useCases"),
        "rai:useCases: is not in its vocabulary; did you mean 'rai:dataUseCases'?",
    ),
    "a RAI name without prefix": (
        rename("rai:dataBiases", "dataBiases"),
        "dataBiases: is a name of RAI; write 'rai:dataBiases'",
    ),
    "a RAI name by its address, misspelt": (
        rename("rai:dataBiases", "http://mlcommons.org/croissant/RAI/dataBiasses"),
        "http://mlcommons.org/croissant/RAI/dataBiasses: is not in its vocabulary; "
        "did you mean 'rai:dataBiases'?",
    ),
    "a misspelt name of PROV": (
        rename("prov:wasDerivedFrom", "prov:wasDerivedfrom"),
        "prov:wasDerivedfrom: is not in its vocabulary; did you mean 'prov:wasDerivedFrom'?",
    ),
    "a number of RAI": (more_pairs, "rai:dataCollection: has 61; the data say 60"),
    "a digest": (
        of_file("sha256", "0" * 64),
        f"distribution[data/{FIRST}].sha256: is '{'0' * 64}'; the data say ",
    ),
    "a size": (
        of_file("contentSize", "7 B"),
        f"distribution[data/{FIRST}].contentSize: is '7 B'; the data say ",
    ),
    "a column that is read": (
        of_field("rank", "source", {"fileSet": {"@id": "pairs-files"}, "extract": {"column": "r"}}),
        "recordSet[pairs].field[pairs/rank].source.extract.column: is 'r'; the data say 'rank'",
    ),
    "a type": (
        of_field("rank", "dataType", "sc:Text"),
        "recordSet[pairs].field[pairs/rank].dataType: is 'sc:Text'; the data say 'cr:Int32'",
    ),
    "a column without field": (
        without_field("margin"),
        "column margin of data/*.parquet has no field in record set pairs",
    ),
    "a field without column": (
        with_field,
        "field pairs/colour has no column in data/*.parquet",
    ),
    "a licence": (
        lambda described: described.update(license="https://spdx.org/licenses/MIT"),
        "license: is 'https://spdx.org/licenses/MIT'; the front matter of README.md says "
        "'cc-by-4.0'",
    ),
    "terms of access": (
        lambda described: described["usageInfo"][0].update(text="Do as you please."),
        "usageInfo: its terms of access are not those that README.md asks readers to accept",
    ),
    "the digest of a pool": (
        lambda described: described["prov:wasDerivedFrom"][0].update(sha256="0" * 64),
        "prov:wasDerivedFrom[provenance/pool-0].sha256: is ",
    ),
    "a version of the format": (
        lambda described: described.update(conformsTo="http://mlcommons.org/croissant/1.0"),
        "conformsTo: is 'http://mlcommons.org/croissant/1.0'; the data say ",
    ),
}


@pytest.mark.parametrize(("how", "expected"), CROISSANT.values(), ids=CROISSANT)
def test_what_is_wrong_in_croissant_json_is_named(
    dataset: Path, how: Callable[[Json], Any], expected: str
) -> None:
    change(dataset / "croissant.json", how)
    found = [str(item) for item in check_description(open_published(dataset))]
    assert any(item.startswith(f"croissant.json: {expected}") for item in found), found


def test_a_field_that_no_row_gives_is_found_by_its_reader_too(dataset: Path) -> None:
    change(dataset / "croissant.json", with_field)
    said = "croissant.json: mlcroissant cannot read a row of the record set pairs: "
    assert any(item.startswith(said) for item in findings(dataset))


def test_what_its_reader_does_not_accept_is_found(dataset: Path) -> None:
    def without_digest(described: Json) -> None:
        del described["distribution"][0]["sha256"]

    change(dataset / "croissant.json", without_digest)
    found = findings(dataset)
    assert f"croissant.json: distribution[data/{FIRST}].sha256: is missing" in found
    assert any("mlcroissant does not accept it" in item for item in found)


# The data and the manifest.


def test_data_that_were_changed_with_their_digests_are_counted_again(dataset: Path) -> None:
    def all_easy(table: pa.Table) -> pa.Table:
        at = table.column_names.index("stage")
        return table.set_column(at, "stage", pa.array(["easy"] * table.num_rows))

    rewrite(dataset, FIRST, all_easy)
    found = "\n".join(findings(dataset))
    assert re.search(
        r"manifest.json: stages.publish.facts.stage.easy: is 20; the data say \d+", found
    )
    assert re.search(r"manifest.json: stages.grade.facts.sim_text.easy\[\d\]: is 0\.\d+; ", found)
    assert re.search(r"data: \d+ pairs of level easy are on the other side of the border", found)


def test_a_row_that_is_gone_is_missed(dataset: Path) -> None:
    rewrite(dataset, FIRST, lambda table: table.slice(1))
    assert "manifest.json: stages.publish.facts.pairs: is 60; the data say 59" in findings(dataset)


def test_a_pair_that_is_there_twice_is_found(dataset: Path) -> None:
    rewrite(dataset, FIRST, lambda table: pa.concat_tables([table, table.slice(0, 1)]))
    assert "data: 1 rows have a pair_id that another row has too" in findings(dataset)


def test_a_number_that_is_wrong_in_all_papers_is_found_in_the_data(dataset: Path) -> None:
    def wrong(values: Json) -> None:
        values["stages"]["grade"]["facts"]["sim_text"]["hard"][1] = 0.9991

    change(dataset / "manifest.json", wrong)
    found = findings(dataset)
    assert any(
        item.startswith("manifest.json: stages.grade.facts.sim_text.hard[1]: is 0.9991; the data")
        for item in found
    )


def test_a_number_of_the_pools_is_compared_with_the_run(made: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(made.parent, tmp_path / "run"))

    def wrong(values: Json) -> None:
        values["stages"]["ingest"]["facts"]["pools"][0]["rows"] = 48

    change(run / "dataset" / "manifest.json", wrong)
    assert f"manifest.json: is not the one that {run / 'publish'} wrote; publish again" in findings(
        run
    )


def test_files_that_are_missing_cut_or_foreign_are_named(dataset: Path) -> None:
    data = dataset / "data"
    (data / "test-00000-of-00001.parquet").unlink()
    cut = data / "validation-00000-of-00001.parquet"
    cut.write_bytes(cut.read_bytes()[:-9])
    pq.write_table(pa.table({"caption": ["a lamp"]}), data / "zz-mine.parquet")
    found = findings(dataset)
    assert "data/test-00000-of-00001.parquet: is missing; manifest.json lists it" in found
    assert f"data/{cut.name}: is no readable Parquet file" in found
    assert any(item.startswith(f"data/{cut.name}: has ") for item in found)
    assert "data/zz-mine.parquet: is not in manifest.json, but is loaded with the rest" in found
    assert any(item.startswith("data/zz-mine.parquet: lacks the column pair_id") for item in found)


def test_a_column_of_another_type_in_one_file_is_named(dataset: Path) -> None:
    name = "train-00001-of-00002.parquet"

    def as_text(table: pa.Table) -> pa.Table:
        at = table.column_names.index("rank")
        return table.set_column(at, "rank", table["rank"].cast(pa.string()))

    rewrite(dataset, name, as_text)
    # The first file is one of the test split.
    said = f"data/{name}: column rank is string; in the first file of data it is int32"
    assert said in findings(dataset)


# The command.


def test_the_command_names_findings_and_fails(dataset: Path) -> None:
    said = call("card", "check", dataset)
    assert (said.code, said.out) == (
        0,
        f"{dataset}: README.md and croissant.json agree with 60 pairs in 4 files\n",
    )
    edit(dataset / "README.md", "| pairs | 60 |", "| pairs | 61 |")
    said = call("card", "check", dataset)
    assert said.code == 4
    assert re.fullmatch(r"README.md: line \d+: has 61; the data say 60\n", said.out)
    assert f"error: {dataset}: 1 finding; its papers do not agree with its data" in said.err
    document = json.loads(call("card", "check", dataset, "--json").out)
    assert [item["file"] for item in document["findings"]] == ["README.md"]
    assert document["error"]["exit_code"] == 4


def test_no_caption_is_in_what_it_says(dataset: Path) -> None:
    rewrite(dataset, FIRST, lambda table: table.drop_columns(["margin", "category"]))
    found = "\n".join(findings(dataset))
    assert "lacks" in found or "missing" in found
    assert "handgun" not in found
    assert "a vase" not in found


def test_a_data_set_of_an_earlier_version_is_to_be_published_again(dataset: Path) -> None:
    (dataset / "croissant.json").unlink()
    edit(dataset / "README.md", "\n## Datasheet\n", "\n## An older heading\n")
    assert findings(dataset) == [
        "croissant.json: is missing, as an earlier version wrote the data set; publish again"
    ]


def test_without_its_reader_the_rest_is_checked(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "installed", lambda module: False)
    found = check(dataset, Silent())
    assert found.findings == []
    assert found.notes == [
        "no row was read by mlcroissant, which is not installed; "
        "run 'pip install \"nsfwcaps[croissant]\"'"
    ]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: shutil.rmtree(folder), "no such folder"),
        (lambda folder: (folder / "manifest.json").unlink(), "has no manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "is damaged"),
        (lambda folder: (folder / "manifest.json").write_text("[1]"), "is damaged"),
        (lambda folder: shutil.rmtree(folder / "data"), "has no Parquet files"),
        (
            lambda folder: next((folder / "data").iterdir()).write_bytes(b"PAR1"),
            "is missing or damaged",
        ),
    ],
)
def test_what_is_no_data_set_is_refused_in_one_line(
    dataset: Path, spoil: Callable[[Path], Any], said: str
) -> None:
    for path in sorted((dataset / "data").iterdir())[1:]:
        path.unlink()
    spoil(dataset)
    with pytest.raises(ArtifactError, match=said) as caught:
        check(dataset, Silent())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_croissant_file_that_is_no_object_is_named(dataset: Path, text: str) -> None:
    (dataset / "croissant.json").write_text(text)
    assert "croissant.json: is no JSON object; publish again" in findings(dataset)


@pytest.mark.parametrize("text", ["", "---\n: [\n---\n", "no front matter", "---\n- 1\n---\n"])
def test_a_card_without_its_front_matter_is_named(dataset: Path, text: str) -> None:
    (dataset / "README.md").write_text(text)
    assert "README.md: has no readable front matter; publish again" in findings(dataset)
