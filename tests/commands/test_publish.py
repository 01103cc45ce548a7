"""`publish --push`: to a Hub on this machine, with huggingface_hub itself."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hub_server import Hub, Stored, serve
from support.shell import Said, call, start, write_pools

NAME = "lab/pairs"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with a data set of several shards."""
    folder = tmp_path_factory.mktemp("made")
    pools = write_pools(folder / "pools")
    options = ["--license", "cc-by-4.0", "--shard-rows", "8"]
    assert call("build", "--out", folder / "run", *pools.options, *options).code == 0
    return folder / "run"


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    from huggingface_hub import constants

    with serve() as found:
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setenv("HF_TOKEN", "hf_writer")
        yield found


def push(run: Path, *more: str, name: str = NAME) -> Said:
    return call("publish", "--workdir", run, "--push", name, *more)


def files(run: Path) -> dict[str, bytes]:
    folder = run / "dataset"
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def refused(said: Said, code: int) -> str:
    assert (said.code, said.out) == (code, ""), (said.out, said.err)
    lines = said.err.strip().splitlines()
    assert len(lines) == 1, said.err
    return lines[0]


def test_what_arrives_is_the_data_set_private_and_gated(run: Path, hub: Hub) -> None:
    said = push(run, "--json")
    assert (said.code, said.err) == (0, "")
    assert hub.data(NAME) == files(run)
    repo = hub.repos[NAME]
    assert (repo.private, repo.gated, len(repo.commits)) == (True, "manual", 1)
    done = said.json["push"]
    assert done["sent_files"] == done["files"] == len(files(run))
    assert done["sent_bytes"] == done["bytes"] == sum(map(len, files(run).values()))
    assert (done["url"], done["commit"]) == (f"{hub.url}/datasets/{NAME}", repo.head)


def test_the_gate_is_closed_before_the_first_byte_is_sent(run: Path, hub: Hub) -> None:
    push(run)
    first = next(at for at, each in enumerate(hub.asked) if "preupload" in each)
    assert f"PUT /api/datasets/{NAME}/settings" in hub.asked[:first]


def test_public_is_seen_by_all_without_a_gate(run: Path, hub: Hub) -> None:
    said = push(run, "--public")
    assert (hub.repos[NAME].private, hub.repos[NAME].gated) == (False, False)
    assert "public, not gated" in said.out


def test_a_private_one_becomes_public_and_keeps_its_gate(run: Path, hub: Hub) -> None:
    push(run)
    said = push(run, "--public")
    assert (hub.repos[NAME].private, hub.repos[NAME].gated) == (False, "manual")
    assert "all there already; public, you decide on each request" in said.out


def test_a_private_one_without_gate_gets_one(run: Path, hub: Hub) -> None:
    hub.repos[NAME] = Stored(private=True)
    assert push(run).code == 0
    assert hub.repos[NAME].gated == "manual"


def test_a_public_one_needs_the_word_and_gets_nothing_without(run: Path, hub: Hub) -> None:
    push(run, "--public")
    before = hub.data(NAME)
    assert "add --public" in refused_push(push(run, "--title", "Other"), 2)
    assert hub.data(NAME) == before


def refused_push(said: Said, code: int) -> str:
    """Return the error of a push that failed after the stage had run and said so."""
    assert said.code == code, said.err
    (line,) = said.err.strip().splitlines()
    return line


def test_again_sends_nothing_and_commits_nothing(run: Path, hub: Hub) -> None:
    push(run)
    sent = len(hub.puts)
    said = push(run)
    assert "all there already" in said.out
    assert (len(hub.puts), len(hub.repos[NAME].commits)) == (sent, 1)


def test_another_title_sends_the_card_and_keeps_the_pairs(run: Path, hub: Hub) -> None:
    push(run)
    options = ("--license", "cc-by-4.0", "--shard-rows", "8", "--title", "Other")
    done = push(run, *options, "--json").json["push"]
    changed = {line["value"]["path"] for line in hub.repos[NAME].commits[1]}
    assert {"README.md", "manifest.json"} <= changed
    assert not any(path.endswith(".parquet") for path in changed)
    assert done["sent_files"] == len(changed)
    assert hub.data(NAME) == files(run)


def test_files_of_fewer_shards_replace_those_of_more(run: Path, hub: Hub) -> None:
    push(run)
    hub.repos[NAME].files["notes/mine.txt"] = b"by hand"
    many = {name for name in files(run) if name.endswith(".parquet")}
    done = push(run, "--license", "cc-by-4.0", "--json").json["push"]
    few = {name for name in files(run) if name.endswith(".parquet")}
    assert set(done["removed"]) == many - few
    assert many - few
    assert hub.data(NAME) == {**files(run), "notes/mine.txt": b"by hand"}


def test_only_what_belongs_to_the_data_set_is_sent(run: Path, hub: Hub) -> None:
    before = files(run)
    folder = run / "dataset"
    (folder / "README.md").write_text((folder / "README.md").read_text().replace("#", "##", 1))
    for name in (".secret", "data/.part-train.parquet", ".cache/x.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    shutil.copy(next((folder / "data").glob("test*")), folder / "data" / "extra.parquet")
    (folder / "link.txt").symlink_to("/etc/hostname")
    (folder / "elsewhere").symlink_to("/etc", target_is_directory=True)
    said = push(run, "--json")
    assert hub.data(NAME) == before
    assert said.json["push"]["left_out"] == [
        ".cache/x.json",
        ".secret",
        "README.edited.md",
        "data/.part-train.parquet",
        "data/extra.parquet",
        "elsewhere",
        "link.txt",
    ]


def test_dry_run_lists_files_and_bytes_and_asks_nothing(
    run: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    said = push(run, "--dry-run")
    assert said.code == 0
    assert "private and gated" in said.out
    for name, data in files(run).items():
        assert any(line.split() == [name, f"{len(data):,}"] for line in said.out.splitlines()), name
    planned = push(run, "--dry-run", "--public", "--json").json["push"]
    assert planned["files"] == {name: len(data) for name, data in files(run).items()}
    assert planned["public"] is True
    assert hub.asked == []


def test_dry_run_before_there_is_a_data_set(made: Path, tmp_path: Path, hub: Hub) -> None:
    run = tmp_path / "run"
    shutil.copytree(made, run, ignore=shutil.ignore_patterns("publish", "dataset"))
    assert "no data set is there yet" in push(run, "--dry-run").out
    assert push(run).code == 0
    assert hub.data(NAME) == files(run)


def test_a_killed_push_sends_only_the_rest_and_shows_no_half(run: Path, hub: Hub) -> None:
    hub.hold_after = 2
    environment = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        process = start("publish", "--workdir", run, "--push", NAME)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    assert hub.holding.wait(60)
    while len(hub.objects) < 2:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert hub.data(NAME) == {}
    hub.hold_after, arrived = None, set(hub.objects)
    hub.puts.clear()
    assert push(run).code == 0
    assert len(arrived) >= 2
    assert not arrived & set(hub.puts)
    assert hub.data(NAME) == files(run)
    assert (hub.repos[NAME].private, hub.repos[NAME].gated) == (True, "manual")


@pytest.mark.parametrize("name", ["pairs", "lab/", "/pairs", "a/b/c", "lab/a b", "lab/a..b"])
def test_a_name_that_is_none(run: Path, hub: Hub, name: str) -> None:
    line = refused(push(run, name=name), 2)
    assert line.startswith("error: --push")
    assert hub.asked == []


def test_no_token(run: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert "set HF_TOKEN, or run 'hf auth login'" in refused(push(run), 2)
    assert hub.asked == []


def test_the_token_of_a_login_is_enough(
    run: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "token").write_text("hf_writer\n")
    assert push(run).code == 0


@pytest.mark.parametrize(
    ("token", "name", "said"),
    [
        ("hf_wrong", NAME, "answered 401"),
        ("hf_reader", NAME, "may only read"),
        ("hf_writer", "other/pairs", "not a member of 'other'; use ann/pairs"),
        ("hf_fine", "other/pairs", "answered 403"),
    ],
)
def test_no_rights(
    run: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, token: str, name: str, said: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    found = push(run, name=name)
    line = refused_push(found, 7)
    assert said in line
    assert token not in found.out + found.err
    assert hub.repos == {}


def test_a_name_that_is_taken(run: Path, hub: Hub) -> None:
    hub.repos[NAME] = Stored(private=True, files={"README.md": b"x", "theirs.csv": b"a"})
    line = refused_push(push(run), 7)
    assert "lab/pairs is taken: it holds files that nsfwcaps did not publish, such as" in line
    assert hub.data(NAME) == {"README.md": b"x", "theirs.csv": b"a"}


@pytest.mark.parametrize(
    ("part", "status", "said"),
    [
        ("commit/main", 500, "its server failed; run the same command again"),
        ("commit/main", 402, "the storage of its owner is used up"),
        ("repos/create", 409, "the name is taken"),
        ("settings", 403, "the token may not write there"),
        ("preupload", 413, "a limit of the Hub is exceeded"),
        ("commit/main", 412, "it was changed meanwhile"),
        ("whoami", 429, "it was asked too often"),
    ],
)
def test_what_the_hub_refuses_is_one_line(
    run: Path, hub: Hub, part: str, status: int, said: str
) -> None:
    hub.fail[part] = (status, "no")
    line = refused_push(push(run), 7)
    assert said in line
    assert f"answered {status}" in line
    hub.fail.clear()
    assert push(run).code == 0
    assert hub.data(NAME) == files(run)


def test_a_server_that_is_down(run: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "127.0.0.1:9 does not answer; check the network" in refused(push(run), 7)


def test_no_network_allowed(run: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE forbids the network; unset it" in refused(push(run), 2)


def test_a_head_of_the_card_that_the_hub_refuses(run: Path, hub: Hub) -> None:
    line = refused_push(push(run, "--license", "no-such"), 3)
    assert 'refuses its head: "license" must be one of a list; publish with other' in line
    assert hub.repos == {}


def test_a_licence_is_needed(run: Path, hub: Hub) -> None:
    said = push(run, "--license", "")
    assert "its head has no 'license'" in refused_push(said, 3)
    assert hub.repos == {}


def test_public_alone_says_nothing(run: Path) -> None:
    assert "add --push ORG/NAME" in refused(call("publish", "--workdir", run, "--public"), 2)
