"""construct with the rules: pools that ingest reads, whose columns say what was done."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.construct_place import captions, construct, record, rejects, rows, write_pool
from support.shell import call, tree
from support.word_classifier import write_word_classifier

from nsfwcaps import schema
from nsfwcaps.captions.normalize import content_id
from nsfwcaps.construction.edits import edit, holds
from nsfwcaps.stages.construct.run import plan, sources
from nsfwcaps.stages.construct.settings import ConstructSettings

LOOSE = {"near_duplicate": 1.0, "min_alignment": 0.3}
"""The captions of these tests are much alike."""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a pool of 24 captions."""
    return write_pool(tmp_path_factory.mktemp("pool") / "safe.jsonl", captions(24))


@pytest.fixture(scope="module")
def made(pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that made 8 pairs, which no test changes."""
    folder = tmp_path_factory.mktemp("made") / "run"
    said = construct(folder, pool, n=8, **LOOSE)
    assert said.code == 0, said.err
    return folder


def delivered(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(folder).items() if name.startswith("pools/")}


def test_files_and_columns(made: Path) -> None:
    names = [f"pools/{label}/00000-of-00001.parquet" for label in ("safe", "unsafe")]
    assert sorted(delivered(made)) == sorted([*names, "pools/README.md"])
    assert pq.read_schema(made / names[0]).names == ["id", "caption"]
    assert pq.read_schema(made / names[1]).equals(schema.CONSTRUCTED_UNSAFE)


def test_columns_are_true(made: Path, pool: Path) -> None:
    safe = {row["id"]: row["caption"] for row in rows(made, "safe")}
    assert len(safe) == 8
    assert set(safe.values()) <= set(captions(24))
    for row in rows(made, "unsafe"):
        partner = safe.pop(row["partner_id"])
        assert row["id"] == content_id(row["caption"])
        assert edit(partner, row["caption"]).removed == 0
        assert holds(row["caption"], row["element"])
        assert not holds(partner, row["element"])
        assert row["editor"] == "rules"
        assert 0.3 <= row["alignment"] < 1
    assert safe == {}


def test_quotas_are_equal(made: Path) -> None:
    counts = Counter(row["category"] for row in rows(made, "unsafe"))
    assert counts == dict.fromkeys(("violence", "illegal activity", "self-harm", "shocking"), 2)


def test_facts_add_up(made: Path) -> None:
    facts = record(made)["facts"]
    steps = facts["steps"]
    assert (steps["rows"], steps["captions"], steps["usable"]) == (24, 24, 24)
    assert steps["requests"] == 96  # in every category, as at least 500 were wanted
    refused = sum(facts["rejects"]["edits"].values())
    assert steps["candidates"] + refused == 96
    assert steps["pairs"] == facts["pairs"] == 8
    sims = [row["alignment"] for row in rows(made, "unsafe")]
    assert facts["alignment"]["mean"] == pytest.approx(sum(sims) / 8, abs=1e-4)
    assert facts["alignment"]["min"] == pytest.approx(min(sims), abs=1e-4)


def test_ingest_keeps_the_partners(made: Path, tmp_path: Path) -> None:
    pools = made / "pools"
    options = ("--safe", pools / "safe", "--unsafe", pools / "unsafe")
    assert call("ingest", "-w", tmp_path, *options).code == 0
    known = {row["id"]: row for row in rows(made, "unsafe")}
    taken = [
        row
        for path in (tmp_path / "ingest").glob("unsafe-*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    assert {row["id"] for row in taken} == set(known)
    for row in taken:
        assert row["partner"] == known[row["id"]]["partner_id"]
        assert row["category"] == known[row["id"]]["category"]


def test_same_settings_same_bytes(made: Path, pool: Path, tmp_path: Path) -> None:
    assert construct(tmp_path / "again", pool, n=8, **LOOSE).code == 0
    assert delivered(tmp_path / "again") == delivered(made)
    assert construct(tmp_path / "other", pool, n=8, seed=1, **LOOSE).code == 0
    assert rows(tmp_path / "other", "unsafe") != rows(made, "unsafe")


def test_second_run_is_skipped(pool: Path, tmp_path: Path) -> None:
    assert construct(tmp_path, pool, n=8, **LOOSE).code == 0
    before = tree(tmp_path)
    assert "up to date" in construct(tmp_path, pool, n=8, **LOOSE).out
    assert tree(tmp_path) == before


def test_rejects_have_id_and_reason(tmp_path: Path) -> None:
    texts = [
        *(*captions(12), "A handgun on a table", "The sky above a city", "The sky", "nan"),
        *("A boy on a bench near a tree", "", "A man about to shoot a ball at a basket"),
    ]
    pool = write_pool(tmp_path / "pool.jsonl", texts)
    assert construct(tmp_path / "run", pool, n=4, **LOOSE).code == 0
    found = rejects(tmp_path / "run")
    of = {row.get("id"): row["reason"] for row in found}
    assert of[content_id("A handgun on a table")] == "safe_side_unsafe"
    assert of[content_id("The sky above a city")] == "no_place"
    assert of[content_id("The sky")] == "unknown_form"
    assert of[content_id("A man about to shoot a ball at a basket")] == "unsuited_scene"
    assert of[content_id("A boy on a bench near a tree")] == "mentions_minors"
    assert {row["reason"] for row in found if "id" not in row} == {"empty", "null_word"}
    counts = Counter(row["reason"] for row in found)
    assert counts == record(tmp_path / "run")["rejects"]


def test_excluded_captions_are_counted_and_nowhere(tmp_path: Path) -> None:
    texts = [*captions(8), "A topless teenager on a bench", "A nude child sits on a bed"]
    pool = write_pool(tmp_path / "pool.jsonl", texts)
    assert construct(tmp_path / "run", pool, n=4, **LOOSE).code == 0
    assert record(tmp_path / "run")["rejects"]["excluded"] == 2
    assert record(tmp_path / "run")["facts"]["rejects"]["safe"] == {"excluded": 2}
    ids = {content_id(text) for text in texts[-2:]}
    for name, data in tree(tmp_path / "run").items():
        if name.endswith(".parquet"):
            table = pq.read_table(tmp_path / "run" / name, partitioning=None).to_pylist()
            assert not [row for row in table if ids & {str(value) for value in row.values()}]
        assert b"topless" not in data


def test_benchmarks_do_not_leak(pool: Path, made: Path, tmp_path: Path) -> None:
    """By words but for case, by near-duplicates, and from both sides of a set of pairs."""
    taken = rows(made, "unsafe")
    by_id = {row["id"]: row["caption"] for row in rows(made, "safe")}
    file = tmp_path / "benchmark.csv"
    lines = [f'"{by_id[taken[0]["partner_id"]].upper()}","{taken[1]["caption"]}"']
    file.write_text("caption,nsfw_caption\n" + "\n".join(lines) + "\n")
    assert construct(tmp_path / "run", pool, n=8, tries=20, exclude=[str(file)], **LOOSE).code == 0
    assert by_id[taken[0]["partner_id"]] not in {
        row["caption"] for row in rows(tmp_path / "run", "safe")
    }
    assert taken[1]["id"] not in {row["id"] for row in rows(tmp_path / "run", "unsafe")}
    facts = record(tmp_path / "run")["facts"]
    assert facts["benchmark_captions"] == 2
    assert facts["rejects"]["safe"] == {"in_benchmark": 1}
    assert facts["rejects"]["alternatives"]["in_benchmark"] >= 1  # another edit took its place


def test_near_duplicates_of_a_benchmark_do_not_leak(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pool.jsonl", ["A cat sleeps on a bed.", "A red vase on a desk."])
    other = write_pool(tmp_path / "benchmark.jsonl", ["A cat is sleeping on a bed."])
    assert construct(tmp_path / "run", pool, n=2, exclude=[str(other)], min_alignment=0.1).code == 0
    assert [row["caption"] for row in rows(tmp_path / "run", "safe")] == ["A red vase on a desk."]


def test_a_quota_that_cannot_be_met_is_told(pool: Path, tmp_path: Path) -> None:
    said = construct(tmp_path, pool, n=400, **LOOSE)
    assert said.code == 0
    assert "missing: " in said.out
    assert said.out.count("a larger --pool or a model as --editor would give more") == 4
    facts = record(tmp_path)["facts"]
    for item in facts["category"].values():
        assert item["quota"] == 100
        assert item["missing"] == 100 - item["selected"] > 0
        assert item["skipped"]["safe_caption_used"] > 0
    assert "missing" in (tmp_path / "pools" / "README.md").read_text()


def test_tries_are_asked_for_where_they_would_help(pool: Path, tmp_path: Path) -> None:
    said = construct(tmp_path, pool, n=40, tries=1, **LOOSE)
    assert said.code == 0
    assert record(tmp_path)["facts"]["steps"]["requests"] == 40
    assert said.out.count("more --tries") == len(
        [item for item in record(tmp_path)["facts"]["category"].values() if item["missing"]]
    )


@pytest.mark.parametrize(("n", "edits"), [(1, 2000), (50, 2000), (51, 2040)])
def test_rules_are_asked_for_so_many_edits_at_least(n: int, edits: int, pool: Path) -> None:
    settings = ConstructSettings(pool=(str(pool),), n=n)
    assert plan(settings, {})["edits at most"] == edits
    assert ("least edits" in sources(settings)) == (n < 50)  # else the edits are those of before
    for change in ({"tries": 2}, {"editor": "openai:http://localhost:1#some"}):
        other = dataclasses.replace(settings, **change)  # type: ignore[arg-type]
        assert plan(other, {})["edits at most"] == n * (2 if "tries" in change else 3)
        assert "least edits" not in sources(other)


def test_shares(pool: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"category": ["violence", "shocking"], "share": ["violence=3"]}
    assert construct(tmp_path, pool, n=8, **options, **LOOSE).code == 0
    assert Counter(row["category"] for row in rows(tmp_path, "unsafe")) == {
        "violence": 6,
        "shocking": 2,
    }


def test_images_are_carried_along(tmp_path: Path) -> None:
    texts = captions(8)
    names = [f"{n}.jpg" for n in range(8)]
    for n, name in enumerate(names):
        (tmp_path / name).write_bytes(b"picture %d" % n)
    urls = [f"http://images.example/{n}.jpg" for n in range(8)]
    pool = write_pool(tmp_path / "pool.jsonl", texts, image_path=names, image_coco_url=urls)
    banned = tmp_path / "banned.txt"
    banned.write_text(hashlib.sha256(b"picture 3").hexdigest() + "\n")
    options = {"n": 7, "image_hashes": [str(banned)], **LOOSE}
    assert construct(tmp_path / "run", pool, **options).code == 0
    found = {row["caption"]: row for row in rows(tmp_path / "run", "safe")}
    assert texts[3] not in found
    assert record(tmp_path / "run")["facts"]["rejects"]["safe"] == {"excluded": 1}
    for caption, row in found.items():
        n = texts.index(caption)
        assert row["image_path"] == str(tmp_path / names[n])
        assert row["image_coco_url"] == urls[n]
        assert row["id"] == content_id(caption, hashlib.sha256(b"picture %d" % n).hexdigest())
    assert {row["partner_id"] for row in rows(tmp_path / "run", "unsafe")} == {
        row["id"] for row in found.values()
    }


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"category": ["sexual content"]}, 2, "editor 'rules' has no elements for sexual content"),
        ({"category": ["hate", "violence"]}, 2, "no elements for hate"),
        ({"category": ["weather"]}, 2, "construct.category"),
        ({"category": []}, 2, "name at least one"),
        ({"editor": "gpt"}, 2, "expected rules, world, openai:URL#MODEL or local:FOLDER"),
        ({"editor": "openai:localhost"}, 2, "expected openai:URL#MODEL"),
        ({"editor": "local:nowhere"}, 5, "not the folder of a transformers model"),
        ({"share": ["violence"]}, 2, "write CATEGORY=WEIGHT"),
        ({"aligner": "word2vec"}, 2, "unknown aligner 'word2vec'"),
        ({"n": 0}, 2, "construct.n"),
        ({"min_alignment": 0.9999}, 3, "lower --min-alignment"),
        ({"caption_column": "words"}, 3, "no caption column 'words'"),
        ({"exclude": ["nowhere.csv"]}, 3, "no such file"),
        ({"image_hashes": ["nowhere.txt"]}, 3, "cannot be read"),
        ({"detector": ["nobody"]}, 2, "unknown text detector"),
        ({"edit_detector": ["nobody"]}, 2, "--edit-detector: unknown text detector 'nobody'"),
    ],
)
def test_what_cannot_work_is_said(
    settings: dict[str, Any], code: int, message: str, tmp_path: Path
) -> None:
    pool = write_pool(tmp_path / "pool.jsonl", captions(4))
    said = construct(tmp_path / "run", pool, **{"n": 2, **settings})
    assert said.code == code, said.err
    assert message in said.err
    assert "Traceback" not in said.err


def test_a_plan_refuses_an_editor_that_is_not_there(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pool.jsonl", captions(4))
    options = ("--pool", pool, "--out", tmp_path / "run", "--dry-run")
    said = call("construct", *options, "--editor", "local:nosuch/model")
    assert said.code == 5
    assert "not the folder of a transformers model" in said.err


def test_pools_of_somebody_else_are_not_replaced(pool: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "pools" / "safe" / "mine.parquet"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    said = construct(tmp_path, pool, n=2, **LOOSE)
    assert said.code == 7
    assert "was not written by construct" in said.err
    assert theirs.read_bytes() == b"theirs"


def test_detectors_of_the_edited_side(pool: Path, tmp_path: Path) -> None:
    """A classifier that takes one word for a category: other edits are set aside, and counted."""
    folder = write_word_classifier(tmp_path / "words", {"handgun": "violent", "vodka": "harmful"})
    detector = f"transformers:{folder}#violent=violence,harmful=self-harm"
    options: dict[str, Any] = {"category": ["violence", "self-harm", "shocking"], **LOOSE}
    said = construct(tmp_path / "run", pool, n=9, edit_detector=[detector], tries=40, **options)
    assert said.code == 0, said.err
    found = rows(tmp_path / "run", "unsafe")
    words = {"violence": "handgun", "self-harm": "vodka"}
    assert {row["category"] for row in found} == {"violence", "self-harm"}
    for row in found:
        assert words[row["category"]] in row["caption"]
    facts = record(tmp_path / "run")["facts"]
    set_aside = rejects(tmp_path / "run")
    counts = Counter(row["reason"] for row in set_aside)
    assert facts["rejects"]["edits"]["edited_side_safe"] == counts["edited_side_safe"] > 0
    for row in set_aside:
        if row["reason"] == "edited_side_safe":
            assert "handgun" not in row["caption"]
    assert facts["category"]["shocking"]["selected"] == 0
    (statement,) = facts["edit_detectors"]
    assert statement["name"] == "transformers:words"
    card = (tmp_path / "run" / "pools" / "README.md").read_text()
    assert "| edited captions checked by | `transformers:words`" in card
    assert f"| edits | `edited_side_safe` | {counts['edited_side_safe']} |" in card
    assert str(tmp_path) not in card.replace(str(pool), "")
