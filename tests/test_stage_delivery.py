"""Delivered files are copies, and what somebody made of them is never lost."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest

from nsfwcaps import stage_delivery
from nsfwcaps.artifacts import (
    RECORD,
    ShardFiles,
    StageFolder,
    StageRecord,
    StageResult,
)
from nsfwcaps.config import digest
from nsfwcaps.delivery import own_section
from nsfwcaps.files import write_atomically
from nsfwcaps.journals import JOURNAL
from nsfwcaps.stage_delivery import LEDGER, Delivery, deliver, delivered_files, remember

CARD = f"---\nlicense: other\npretty_name: Pairs\n---\n\n# Pairs\n\n{own_section.EMPTY}\n"
MINE = "\n## Notes\n\nChecked by hand: é.\n\n"


def names(path: Path) -> set[str]:
    return {str(item.relative_to(path)) for item in path.rglob("*") if item.is_file()}


def record_of(folder: Path, contents: dict[str, str], group: str = "dataset") -> StageRecord:
    """The record of a stage whose output is these files; their paths begin with its release."""
    stage = StageFolder(folder)
    stage.prepare()
    root = digest(contents)[:12]
    keyed = {(group, f"{root}/{name}"): data.encode() for name, data in contents.items()}
    shard = stage.make_shard(digest([root, group]), lambda: ShardFiles(contents=keyed))
    return stage.finish(
        stage="publish",
        fingerprint="f",
        version="0",
        settings={},
        inputs={},
        seconds=1.0,
        result=StageResult(shards=[shard]),
    )


class Place:
    """A run with a stage that delivers to `dataset`."""

    def __init__(self, run: Path) -> None:
        self.stage, self.out = run / "publish", run / "dataset"

    def deliver(self, **contents: str) -> Delivery:
        """Run the stage and deliver; `__` in a name is a slash, `_` a dot."""
        files = {name.replace("__", "/").replace("_", "."): text for name, text in contents.items()}
        record = record_of(self.stage, files)
        return deliver(record, self.out, ("data", "safe"), f"{len(files)} files")

    def again(self) -> Delivery:
        record = StageFolder(self.stage).record()
        assert record is not None
        return deliver(record, self.out, ("data", "safe"), f"{len(record.files)} files")

    def is_whole(self) -> bool:
        record = StageFolder(self.stage).record()
        assert record is not None
        return StageFolder(self.stage).damaged(record) is None

    def text(self, name: str) -> str:
        return (self.out / name).read_bytes().decode()

    def edit(self, name: str, text: str) -> None:
        """Edit in place, as an editor does: the same file with other bytes."""
        (self.out / name).write_bytes(text.encode())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_files_get_their_final_names(place: Place) -> None:
    done = place.deliver(README_md="card", data__train_parquet="rows")
    assert done == Delivery(notes=(), new=True)
    assert names(place.out) == {"README.md", "data/train.parquet"}
    assert place.text("data/train.parquet") == "rows"


def test_other_groups_are_passed_over(tmp_path: Path) -> None:
    record = record_of(tmp_path / "publish", {"a": "1"}, group="rejects")
    assert deliver(record, tmp_path / "out", ("data",), "") == Delivery(notes=(), new=False)
    root = digest({"a": "1"})[:12]
    assert names(tmp_path) == {f"publish/{root}/a", f"publish/{RECORD}", f"publish/{JOURNAL}"}


def test_twice_changes_nothing(place: Place) -> None:
    place.deliver(README_md=CARD, data__a_parquet="rows")
    paths = [place.out / "README.md", place.out / "data" / "a.parquet", place.stage / LEDGER]
    before = [(path.stat().st_mtime_ns, path.stat().st_ino) for path in paths]
    assert place.again() == Delivery(notes=(), new=False)
    assert [(path.stat().st_mtime_ns, path.stat().st_ino) for path in paths] == before
    assert names(place.out) == {"README.md", "data/a.parquet"}


def test_an_edit_of_a_delivered_file_leaves_the_stages_own(place: Place) -> None:
    place.deliver(README_md="card", data__a_parquet="rows")
    for name in ("README.md", "data/a.parquet"):
        assert (place.out / name).stat().st_nlink == 1
        place.edit(name, "mine")
    assert place.is_whole()


def test_an_edited_card_is_kept_beside_the_new_one(place: Place) -> None:
    place.deliver(README_md="card")
    place.edit("README.md", "card, and mine")
    line = "dataset/README.md was edited: kept as dataset/README.edited.md, beside the new one"
    assert place.again().notes == (line,)  # also if the stage did not run again
    assert (place.text("README.md"), place.text("README.edited.md")) == ("card", "card, and mine")
    assert place.deliver(README_md="next").notes == ()
    place.edit("README.md", "next, and mine")
    assert place.deliver(README_md="third").notes == (line.replace("edited.md", "edited-2.md"),)
    assert place.text("README.edited.md") == "card, and mine"
    assert place.text("README.edited-2.md") == "next, and mine"
    assert place.text("README.md") == "third"


def test_the_same_edit_is_kept_once(place: Place) -> None:
    place.deliver(README_md="card")
    for _ in range(2):
        place.edit("README.md", "mine")
        assert len(place.again().notes) == 1
    assert names(place.out) == {"README.md", "README.edited.md"}


def test_an_edited_parquet_file_is_kept_where_nothing_loads_it(place: Place) -> None:
    place.deliver(data__train_parquet="rows", safe__train_parquet="items")
    place.edit("data/train.parquet", "mine")
    (note,) = place.deliver(data__train_parquet="next", safe__train_parquet="items").notes
    assert note == (
        "dataset/data/train.parquet was edited: kept as "
        "dataset/kept/data/train.parquet.edited, beside the new one"
    )
    assert place.text("kept/data/train.parquet.edited") == "mine"
    assert names(place.out) == {
        "data/train.parquet",
        "safe/train.parquet",
        "kept/data/train.parquet.edited",
    }


def test_files_that_are_no_longer_made_are_removed_with_their_folders(place: Place) -> None:
    place.deliver(
        data__old_parquet="1", data__a_parquet="2", safe__a_parquet="3", figures__a_png="4"
    )
    assert place.deliver(data__a_parquet="2").notes == ()
    assert names(place.out) == {"data/a.parquet"}
    assert sorted(path.name for path in place.out.iterdir()) == ["data"]


def test_files_that_are_no_longer_made_but_edited_are_kept(place: Place) -> None:
    place.deliver(data__a_parquet="1", safe__a_parquet="2", figures__a_png="3", README_md=CARD)
    place.edit("safe/a.parquet", "mine")
    place.edit("figures/a.png", "mine too")
    place.edit(
        "README.md", CARD.replace(own_section.EMPTY, own_section.fill(own_section.EMPTY, MINE))
    )
    assert place.deliver(data__a_parquet="1").notes == (
        "dataset/README.md was edited, and no new file replaces it: kept as "
        "dataset/README.edited.md",
        "dataset/figures/a.png was edited, and no new file replaces it: kept as "
        "dataset/figures/a.edited.png",
        "dataset/safe/a.parquet was edited, and no new file replaces it: kept as "
        "dataset/kept/safe/a.parquet.edited",
    )
    assert names(place.out) == {
        "README.edited.md",
        "data/a.parquet",
        "figures/a.edited.png",
        "kept/safe/a.parquet.edited",
    }


def test_files_of_others_stay_and_those_that_load_are_named(place: Place) -> None:
    foreign = ("data/mine.parquet", "data/notes.txt", "mine.parquet", "data/x/deep.parquet")
    for name in foreign:
        write_atomically(place.out / name, b"?")
    note = (
        "dataset/data/mine.parquet is not of this run, but is loaded with its files; it was left "
        "there"
    )
    assert place.deliver(data__a_parquet="rows").notes == (note,)
    assert names(place.out) == {"data/a.parquet", *foreign}


def test_a_missing_or_damaged_file_is_mended(place: Place) -> None:
    place.deliver(data__a_parquet="rows", README_md="card")
    (place.out / "README.md").unlink()
    assert place.again().notes == ()
    assert place.text("README.md") == "card"


def test_a_folder_at_the_place_of_a_file_is_kept(place: Place) -> None:
    write_atomically(place.out / "README.md" / "mine.txt", b"mine")
    (note,) = place.deliver(README_md="card").notes
    assert note.startswith("dataset/README.md was edited: kept as dataset/README.edited.md")
    assert (place.text("README.md"), place.text("README.edited.md/mine.txt")) == ("card", "mine")


# The section of the user.


def test_the_users_section_is_carried_over(place: Place) -> None:
    place.deliver(README_md=CARD)
    place.edit("README.md", own_section.fill(CARD, MINE))
    assert place.again() == Delivery(notes=(), new=False)  # it is the user's
    assert place.text("README.md") == own_section.fill(CARD, MINE)
    done = place.deliver(README_md=CARD.replace("# Pairs", "# More pairs"))
    assert done.replaced == ("replaces dataset of an earlier run: 1 files",)
    assert done.notes == ("dataset/README.md is new; your notes at its end were carried over",)
    new = CARD.replace("# Pairs", "# More pairs")
    assert place.text("README.md") == own_section.fill(new, MINE)
    assert names(place.out) == {"README.md"}
    assert place.again() == Delivery(notes=(), new=False)
    assert place.is_whole()


def test_line_ends_of_windows_are_no_edit(place: Place) -> None:
    place.deliver(README_md=CARD)
    place.edit("README.md", own_section.fill(CARD, MINE).replace("\n", "\r\n"))
    assert place.again().notes == ()
    place.deliver(README_md=CARD.replace("Pairs", "More"))
    assert place.text("README.md") == own_section.fill(CARD.replace("Pairs", "More"), MINE)


def test_a_card_edited_within_and_outside_is_kept_and_its_section_carried_over(
    place: Place,
) -> None:
    place.deliver(README_md=CARD)
    edited = own_section.fill(CARD.replace("# Pairs", "# My pairs"), MINE)
    place.edit("README.md", edited)
    assert place.again().notes == (
        "dataset/README.md was edited: kept as dataset/README.edited.md, beside the new one; only "
        "text between the two comments at its end is carried over",
        "dataset/README.md is new; your notes at its end were carried over",
    )
    assert place.text("README.md") == own_section.fill(CARD, MINE)
    assert place.text("README.edited.md") == edited


@pytest.mark.parametrize(
    "harm",
    [
        lambda card: card.replace(own_section.START, ""),
        lambda card: card.replace(own_section.END, ""),
        lambda card: card + own_section.START,
        lambda card: card.replace(own_section.END, own_section.END * 2),
    ],
)
def test_a_card_with_damaged_comments_is_kept_whole(place: Place, harm: object) -> None:
    assert callable(harm)
    place.deliver(README_md=CARD)
    edited = harm(own_section.fill(CARD, MINE))
    place.edit("README.md", edited)
    (note,) = place.again().notes
    assert note.startswith("dataset/README.md was edited: kept as dataset/README.edited.md")
    assert (place.text("README.md"), place.text("README.edited.md")) == (CARD, edited)


def test_options_for_an_edited_head_are_named(place: Place) -> None:
    place.deliver(README_md=CARD)
    place.edit("README.md", CARD.replace("license: other", "license: cc-by-4.0"))
    assert place.again().notes == (
        "dataset/README.md was edited: kept as dataset/README.edited.md, beside the new one; "
        "--license can set what differs in its head",
    )
    place.edit("README.md", CARD.replace("other", "mit").replace("name: Pairs", "name: Mine"))
    assert "; --license and --title can set" in place.again().notes[0]


# Kills, full disks and folders of earlier versions.


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


@pytest.mark.parametrize("at", range(8))
def test_after_a_kill_no_file_of_ours_looks_edited(
    place: Place, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"README_md": CARD, "data__a_parquet": "1", "data__b_parquet": "2"}
    new = {"README_md": CARD + "\n", "data__a_parquet": "3", "data__c_parquet": "4"}
    place.deliver(**old)
    place.edit("README.md", own_section.fill(CARD, MINE))
    files = {name.replace("__", "/").replace("_", "."): text for name, text in new.items()}
    record = record_of(place.stage, files)
    steps = iter(range(20))

    def at_step(call: object) -> object:
        def counted(*args: object) -> None:
            if next(steps) == at:
                raise Killed
            assert callable(call)
            call(*args)

        return counted

    with monkeypatch.context() as patch:
        for name in ("copy", "write_atomically", "_withdraw_file"):
            patch.setattr(stage_delivery, name, at_step(getattr(stage_delivery, name)))
        with contextlib.suppress(Killed):
            deliver(record, place.out, ("data",), "new")
    done = place.again()
    assert [note for note in done.notes if "edited" in note] == []
    assert names(place.out) == {"README.md", "data/a.parquet", "data/c.parquet"}
    assert place.text("README.md") == own_section.fill(CARD + "\n", MINE)
    assert (place.text("data/a.parquet"), place.text("data/c.parquet")) == ("3", "4")


def test_a_kill_between_keeping_and_replacing_loses_no_edit(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.deliver(README_md=CARD)
    edited = own_section.fill(CARD.replace("# Pairs", "# Mine"), MINE)
    place.edit("README.md", edited)

    def kill(*args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(stage_delivery, "write_atomically", kill)
        with pytest.raises(Killed):
            place.again()
    assert len(place.again().notes) == 2
    assert place.text("README.md") == own_section.fill(CARD, MINE)
    assert names(place.out) == {"README.md", "README.edited.md"}
    assert place.text("README.edited.md") == edited


def test_a_full_disk_leaves_the_old_files_and_nothing_half_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.deliver(data__a_parquet="old")
    record = record_of(place.stage, {"data/a.parquet": "new"})
    before = names(place.out)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("nsfwcaps.delivery.copying.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            deliver(record, place.out, ("data",), "new")
    assert names(place.out) == before
    assert place.text("data/a.parquet") == "old"
    assert place.again().notes == ()
    assert place.text("data/a.parquet") == "new"


def linked(place: Place, **contents: str) -> StageRecord:
    """A delivery by an earlier version: hard links, and no list of them."""
    place.deliver(**contents)
    record = StageFolder(place.stage).record()
    assert record is not None
    (place.stage / LEDGER).unlink()
    for file in record.files:
        path = place.out.joinpath(*Path(file.path).parts[1:])
        path.unlink()
        os.link(place.stage / file.path, path)
    return record


def test_links_of_an_earlier_version_become_copies(place: Place) -> None:
    linked(place, data__a_parquet="rows", README_md="card")
    assert place.again().notes == ()
    for name in ("data/a.parquet", "README.md"):
        assert (place.out / name).stat().st_nlink == 1
        place.edit(name, "mine")
    assert place.is_whole()


def test_an_edit_through_a_link_is_kept_when_the_stage_is_rebuilt(place: Place) -> None:
    record = linked(place, data__a_parquet="rows", README_md="card")
    place.edit("README.md", "mine")
    assert not place.is_whole()
    remember(record, "1 file")
    (note,) = place.deliver(data__a_parquet="rows", README_md="card").notes
    assert note.startswith("dataset/README.md was edited: kept as dataset/README.edited.md")
    assert (place.text("README.md"), place.text("README.edited.md")) == ("card", "mine")
    assert place.is_whole()


def test_what_an_earlier_version_delivered_is_remembered_before_it_is_replaced(
    place: Place,
) -> None:
    remember(linked(place, data__a_parquet="1", data__b_parquet="2", README_md="card"), "3 files")
    assert place.deliver(data__a_parquet="3", README_md="next").notes == ()
    assert names(place.out) == {"data/a.parquet", "README.md"}


def test_delivered_files_are_listed(place: Place) -> None:
    assert delivered_files(place.stage, place.out, "data") is None
    place.deliver(data__a_parquet="1", data__b_parquet="2", README_md="card")
    (place.out / "README.md").unlink()
    paths = [place.out / "data" / name for name in ("a.parquet", "b.parquet")]
    found = delivered_files(place.stage, place.out, "data")
    assert found is not None
    assert (found.paths, found.whole) == (paths, True)
    paths[0].write_text("edited")
    found = delivered_files(place.stage, place.out, "data")
    assert found is not None
    assert (found.paths, found.whole) == (paths, False)
    paths[1].unlink()
    found = delivered_files(place.stage, place.out, "data")
    assert found is not None
    assert (found.paths, found.whole) == (paths[:1], False)


def test_a_damaged_list_keeps_what_it_cannot_judge(place: Place) -> None:
    place.deliver(README_md="card")
    (place.stage / LEDGER).write_text("{oops")
    assert place.again().notes == ()
    (place.stage / LEDGER).write_text('{"files": 7}')
    assert place.deliver(README_md="next").notes == (
        "dataset/README.md was edited: kept as dataset/README.edited.md, beside the new one",
    )


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_copies_have_the_modes_of_the_umask(place: Place, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        place.deliver(data__a_parquet="rows", README_md="card")
        for path in place.stage.rglob("*"):
            if path.is_file():
                path.chmod(0o600)
        (place.out / "README.md").unlink()
        place.again()
        found = {path.stat().st_mode & 0o777 for path in place.out.rglob("*") if path.is_file()}
    finally:
        os.umask(before)
    assert found == {mode}
