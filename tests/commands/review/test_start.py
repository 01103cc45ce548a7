"""What the command that opens the page looks at first: its database, and where it would listen."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from support import small_review
from support.shell import call

from nsfwcaps.commands.review import start as review
from nsfwcaps.review.database import Database
from nsfwcaps.review.people import logins
from nsfwcaps.review.queue import guidelines


@pytest.fixture
def run(tmp_path: Path) -> Path:
    small_review.pair_set(tmp_path / "run" / "dataset")
    return tmp_path / "run"


@pytest.fixture
def opening(run: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Command line that would open the page; the server is not started."""
    monkeypatch.setattr(review.os, "execv", lambda program, words: None)
    for name in (review.DATABASE, review.DATA):  # as the command sets them for its server
        monkeypatch.setenv(name, "")
    return ["review", "--data", str(run)]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as trial:
            trial.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_preparing_leaves_the_code_of_an_open_page_alone(run: Path) -> None:
    path = run / "review.sqlite"
    call("review", "--data", run, "--prepare")
    database = Database(str(path))
    with database.write() as connection:
        code = logins.make_setup_code(connection)
    said = call("review", "--data", run, "--prepare")
    assert (said.code, "code" in said.out) == (0, False)
    made = logins.use_setup_code(database, code, "Lea", "quince-and-medlar", time.time())
    database.close()
    assert made.name == "Lea"


@pytest.mark.parametrize(
    ("port", "told"), [(-5, "equal to 1 "), (0, "equal to 1 "), (99999, "equal to 65535 ")]
)
def test_a_port_that_is_none_is_refused(run: Path, port: int, told: str) -> None:
    said = call("review", "--data", run, "--port", port)
    assert (said.code, said.out) == (2, "")
    assert "--port" in said.err
    assert told in said.err
    assert not (run / "review.sqlite").exists()


@pytest.mark.parametrize("address", ["192.0.2.1", "no.such.host.invalid", ""])
def test_an_address_that_is_not_of_this_machine_is_refused(run: Path, address: str) -> None:
    said = call("review", "--data", run, "--address", address)
    assert (said.code, said.out) == (2, "")
    assert f"'{address}' is not an address of this machine; change --address" in said.err
    assert not (run / "review.sqlite").exists()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_an_address_of_ipv6_is_printed_in_brackets(opening: list[str]) -> None:
    said = call(*opening, "--address", "::1", "--port", 8765)
    assert said.code == 0, said.err
    assert "Open http://[::1]:8765 " in said.out


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_a_port_that_is_in_use_on_ipv6_alone_is_refused(run: Path) -> None:
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = call("review", "--data", run, "--address", "::1", "--port", port)
    assert said.code == 2
    assert "choose another with --port" in said.err


def test_a_database_without_a_name_is_refused(run: Path) -> None:
    for command in (["--data", run, "--prepare"], ["status"]):
        said = call("review", *command, "--db", "")
        assert (said.code, said.out) == (2, "")
        assert "--db is empty" in said.err
    assert not (run / "review.sqlite").exists()


def test_a_database_that_everybody_can_read_is_told_of_and_left_as_it_is(run: Path) -> None:
    path = run / "review.sqlite"
    assert call("review", "--data", run, "--prepare").err == ""
    path.chmod(0o644)
    said = call("review", "--data", run, "--prepare")
    assert (said.code, f"run 'chmod o= {path}'" in said.err) == (0, True)
    assert path.stat().st_mode & 0o777 == 0o644


def test_guidelines_are_kept_with_the_review(run: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.md"
    rules.write_text("*Never* guess.")
    for more in (["--guidelines", rules], []):  # a later start keeps them
        assert call("review", "--data", run, "--prepare", *more).code == 0
        database = Database(str(run / "review.sqlite"))
        with database.read() as connection:
            found = guidelines.of(connection)
        database.close()
        assert found is not None
        assert found.html == "<p><em>Never</em> guess.</p>\n"
    rules.write_text("")
    said = call("review", "--data", run, "--prepare", "--guidelines", rules)
    assert "guidelines removed\n" in said.out


def test_guidelines_that_cannot_be_read_begin_nothing(run: Path, tmp_path: Path) -> None:
    said = call("review", "--data", run, "--prepare", "--guidelines", tmp_path / "none.md")
    assert said.code == 3
    assert "no such file; name a Markdown file with --guidelines" in said.err
    assert not (run / "review.sqlite").exists()
