"""The endpoint editor against a real server that misbehaves on purpose."""

from __future__ import annotations

import email.utils
import json
import time
from pathlib import Path

import pytest
from support.misbehaving_server import MODEL, Reply, edited, good, serving

from nsfwcaps.construction.editors.answers import FILE
from nsfwcaps.construction.editors.editor import Answer, EditRequest, Proposal, Refusal
from nsfwcaps.construction.editors.openai import Manners, OpenAiEditor, split_name
from nsfwcaps.enums import Category
from nsfwcaps.errors import ConfigError, ModelError

QUICK = Manners(workers=4, timeout_s=5.0, attempts=3, first_wait_s=0.01)
KEY = "sk-quillbrook-0123456789"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NSFWCAPS_API_KEY", "OPENAI_API_KEY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


def requests(count: int) -> list[EditRequest]:
    return [
        EditRequest(f"{n:032x}", f"A cup on table {n}.", Category.VIOLENCE) for n in range(count)
    ]


def edit(
    name: str, folder: Path, count: int = 1, manners: Manners = QUICK
) -> tuple[list[Answer], OpenAiEditor]:
    editor = OpenAiEditor(name, folder, manners)
    heard: list[int] = []
    answers = editor.edit(requests(count), heard.append)
    assert sum(heard) == count
    return answers, editor


def expected(count: int) -> list[Answer]:
    return [Proposal(**json.loads(edited(request.caption))) for request in requests(count)]


def test_answers_come_in_order_from_requests_at_once(tmp_path: Path) -> None:
    def behave(caption: str, category: str, times: int) -> Reply:
        return Reply(edited(caption), delay_s=0.02 * (len(caption) % 3))

    with serving(behave) as server:
        answers, editor = edit(server.name, tmp_path, 24)
        assert answers == expected(24)
        assert 1 < server.most_at_once <= 4
        assert editor.models == [MODEL]
        body = server.bodies[0]
        assert (body["model"], body["temperature"]) == (MODEL, 0)
        assert body["response_format"]["type"] == "json_schema"


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    with serving() as server:
        edit(server.name, tmp_path, 10)
        answers, editor = edit(server.name, tmp_path, 12)
        assert answers == expected(12)
        assert len(server.asked) == len(set(server.asked)) == 12
        assert editor.models == [MODEL]
        # Another model is another question.
        edit(server.name + "-b", tmp_path, 10)
        assert len(server.asked) == 22


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_asked_again_when_it_passes(status: int, tmp_path: Path) -> None:
    def behave(caption: str, category: str, times: int) -> Reply:
        return Reply(status=status) if times < 2 else good(caption, category, times)

    with serving(behave) as server:
        assert edit(server.name, tmp_path, 3)[0] == expected(3)
        assert len(server.asked) == 9


@pytest.mark.parametrize("dated", [False, True])
def test_retry_after_is_kept(dated: bool, tmp_path: Path) -> None:
    def behave(caption: str, category: str, times: int) -> Reply:
        if times:
            return good(caption, category, times)
        # A date has whole seconds.
        after = email.utils.formatdate(time.time() + 2.0, usegmt=True) if dated else "1"
        return Reply(status=429, headers={"Retry-After": after})

    with serving(behave) as server:
        assert edit(server.name, tmp_path, 1)[0] == expected(1)
        assert server.times[1] - server.times[0] >= 0.9


def test_rate_limit(tmp_path: Path) -> None:
    manners = Manners(workers=4, requests_per_minute=600, attempts=2, first_wait_s=0.01)
    with serving() as server:
        edit(server.name, tmp_path, 6, manners)
        assert max(server.times) - min(server.times) >= 0.45


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("I cannot help with that."), "not_json"),
        (Reply("Sure! Here is your caption: a cup and a handgun."), "not_json"),
        (Reply('{"caption": "A cup"'), "not_json"),
        (Reply('{"caption": "A cup"}'), "wrong_form"),
        (Reply('{"refusal": "no place for it"}'), "refused"),
        (Reply(None, refusal="I cannot"), "refused"),
        (Reply(None), "refused"),
        (Reply("{}", finish="content_filter"), "refused"),
        (Reply("word " * 300, finish="length"), "cut_short"),
        (Reply('{"caption": "A topless child", "element": "topless"}'), "excluded"),
        (Reply(status=400), "no_answer"),
        (Reply(status=500), "no_answer"),
        (Reply(body=b"<html>busy</html>"), "no_answer"),
        (Reply(body=b'{"choices": []}'), "no_answer"),
    ],
)
def test_answers_that_are_none(reply: Reply, reason: str, tmp_path: Path) -> None:
    with serving(lambda caption, category, times: reply) as server:
        assert edit(server.name, tmp_path)[0] == [Refusal(reason)]


def test_what_is_excluded_is_stored_nowhere(tmp_path: Path) -> None:
    reply = Reply('{"caption": "A topless child", "element": "topless"}')
    with serving(lambda caption, category, times: reply) as server:
        edit(server.name, tmp_path)
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"topless" not in stored
    assert b'"excluded"' in stored


def test_no_answer_is_asked_again_by_the_next_run(tmp_path: Path) -> None:
    with serving() as server:
        server.behave = lambda caption, category, times: Reply(status=500)
        assert edit(server.name, tmp_path)[0] == [Refusal("no_answer")]
        server.behave = good
        assert edit(server.name, tmp_path)[0] == expected(1)


def test_server_that_is_down(tmp_path: Path) -> None:
    with serving() as server:
        name = server.name
    with pytest.raises(ModelError, match="is unreachable"):
        edit(name, tmp_path, 8)


def test_connections_that_are_dropped(tmp_path: Path) -> None:
    def behave(caption: str, category: str, times: int) -> Reply:
        return good(caption, category, times) if times else Reply(drop=True)

    with serving(behave) as server:
        assert edit(server.name, tmp_path, 4)[0] == expected(4)


def test_slow_server_is_given_up_and_asked_again(tmp_path: Path) -> None:
    def behave(caption: str, category: str, times: int) -> Reply:
        return Reply(edited(caption), delay_s=0.0 if times else 1.0)

    manners = Manners(workers=2, timeout_s=0.4, attempts=3, first_wait_s=0.01)
    with serving(behave) as server:
        assert edit(server.name, tmp_path, 2, manners)[0] == expected(2)


def test_server_that_breaks_down_ends_the_run_and_what_it_said_is_kept(tmp_path: Path) -> None:
    with serving() as server:

        def behave(caption: str, category: str, times: int) -> Reply:
            broken = len(server.asked) > 20
            return Reply(status=500) if broken else good(caption, category, times)

        server.behave = behave
        told = "consecutive requests had no answer, the last because of HTTP 500"
        with pytest.raises(ModelError, match=told):
            edit(server.name, tmp_path, 100)
        assert len(server.asked) < 60
        kept = len((tmp_path / FILE).read_bytes().splitlines())
        assert kept == 20
        server.behave = good
        server.asked.clear()
        assert edit(server.name, tmp_path, 100)[0] == expected(100)
        assert len(server.asked) == 80


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "rejects the key.*NSFWCAPS_API_KEY, which is not set"), (403, "rejects the key")],
)
def test_key_that_is_missing(status: int, message: str, tmp_path: Path) -> None:
    reply = Reply(status=status)
    with (
        serving(lambda caption, category, times: reply) as server,
        pytest.raises(ModelError, match=message),
    ):
        edit(server.name, tmp_path, 4)
    assert len(server.asked) <= 4


def test_model_that_is_not_served(tmp_path: Path) -> None:
    with serving(lambda caption, category, times: Reply(status=404)) as server:
        with pytest.raises(ModelError, match=f"no chat completions for model '{MODEL}'"):
            edit(server.name, tmp_path)
        with pytest.raises(ModelError, match="no chat completions"):
            edit(server.name.replace("/v1", "/v2"), tmp_path)


def test_a_model_that_calls_itself_otherwise_is_told(tmp_path: Path) -> None:
    def behave(caption: str, category: str, times: int) -> Reply:
        return Reply(edited(caption), model="another-7b")

    with serving(behave) as server:
        assert edit(server.name, tmp_path, 2)[1].models == ["another-7b"]


@pytest.mark.parametrize("name", ["NSFWCAPS_API_KEY", "OPENAI_API_KEY"])
def test_key_is_sent_and_written_nowhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, KEY)
    with serving() as server:
        edit(server.name, tmp_path, 2)
        assert server.keys == {f"Bearer {KEY}"}
        server.behave = lambda caption, category, times: Reply(status=401)
        with pytest.raises(ModelError) as error:
            edit(server.name, tmp_path, 3)
    assert KEY not in str(error.value)
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_key_does_not_follow_a_redirect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSFWCAPS_API_KEY", KEY)
    with serving() as other:
        away = Reply(status=307, headers={"Location": f"{other.url}/chat/completions"})
        with (
            serving(lambda caption, category, times: away) as server,
            pytest.raises(ModelError, match="redirects"),
        ):
            edit(server.name, tmp_path)
        assert other.asked == []


@pytest.mark.parametrize(
    "name",
    [
        "openai:",
        "openai:http://localhost:8000/v1",
        "openai:#m",
        "openai:localhost:8000#m",
        "openai:ftp://localhost/v1#m",
        "openai:http://user:word@localhost/v1#m",
        "openai:http://localhost/v1?key=word#m",
    ],
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        split_name(name)
    assert "word" not in str(error.value).replace("password", "")


def test_name() -> None:
    assert split_name("openai:https://host/v1#org/model") == ("https://host/v1", "org/model")
