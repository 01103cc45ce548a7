"""publish, a review: what people decided is joined, from its database and from its export."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from support.shell import call
from support.small_release import World, build, bytes_of, prepare, rows_of, tiny_world

from nsfwcaps import schema
from nsfwcaps.artifacts import StageFolder
from nsfwcaps.captions.normalize import content_id, pair_id
from nsfwcaps.errors import ConfigError, InputError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.export.export import export
from nsfwcaps.review.log import reopening, verdicts
from nsfwcaps.review.log.adjudication import settle
from nsfwcaps.review.log.answers import Answers, Choice
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue import gold
from nsfwcaps.review.queue.opening import open_review

Row = dict[str, Any]
Recipe = dict[str, dict[str, Any]]

SHARES = {"validation_share": 0.2, "test_share": 0.2}
NEW = "a broken window in drawer 3"
ACCEPT = Answers(
    safe_is_safe="yes", unsafe_is_unsafe="yes", category="right", meaning=4, choice=Choice.ACCEPT
)
REJECT = Answers(safe_is_safe="no", choice=Choice.REJECT)


def fix(**captions: str) -> Answers:
    return Answers(**{**ACCEPT.as_json(), **captions, "choice": Choice.FIX})


class Place:
    """A run whose data set is reviewed: nine pairs."""

    def __init__(self, folder: Path, world: World, recipe: Recipe) -> None:
        self.folder, self.world, self.recipe = folder, world, recipe
        self.work = folder / "work"
        self.dataset = self.work / "dataset"
        self.database = folder / "review.sqlite"

    def pairs(self) -> list[Row]:
        return rows_of(self.dataset)

    def review(
        self,
        said: Mapping[str, Answers | tuple[Answers, Answers]],
        data: Path | None = None,
    ) -> None:
        """Let two people judge pairs; a tuple is what each of them says."""
        database = Database(str(self.database), create=True)
        with database.write() as connection:
            known = set(connection.scalars(sa.select(tables.account.c.account_id)))
            for name, role in (("p-1", "annotator"), ("p-2", "annotator"), ("p-3", "lead")):
                if name not in known:
                    connection.execute(
                        sa.insert(tables.account).values(
                            account_id=name, name=name, name_key=name, password_hash="-",
                            role=role, created=0.0, disabled=False,
                        )
                    )  # fmt: skip
        open_review(database, ReviewPairs(data or self.dataset), {"overlap": 2}, update=True)
        with database.write() as connection:
            for pair, answers in said.items():
                both = answers if isinstance(answers, tuple) else (answers, answers)
                for person, answer in zip(("p-1", "p-2"), both, strict=True):
                    verdicts.judge(connection, person, pair, answer, 1e9)
        database.close()

    def settle(self, pair: str, answers: Answers) -> None:
        database = Database(str(self.database))
        with database.write() as connection:
            settle(connection, "p-3", pair, answers, 1e9)
        database.close()

    def head(self) -> tuple[int, str]:
        database = Database(str(self.database))
        with database.read() as connection:
            found = verdicts.head_of(connection)
        database.close()
        return found

    def first(self) -> str:
        opened = contextlib.closing(Database(str(self.database)))
        with opened as database, database.read() as connection:
            return next(verdicts.links(connection)).previous

    def export(self) -> Path:
        database = Database(str(self.database))
        export(database, ReviewPairs(self.dataset), self.folder / "export", resamples=5)
        database.close()
        return self.folder / "export"

    def publish(self, source: Path | None = None, **settings: Any) -> Any:
        named = {"verdicts": str(source or self.database)}
        return build(self.recipe, self.work, publish={**SHARES, **named, **settings})["publish"]

    def facts(self) -> Any:
        text = (self.dataset / "manifest.json").read_text("utf-8")
        return json.loads(text)["stages"]["publish"]["facts"]["review"]

    def card(self) -> str:
        return (self.dataset / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World, Recipe]:
    folder, world = tmp_path_factory.mktemp("review"), tiny_world(unsafe=9, safe=14)
    recipe = prepare(world, folder)
    build(recipe, folder / "work", publish=SHARES)
    return folder, world, recipe


@pytest.fixture
def place(finished: tuple[Path, World, Recipe], tmp_path: Path) -> Place:
    folder, world, recipe = finished
    shutil.copytree(folder / "work", tmp_path / "work")
    return Place(tmp_path, world, recipe)


def by_id(rows: list[Row]) -> dict[str, Row]:
    return {row["pair_id"]: row for row in rows}


def unreviewed(row: Row) -> Row:
    return {name: value for name, value in row.items() if not name.startswith("review_")}


# What becomes of pairs.


def test_outcomes_are_joined_and_rejected_pairs_dropped(place: Place) -> None:
    before = place.pairs()
    accepted, rejected, disputed, half, settled, *rest = (row["pair_id"] for row in before)
    place.review({accepted: ACCEPT, rejected: REJECT, disputed: (ACCEPT, REJECT),
                  settled: (ACCEPT, REJECT)})  # fmt: skip
    place.settle(settled, ACCEPT)
    database = Database(str(place.database))
    with database.write() as connection:
        verdicts.judge(connection, "p-1", half, ACCEPT, 1e9)
    database.close()
    record = place.publish()
    after = by_id(place.pairs())
    assert set(after) == {row["pair_id"] for row in before} - {rejected}
    assert {name: row["review_outcome"] for name, row in after.items()} == {
        accepted: "accepted", disputed: "disputed", half: "pending", settled: "accepted",
        **dict.fromkeys(rest, "pending"),
    }  # fmt: skip
    for row in before:
        if row["pair_id"] != rejected:
            assert unreviewed(after[row["pair_id"]]) == row
            assert after[row["pair_id"]]["review_original_pair_id"] is None
    at = "2001-09-09"  # to the day
    assert after[settled]["review_verdicts"] == [
        {"seq": 10, "by": "p-1", "at": at, "kind": "judge", "choice": "accept"},
        {"seq": 11, "by": "p-2", "at": at, "kind": "judge", "choice": "reject"},
        {"seq": 12, "by": "p-3", "at": at, "kind": "settle", "choice": "accept"},
    ]
    assert after[rest[0]]["review_verdicts"] == []
    assert record.rejects == {"review: rejected": 1}
    [path] = record.paths("rejects")
    assert pq.read_table(path).to_pylist() == [{"id": rejected, "reason": "review: rejected"}]
    shown = call("rejects", place.work, "--stage", "publish", "--json", "--reveal").json["shown"]
    [own] = (row for row in before if row["pair_id"] == rejected)
    texts = {side: own[f"{side}_caption"] for side in ("unsafe", "safe")}
    assert [(row["id"], row["texts"]) for row in shown] == [(rejected, texts)]


def test_a_pair_that_was_opened_again_is_undecided_in_the_next_data_set(place: Place) -> None:
    first, agreed, *_ = (row["pair_id"] for row in place.pairs())
    place.review({first: (ACCEPT, REJECT), agreed: REJECT})
    place.settle(first, REJECT)
    place.publish()
    assert {first, agreed}.isdisjoint(by_id(place.pairs()))
    database = Database(str(place.database))
    with database.write() as connection:
        for pair in (first, agreed):
            reopening.open_again(connection, "p-3", pair, 1e9)
    database.close()
    place.publish()
    after = by_id(place.pairs())
    assert [after[pair]["review_outcome"] for pair in (first, agreed)] == ["disputed"] * 2
    kinds = [row["kind"] for row in after[first]["review_verdicts"]]
    assert kinds == ["judge", "judge"]


def test_manifest_and_card_name_the_log_and_count(place: Place) -> None:
    first, second, third, *_ = (row["pair_id"] for row in place.pairs())
    place.review({first: ACCEPT, second: REJECT, third: (ACCEPT, REJECT)})
    place.publish()
    rows, last = place.head()
    facts = place.facts()
    assert facts["log"] == {"rows": 9, "hash": last, "first": place.first()}
    assert rows == 9
    counts = {
        "accepted": 1, "fixed": 0, "rejected": 1, "disputed": 1, "pending": 6,
        "not in the review": 0,
    }  # fmt: skip
    assert facts["outcomes"] == counts
    card = place.card()
    assert f"`{last}`" in card
    for name, count in counts.items():
        assert f"| {name} | {count} |" in card
    assert "Left out: 1 rejected." in card
    assert "No person has judged the pairs" not in card
    for name, text in schema.REVIEW_HELP.items():
        assert any(line.startswith(f"| `{name}` |") and text in line for line in card.splitlines())


def test_known_answers_are_told_apart_from_what_people_judged(place: Place) -> None:
    judged, known, both, *_ = (row["pair_id"] for row in place.pairs())
    place.review({judged: ACCEPT, both: REJECT})
    place.publish()
    assert place.facts()["known"] == 0
    assert "known answers" not in place.card()
    rows = [
        gold.GoldRow(number=number, values={"pair_id": pair, "choice": "accept"})
        for number, pair in enumerate((known, both), start=1)
    ]
    database = Database(str(place.database))
    with database.write() as connection:
        gold.set_gold(connection, "p-3", rows, 1e9)
    database.close()
    place.publish()
    assert (place.facts()["outcomes"]["accepted"], place.facts()["known"]) == (3, 2)
    card = place.card()
    assert "Outcomes that are gold answers, written by a lead beforehand: 2." in card
    assert "where `review_verdicts` has a row of kind `gold`, a lead wrote the answer" in card


def test_only_accepted_pairs_on_request(place: Place) -> None:
    ids = [row["pair_id"] for row in place.pairs()]
    place.review({ids[0]: ACCEPT, ids[1]: REJECT, ids[2]: (ACCEPT, REJECT), ids[3]: fix(
        unsafe_caption=NEW)})  # fmt: skip
    record = place.publish(only_accepted=True)
    outcomes = Counter(row["review_outcome"] for row in place.pairs())
    assert outcomes == {"accepted": 1, "fixed": 1}
    assert record.rejects == {
        "review: disputed": 1, "review: pending": 5, "review: rejected": 1,
    }  # fmt: skip
    assert record.rows_out == 2
    assert place.facts()["left_out"] == record.rejects


def test_a_category_that_people_correct_replaces_the_other(place: Place) -> None:
    first, second, *_ = (row["pair_id"] for row in place.pairs())
    other = Answers(**{**ACCEPT.as_json(), "choice": Choice.ACCEPT, "category": "tools"})
    place.review({first: other, second: (other, ACCEPT)})
    place.publish()
    after = by_id(place.pairs())
    assert (after[first]["category"], after[second]["category"]) == ("tools", "weapons")
    assert place.facts()["categories_corrected"] == 1
    assert "| `tools` | 1 |" in place.card()


def test_pairs_that_the_review_has_not_and_outcomes_that_the_set_has_not(place: Place) -> None:
    first, *others = place.pairs()
    foreign = {**first, "pair_id": "0" * 32}
    (place.folder / "other" / "data").mkdir(parents=True)
    table = pa.Table.from_pylist([foreign, *others], schema=schema.PUBLISHED)
    pq.write_table(table, place.folder / "other" / "data" / "train-0.parquet")
    place.review({foreign["pair_id"]: ACCEPT}, data=place.folder / "other")
    place.publish()
    after = by_id(place.pairs())[first["pair_id"]]
    assert (after["review_outcome"], after["review_verdicts"]) == (None, None)
    assert place.facts()["outcomes"]["not in the review"] == 1
    assert place.facts()["not_in_data_set"] == 1
    assert place.publish(only_accepted=False).rows_out == 9


# Fixed captions.


def unused(place: Place) -> list[str]:
    """Safe captions that no pair has, but the encoder knows."""
    used = {row["safe_caption"] for row in place.pairs()}
    return [item.caption for item in place.world.safe if item.caption not in used]


def cosine(place: Place, one: str, other: str) -> float:
    rows = np.stack([place.world.item(text).vector for text in (one, other)])
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    return float(rows[0].astype(np.float64) @ rows[1].astype(np.float64))


def test_a_fixed_safe_caption_gets_its_ids_and_cosine(place: Place) -> None:
    before, text = place.pairs()[0], unused(place)[0]
    place.review({before["pair_id"]: fix(safe_caption=f"  {text} ")})
    place.publish()
    [after] = [row for row in place.pairs() if row["review_outcome"] == "fixed"]
    changed = {
        "safe_caption": text,
        "safe_id": content_id(text),
        "pair_id": pair_id(before["unsafe_id"], content_id(text)),
        "sim_text": pytest.approx(cosine(place, before["unsafe_caption"], text), abs=1e-6),
        "score": None,
        "margin": None,
    }
    assert unreviewed(after) == {**before, **changed}
    assert after["review_original_pair_id"] == before["pair_id"]
    assert place.facts()["fixed_without_sim_text"] == {}
    assert "`sim_text` was recomputed with the same encoder;" in place.card()


def test_a_fixed_unsafe_caption_that_the_vectors_have_not_has_no_cosine(place: Place) -> None:
    before = place.pairs()[1]
    place.review({before["pair_id"]: fix(unsafe_caption=NEW)})
    place.publish()
    [after] = [row for row in place.pairs() if row["review_outcome"] == "fixed"]
    changed = {
        "unsafe_caption": NEW,
        "unsafe_id": content_id(NEW),
        "pair_id": pair_id(content_id(NEW), before["safe_id"]),
        **dict.fromkeys(("sim_text", "sim_cross", "score", "margin", "density")),
    }
    assert unreviewed(after) == {**before, **changed}
    assert place.facts()["fixed_without_sim_text"] == {"not_in_source": 1}
    assert "(null for 1 not_in_source)" in place.card()


def test_cosines_of_another_encoder_are_not_put_beside_those_of_the_first(place: Place) -> None:
    before, text = place.pairs()[0], unused(place)[0]
    place.review({before["pair_id"]: fix(safe_caption=text)})
    folder = place.folder / "vectors"
    shutil.copytree(place.recipe["embed"]["source"], folder)
    vectors = np.load(folder / "text_emb" / "text_emb_0000.npy")
    record = place.work / "embed" / "stage.json"
    values = json.loads(record.read_text())
    values["settings"]["source"] = str(folder)
    record.write_text(json.dumps(values))
    np.save(folder / "text_emb" / "text_emb_0000.npy", -vectors)
    said = call("publish", "-w", place.work, "--verdicts", place.database)
    assert said.code == 0
    [after] = [row for row in place.pairs() if row["review_outcome"] == "fixed"]
    assert after["sim_text"] is None
    assert place.facts()["fixed_without_sim_text"] == {"other_encoder": 1}


def test_a_fix_that_makes_a_pair_that_is_there_is_left_out(place: Place) -> None:
    one, other, *_ = place.pairs()
    same = fix(safe_caption=other["safe_caption"], unsafe_caption=other["unsafe_caption"])
    place.review({one["pair_id"]: same})
    record = place.publish()
    assert record.rejects == {"review: fixed pair is there already": 1}
    assert len(place.pairs()) == 8


def test_a_fix_that_brings_a_caption_into_a_second_split_is_left_out(place: Place) -> None:
    train = next(row for row in place.pairs() if row["split"] == "train")
    test = next(row for row in place.pairs() if row["split"] == "test")
    place.review({train["pair_id"]: fix(safe_caption=test["safe_caption"])})
    record = place.publish()
    assert record.rejects == {"review: fixed caption is in another split": 1}
    splits: dict[str, set[str]] = {}
    for row in place.pairs():
        splits.setdefault(row["safe_id"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())


def test_two_fixes_to_one_caption_stay_in_one_split(place: Place) -> None:
    train = next(row for row in place.pairs() if row["split"] == "train")
    test = next(row for row in place.pairs() if row["split"] == "test")
    said = dict.fromkeys((train["pair_id"], test["pair_id"]), fix(safe_caption=NEW))
    place.review(said)
    record = place.publish()
    assert record.rejects == {"review: fixed caption is in another split": 1}


@pytest.mark.parametrize(
    ("said", "outcome"),
    [(ACCEPT, "fixed"), (REJECT, None), ((ACCEPT, REJECT), "disputed"), (None, "fixed")],
)
def test_what_is_said_of_a_fixed_pair_later_counts(
    place: Place, said: Answers | tuple[Answers, Answers] | None, outcome: str | None
) -> None:
    before, text = place.pairs()[0], unused(place)[0]
    place.review({before["pair_id"]: fix(safe_caption=text)})
    place.publish()
    [fixed] = [row for row in place.pairs() if row["review_outcome"] == "fixed"]
    place.review({} if said is None else {fixed["pair_id"]: said})
    place.publish()
    after = by_id(place.pairs())
    assert before["pair_id"] not in after
    found = after.get(fixed["pair_id"])
    assert (found and found["review_outcome"]) == outcome
    if found is not None:
        assert found["safe_caption"] == text
        assert found["review_original_pair_id"] == before["pair_id"]
        seqs = [row["seq"] for row in found["review_verdicts"]]
        assert seqs == ([4, 5] if said is None else [4, 5, 7, 8])
    assert place.facts()["not_in_data_set"] == 0


# Where it is read from, and when it is read again.


def test_database_export_and_table_give_the_same_bytes(place: Place) -> None:
    ids = [row["pair_id"] for row in place.pairs()]
    place.review({ids[0]: ACCEPT, ids[1]: REJECT, ids[2]: (ACCEPT, REJECT), ids[3]: fix(
        unsafe_caption=NEW)})  # fmt: skip
    folder = place.export()
    shutil.copy(folder / "outcomes.parquet", place.folder / "alone.parquet")
    found = []
    for source in (None, folder, folder / "outcomes.parquet", place.folder / "alone.parquet"):
        place.publish(source)
        found.append(bytes_of(place.dataset))
    assert all(one == found[0] for one in found)
    text = b"\n".join(data for name, data in found[0].items() if not name.endswith("parquet"))
    assert str(place.folder).encode() not in text


def test_a_new_verdict_makes_it_stale_and_the_same_log_does_not(place: Place) -> None:
    first, second, *_ = (row["pair_id"] for row in place.pairs())
    place.review({first: ACCEPT})
    one = place.publish()
    assert place.publish() == one
    place.review({second: (ACCEPT, REJECT)})
    other = place.publish()
    assert other.fingerprint != one.fingerprint
    assert place.facts()["outcomes"]["disputed"] == 1


def test_another_overlap_makes_it_stale(place: Place) -> None:
    """It is no part of the log, and tells what is pending."""
    first = place.pairs()[0]["pair_id"]
    place.review({first: ACCEPT})
    place.publish()
    database = Database(str(place.database))
    open_review(database, ReviewPairs(place.dataset), {"overlap": 3}, update=True)
    database.close()
    place.publish()
    assert by_id(place.pairs())[first]["review_outcome"] == "pending"


def test_without_a_review_nothing_tells_of_one(place: Place) -> None:
    before = bytes_of(place.dataset)
    place.review({place.pairs()[0]["pair_id"]: REJECT})
    place.publish()
    assert bytes_of(place.dataset) != before
    build(place.recipe, place.work, publish=SHARES)
    assert bytes_of(place.dataset) == before
    settings = json.loads(before["manifest.json"])["stages"]["publish"]["settings"]
    assert not {"verdicts", "only_accepted"} & set(settings)


# Reviews that cannot be used.


def test_a_log_that_was_changed_is_refused(place: Place) -> None:
    first = place.pairs()[0]["pair_id"]
    place.review({first: REJECT})
    before = bytes_of(place.dataset)
    database = Database(str(place.database))
    with database.write() as connection:
        verdict = tables.verdict
        forged = sa.update(verdict).where(verdict.c.seq == 2).values(body=ACCEPT.text())
        connection.execute(forged)
    database.close()
    with pytest.raises(
        ReviewError, match=r"log of this review is damaged: row 2 was changed.*review verify"
    ):
        place.publish()
    assert bytes_of(place.dataset) == before


def exported(place: Place) -> Path:
    place.review({place.pairs()[0]["pair_id"]: REJECT})
    return place.export()


def test_an_export_whose_tables_were_changed_is_refused(place: Place) -> None:
    folder = exported(place)
    path = folder / "outcomes.parquet"
    table = pq.read_table(path)
    accepted = pa.array(["accept"] * table.num_rows)
    pq.write_table(table.set_column(table.column_names.index("choice"), "choice", accepted), path)
    with pytest.raises(
        ReviewError, match=r"outcomes\.parquet changed or missing; export the review again"
    ):
        place.publish(folder)


def test_an_export_whose_log_was_changed_is_refused(place: Place) -> None:
    """Also where the record was made to fit."""
    folder = exported(place)
    path, record = folder / "verdicts.parquet", folder / "export.json"
    table = pq.read_table(path)
    bodies = pa.array([ACCEPT.text()] * table.num_rows)
    pq.write_table(table.set_column(table.column_names.index("body"), "body", bodies), path)
    about = json.loads(record.read_text())
    about["sha256"]["verdicts.parquet"] = hashlib.sha256(path.read_bytes()).hexdigest()
    record.write_text(json.dumps(about))
    with pytest.raises(ReviewError, match=r"the log is damaged \(row 1 was changed\)"):
        place.publish(folder)


def test_an_export_with_the_outcomes_of_another_log_is_refused(place: Place) -> None:
    folder = exported(place)
    old = (folder / "outcomes.parquet").read_bytes()
    place.review({place.pairs()[1]["pair_id"]: REJECT})
    place.export()
    (folder / "outcomes.parquet").write_bytes(old)
    record = folder / "export.json"
    about = json.loads(record.read_text())
    about["sha256"]["outcomes.parquet"] = hashlib.sha256(old).hexdigest()
    record.write_text(json.dumps(about))
    with pytest.raises(ReviewError, match=r"outcomes\.parquet belongs to another log"):
        place.publish(folder)


@pytest.mark.parametrize("name", ["verdicts.parquet", "export.json"])
def test_an_export_that_lacks_a_file_is_refused(place: Place, name: str) -> None:
    folder = exported(place)
    (folder / name).unlink()
    with pytest.raises(ReviewError, match=f"{name} .*export the review again"):
        place.publish(folder)


def test_what_is_no_review(place: Place) -> None:
    empty, other = place.folder / "empty", place.folder / "other.parquet"
    empty.mkdir()
    pq.write_table(pa.table({"pair_id": ["a"]}), other)
    text = place.folder / "text.sqlite"
    text.write_text("a broken window\n" * 100)
    cases: list[tuple[Path | str, type[Exception], str]] = [
        (place.folder / "none", InputError, "no such file or folder; expected the database"),
        (empty, InputError, "missing outcomes.parquet"),
        (other, ReviewError, "not a table of review outcomes"),
        (text, ReviewError, "database is damaged"),
        ("postgresql://team:secret@host/db", ConfigError, "run 'nsfwcaps review export' and pass"),
    ]
    for source, kind, message in cases:
        with pytest.raises(kind, match=message) as error:
            place.publish(source)  # type: ignore[arg-type]
        assert "secret" not in str(error.value)


def test_a_review_that_leaves_nothing_is_an_error(place: Place) -> None:
    place.review({place.pairs()[0]["pair_id"]: REJECT})
    with pytest.raises(ReviewError, match=r"excludes every pair \(8 pending, 1 rejected\)"):
        place.publish(only_accepted=True)


def test_only_accepted_needs_a_review(place: Place) -> None:
    said = call("publish", "-w", place.work, "--only-accepted")
    assert said.code == ConfigError.exit_code
    assert "publish: only_accepted needs verdicts" in said.err


# What others make of it.


def test_others_read_it(place: Place, tmp_path: Path) -> None:
    import datasets

    ids = [row["pair_id"] for row in place.pairs()]
    place.review({ids[0]: ACCEPT, ids[1]: fix(unsafe_caption=NEW)})
    said = call("publish", "-w", place.work, "--verdicts", place.database, "--json")
    assert said.code == 0
    rows = place.pairs()
    loaded = datasets.load_dataset(str(place.dataset), cache_dir=str(tmp_path / "cache"))
    found = [row for split in loaded.values() for row in split]
    assert sorted(found, key=lambda row: row["pair_id"]) == rows
    assert len(ReviewPairs(place.dataset)) == len(rows)
    assert StageFolder(place.work / "publish").record() is not None


def test_with_partners_only_those_of_kept_pairs_are_counted(tmp_path: Path) -> None:
    from dataclasses import replace

    world = tiny_world(unsafe=4, safe=6)
    partners = [content_id(world.safe[0].caption), content_id("nowhere")] * 2
    unsafe = [
        replace(item, partner=name) for item, name in zip(world.unsafe, partners, strict=True)
    ]
    world = World(unsafe=unsafe, safe=world.safe)
    place = Place(tmp_path, world, prepare(world, tmp_path))
    nothing_held_out = {"validation_share": 0.0, "test_share": 0.0}
    before = build(place.recipe, place.work, publish=nothing_held_out)["publish"].facts["partners"]
    assert before == {"kept": 2, "in_another_split": 0, "not_found": 2}
    lost = next(row for row in place.pairs() if row["partner_id"] is None)
    place.review({lost["pair_id"]: REJECT})
    after = place.publish(**nothing_held_out).facts["partners"]
    assert after == {"kept": 2, "in_another_split": 0, "not_found": 1}


# What was noted before.


def test_an_older_review_does_not_replace_what_a_later_one_published(
    place: Place, tmp_path: Path
) -> None:
    first, second, *_ = (row["pair_id"] for row in place.pairs())
    place.review({first: ACCEPT})
    older = shutil.copy(place.database, tmp_path / "older.sqlite")
    place.review({second: REJECT})
    place.publish()
    before, rows = bytes_of(place.dataset), place.head()[0]
    message = (
        f"published from row {rows} of a review.*the log ends at row 5, before the noted row {rows}"
        ".*Nothing was written.*review restored.*--other-review"
    )
    with pytest.raises(ReviewError, match=message):
        place.publish(Path(older))
    assert bytes_of(place.dataset) == before
    with pytest.raises(ReviewError, match="published from row"):
        open_review(Database(str(older)), ReviewPairs(place.dataset))
    place.publish(Path(older), other_review=True)
    assert place.facts()["log"]["rows"] == 5
    place.publish()  # the latest one goes on from the older one
    assert bytes_of(place.dataset) == before


@pytest.mark.parametrize("kind", ["export", "table"])
def test_an_older_export_is_refused_too(place: Place, tmp_path: Path, kind: str) -> None:
    first, second, *_ = (row["pair_id"] for row in place.pairs())
    place.review({first: ACCEPT})
    older = shutil.copytree(place.export(), tmp_path / "older")
    place.review({second: ACCEPT})
    place.publish(place.export())
    source = older if kind == "export" else older / "outcomes.parquet"
    with pytest.raises(ReviewError, match="it is an older copy, or rows were removed"):
        place.publish(source)


def test_a_rewritten_review_is_refused(place: Place) -> None:
    first, *_ = (row["pair_id"] for row in place.pairs())
    place.review({first: ACCEPT})
    place.publish()
    seq = place.head()[0]
    database = Database(str(place.database))
    with database.write() as connection:
        verdict, decision = tables.verdict, tables.decision
        link = list(verdicts.links(connection))[-1]
        again = replace(link, body=REJECT.text()).sealed()
        values = {"body": again.body, "hash": again.hash}
        connection.execute(sa.update(verdict).where(verdict.c.seq == seq).values(**values))
        connection.execute(sa.update(tables.head).values(hash=again.hash))
        assert connection.scalar(sa.select(sa.func.count()).select_from(decision)) == 2
        assert verdicts.verify(connection) == []
    database.close()
    with pytest.raises(ReviewError, match=f"row {seq} differs from the noted one"):
        place.publish()


def test_another_review_is_refused_unless_it_is_meant(place: Place) -> None:
    first, *_ = (row["pair_id"] for row in place.pairs())
    place.review({first: ACCEPT})
    place.publish()
    place.database.unlink()
    place.review({first: REJECT}, data=place.dataset)  # begins: the note is of another review
    with pytest.raises(ReviewError, match="it is the log of another review") as said:
        place.publish()
    assert "restored" not in str(said.value)
    place.publish(other_review=True)
    assert place.facts()["outcomes"]["rejected"] == 1
