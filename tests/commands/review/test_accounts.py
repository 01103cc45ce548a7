"""`nsfwcaps review account`: people added, changed and listed from the command line."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from support.shell import Said

from nsfwcaps.cli import guard
from nsfwcaps.commands.review.accounts import app
from nsfwcaps.review.database import Database
from nsfwcaps.review.people import accounts, logins

SECRET = "correct-horse-battery"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64))


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A database in which nothing is yet."""
    path = tmp_path / "review.sqlite"
    Database(str(path), create=True).close()
    return path


@pytest.fixture
def led(db: Path) -> Path:
    """One with a lead."""
    assert account("add", "Anna", "--role", "lead", "--db", db, typed=SECRET).code == 0
    return db


def account(*arguments: object, typed: str | bytes = "") -> Said:
    """Run the sub-command; what is typed is one password, given by the standard input."""
    content = typed.encode() + b"\n" if isinstance(typed, str) else typed
    words = [str(item) for item in arguments]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        if typed:
            words.append("--password-stdin")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = guard(lambda: app(words, prog_name="account"))
    said = Said(code, out.getvalue(), err.getvalue())
    assert SECRET not in said.out + said.err
    return said


def signs_in(db: Path, name: str, password: str) -> bool:
    with contextlib.closing(Database(str(db))) as database:
        try:
            return bool(logins.sign_in(database, name, password, 0.0))
        except logins.LoginRefused:
            return False


def test_people_are_added_and_listed(led: Path) -> None:
    said = account("add", "berta", "--db", led, typed=SECRET)
    assert said.code == 0
    assert re.fullmatch(r"p-[0-9a-f]{10}: berta, annotator\n", said.out)
    rows = account("list", "--db", led, "--json").json["accounts"]
    assert [(row["name"], row["role"], row["disabled"]) for row in rows] == [
        ("Anna", "lead", False),
        ("berta", "annotator", False),
    ]
    assert {frozenset(row) for row in rows} == {
        frozenset({"account_id", "name", "role", "disabled", "must_change", "subject"})
    }
    lines = account("list", "--db", led).out.splitlines()
    assert [line.split()[1:] for line in lines] == [["lead", "Anna"], ["annotator", "berta"]]
    assert signs_in(led, "berta", SECRET)


def test_the_database_may_stand_in_the_environment(
    led: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert account("list").code == 2
    monkeypatch.setenv("NSFWCAPS_REVIEW_DB", str(led))
    assert "Anna" in account("list").out


def test_an_address_in_the_environment_is_not_shown_by_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NSFWCAPS_REVIEW_DB", f"postgresql://me:{SECRET}@localhost/x")
    said = account("list", "--help")
    assert (said.code, "--db" in said.out) == (0, True)


def test_the_first_account_leads(db: Path) -> None:
    said = account("add", "berta", "--db", db, typed=SECRET)
    assert (said.code, said.out) == (2, "")
    assert "--role lead" in said.err


@pytest.mark.parametrize(
    ("name", "typed", "code", "why"),
    [
        ("berta", "short", 3, "at least 10 characters"),
        ("berta", "x" * 2_000, 3, "at most 1,024 characters"),
        ("berta", b"\xff" * 12, 3, "not UTF-8"),
        ("ANNA", SECRET, 3, "'ANNA' is taken"),
        ("  ", SECRET, 3, "1 to 64 characters"),
    ],
)
def test_what_cannot_be_added(
    led: Path, name: str, typed: str | bytes, code: int, why: str
) -> None:
    said = account("add", name, "--db", led, typed=typed)
    assert (said.code, said.out) == (code, "")
    assert why in said.err
    assert said.err.count("\n") == 1


def test_only_the_first_line_is_the_password(led: Path) -> None:
    typed = f"{SECRET}\r\nand more\n".encode()
    assert account("add", "berta", "--db", led, typed=typed).code == 0
    assert signs_in(led, "berta", SECRET)


def test_a_password_is_asked_for_twice_and_not_shown(
    led: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([SECRET, "another one", SECRET, SECRET])
    asked = []

    def hidden(prompt: str) -> str:
        asked.append(prompt)
        return next(answers)

    monkeypatch.setattr("getpass.getpass", hidden)
    monkeypatch.setattr("typer._click.termui.hidden_prompt_func", hidden, raising=False)
    monkeypatch.setattr("click.termui.hidden_prompt_func", hidden, raising=False)
    said = account("add", "berta", "--db", led)
    assert said.code == 0
    assert len(asked) == 4
    assert signs_in(led, "berta", SECRET)


def test_without_a_terminal_no_password_is_asked_for(
    led: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.open", no_terminal)
    said = account("add", "berta", "--db", led)
    assert said.code == 2
    assert "--password-stdin" in said.err


def no_terminal(*_: object) -> int:
    raise OSError("no /dev/tty")


def test_a_password_is_changed(led: Path) -> None:
    assert account("password", "anna", "--db", led, typed="another-battery").code == 0
    assert signs_in(led, "anna", "another-battery")
    assert not signs_in(led, "anna", SECRET)


def test_people_are_shut_out_and_let_in(led: Path) -> None:
    account("add", "berta", "--db", led, typed=SECRET)
    assert account("disable", "berta", "--db", led).out == "berta is disabled\n"
    assert "berta  disabled" in account("list", "--db", led).out
    assert not signs_in(led, "berta", SECRET)
    assert account("enable", "BERTA", "--db", led).out == "berta is enabled\n"
    assert signs_in(led, "berta", SECRET)


def test_roles_change_but_for_the_last_lead(led: Path) -> None:
    said = account("role", "anna", "annotator", "--db", led)
    assert (said.code, said.out) == (11, "")
    assert "'Anna' is the last lead" in said.err
    assert account("disable", "anna", "--db", led).code == 11
    account("add", "berta", "--db", led, typed=SECRET)
    assert account("role", "berta", "lead", "--db", led).out == "berta is now lead\n"
    assert account("role", "anna", "annotator", "--db", led).code == 0


def test_a_role_that_is_none(led: Path) -> None:
    said = account("role", "anna", "owner", "--db", led)
    assert said.code == 2
    assert "must be annotator or lead, got 'owner'" in said.err


@pytest.mark.parametrize("command", ["password", "disable", "enable"])
def test_nobody_of_that_name(led: Path, command: str) -> None:
    said = account(command, "carl", "--db", led)
    assert (said.code, said.out) == (3, "")
    assert "unknown name 'carl'" in said.err


def test_no_review_there(tmp_path: Path) -> None:
    said = account("list", "--db", tmp_path / "none.sqlite")
    assert said.code == 11
    assert "no review found" in said.err
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_option_for_a_password() -> None:
    for command in ("add", "password"):
        said = account(command, "--help")
        options = set(re.findall(r"--[a-z-]*password[a-z-]*", said.out))
        assert options == {"--password-stdin"}
    assert json.dumps(SECRET) not in account("--help").out
