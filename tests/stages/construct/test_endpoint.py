"""construct with a model behind an endpoint, which a kill or a breakdown stops half-way."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.construct_place import (
    WORD,
    captions,
    construct,
    recipe,
    record,
    rejects,
    rows,
    write_pool,
)
from support.forked import start
from support.misbehaving_server import MODEL, Reply, good, serving
from support.shell import call, tree

LOOSE = {"near_duplicate": 1.0, "min_alignment": 0.3, "element_share": 1.0}
KEY = "sk-quillbrook-0123456789"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NSFWCAPS_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_pairs_by_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSFWCAPS_API_KEY", KEY)
    pool = write_pool(tmp_path / "pool.jsonl", captions(30))
    with serving() as server:
        said = construct(tmp_path / "run", pool, n=8, editor=server.name, **LOOSE)
        assert said.code == 0, said.err
        assert len(server.asked) == 24  # three for each pair
        assert server.keys == {f"Bearer {KEY}"}
    facts = record(tmp_path / "run")["facts"]
    assert facts["editor"]["models"] == [MODEL]
    assert {row["editor"] for row in rows(tmp_path / "run", "unsafe")} == {server.name}
    assert f"answers came from `{MODEL}`" in (tmp_path / "run/pools/README.md").read_text()
    for name, data in tree(tmp_path / "run").items():
        assert KEY.encode() not in data, name
    assert KEY not in said.out + said.err


def test_every_kind_of_bad_answer_is_counted(tmp_path: Path) -> None:
    bad = {
        "refused": '{"refusal": "no"}',
        "not_json": "I cannot help with that.",
        "wrong_form": "[]",
        "changed_too_much": '{"caption": "A man holds a handgun", "element": "a handgun"}',
    }
    answers: dict[str, Any] = {}

    def behave(caption: str, category: str, times: int) -> Reply:
        kinds = [*bad, "unchanged", "element_absent", None, None]
        kind = kinds[len(answers) % len(kinds)]
        answers.setdefault(caption, kind)
        if kind in bad:
            return Reply(bad[kind])
        if kind == "unchanged":
            return Reply(json.dumps({"caption": caption, "element": "a vase"}))
        if kind == "element_absent":
            return Reply(json.dumps({"caption": f"{caption} So on", "element": "a handgun"}))
        return good(caption, category, times)

    pool = write_pool(tmp_path / "pool.jsonl", captions(32))
    options = {"n": 4, "tries": 8, "parallel": 1, **LOOSE}
    with serving(behave) as server:
        assert construct(tmp_path / "run", pool, editor=server.name, **options).code == 0
    expected = Counter(kind for kind in answers.values() if kind is not None)
    assert len(expected) == 6
    assert Counter(row["reason"] for row in rejects(tmp_path / "run")) == expected
    assert record(tmp_path / "run")["facts"]["rejects"]["edits"] == expected


@pytest.mark.parametrize(
    ("kill", "stop_at", "count"),
    [(signal.SIGKILL, 60, 160), (signal.SIGINT, 50, 130)],
    ids=["killed after 60 of 160", "interrupted"],
)
def test_stopped_half_way(kill: signal.Signals, stop_at: int, count: int, tmp_path: Path) -> None:
    """The next run asks what is left, and the result is that of a run that was left alone."""
    pool = write_pool(tmp_path / "pool.jsonl", captions(count))
    with serving() as server:
        options = {"n": 10, "tries": count // 10, "editor": server.name, "parallel": 4, **LOOSE}
        path = recipe(tmp_path, pool, **options)
        process = None
        once = threading.Lock()

        def behave(caption: str, category: str, times: int) -> Reply:
            # Several are asked at once: the count may never be seen at just that number.
            reached = process is not None and len(server.asked) >= stop_at
            if reached and once.acquire(blocking=False):
                process.send_signal(kill)
            return good(caption, category, times)

        server.behave = behave
        process = start("run", path, "-w", tmp_path / "run")
        out, err = process.communicate(timeout=300)
        assert WORD not in out + err
        assert process.returncode in (-signal.SIGKILL, 130)
        asked = len(server.asked)
        assert stop_at <= asked < stop_at + 20
        assert not (tmp_path / "run" / "pools").exists()
        process = None
        said = call("run", path, "-w", tmp_path / "run")
        assert said.code == 0, said.err
        # At most the four that were under way at the kill are asked a second time.
        assert len(set(server.asked)) == count
        assert len(server.asked) <= count + 4
        assert call("run", path, "-w", tmp_path / "whole").code == 0
    pools = [
        {name: data for name, data in tree(tmp_path / folder).items() if name.startswith("pools/")}
        for folder in ("run", "whole")
    ]
    assert pools[0] == pools[1]


def test_endpoint_that_is_down_ends_with_advice(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pool.jsonl", captions(4))
    with serving() as server:
        name = server.name
    said = construct(tmp_path / "run", pool, n=2, editor=name, attempts=1)
    assert said.code == 5
    assert "is unreachable" in said.err
    assert "Traceback" not in said.err
