"""An image that cannot be shown is not looked at: it stays covered, is noted, and costs nothing."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from PIL import Image
from support import small_review
from support.desks import NOON, task

from nsfwcaps.errors import InputError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue import exposure
from nsfwcaps.review.queue.desk import Desk


def png(width: int = 8, height: int = 8) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "green").save(out, "PNG")
    return out.getvalue()


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(out, "JPEG")
    return out.getvalue()


def claimed() -> bytes:
    """A PNG whose head claims 60,000 by 60,000 pixels."""
    whole = bytearray(png())
    whole[16:24] = (60_000).to_bytes(4, "big") * 2
    return bytes(whole)


def sitting(database: Database, folder: Path, **cells: Any) -> Desk:
    data = folder / "data"
    data.mkdir(parents=True)
    rows = [{**row, **cells} for row in small_review.rows()]
    pq.write_table(pa.Table.from_pylist(rows), data / "train-00000-of-00001.parquet")
    pairs = ReviewPairs(folder)
    small_review.begin(database, pairs, overlap=1, gold_share=0.0)
    desk = Desk(database, pairs, "p-ann", lambda: NOON)
    desk.consent([])
    return desk


def events(database: Database) -> list[str]:
    with database.read() as connection:
        return [entry.event.value for entry in exposure.entries(connection, "p-ann")]


BROKEN = {
    "no image": b"no image",
    "empty": b"",
    "truncated PNG": png(64, 64)[:-40],
    "truncated JPEG": jpeg()[: len(jpeg()) // 2],
    "too large": claimed(),
    "a vector file": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_bytes(database: Database, tmp_path: Path, kind: str) -> None:
    desk = sitting(database, tmp_path / "set", safe_image=BROKEN[kind])
    before = task(desk.state())
    desk.uncover(before.token, "safe image")
    desk.uncover(before.token, "safe image")
    after = task(desk.state())
    assert (after.broken, after.uncovered) == ({"safe image"}, frozenset())
    assert after.left.reveals == before.left.reveals
    assert events(database) == ["image could not be shown", "consent"]
    with pytest.raises(InputError, match="look at the safe side first"):
        desk.answer(before.token, safe_is_safe="yes")


@pytest.mark.parametrize("path", ["missing.png", "../outside.png", "pipe", "link.png", "."])
def test_broken_paths(database: Database, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside.png").write_bytes(png())
    (tmp_path / "set").mkdir()
    os.mkfifo(tmp_path / "set" / "pipe")
    (tmp_path / "set" / "link.png").symlink_to(tmp_path / "outside.png")
    desk = sitting(database, tmp_path / "set", safe_image_path=path)
    token = task(desk.state()).token
    desk.uncover(token, "safe image")
    after = task(desk.state())
    assert (after.broken, after.uncovered) == ({"safe image"}, frozenset())


def test_a_severe_image_that_was_not_shown_needs_no_pause(
    database: Database, tmp_path: Path
) -> None:
    desk = sitting(database, tmp_path / "set", unsafe_image=b"no image")
    with database.write() as connection:
        connection.execute(sa.update(tables.item).values(severity=3))
    token = task(desk.state()).token
    desk.uncover(token, "unsafe image")
    desk.skip(token)
    task(desk.state())  # no rest


def test_an_image_that_is_repaired_is_shown(database: Database, tmp_path: Path) -> None:
    desk = sitting(database, tmp_path / "set", safe_image_path="a.png")
    token = task(desk.state()).token
    desk.uncover(token, "safe image")
    (tmp_path / "set" / "a.png").write_bytes(png())
    desk.uncover(token, "safe image")
    after = task(desk.state())
    assert (after.broken, after.uncovered) == (frozenset(), {"safe image"})


def test_what_the_browser_could_not_show_is_not_looked_at(
    database: Database, tmp_path: Path
) -> None:
    desk = sitting(database, tmp_path / "set", safe_image=png())
    token = task(desk.state()).token
    desk.uncover(token, "safe image")
    desk.mark_broken(token, "safe image")
    after = task(desk.state())
    assert (after.broken, after.uncovered) == ({"safe image"}, frozenset())
    with pytest.raises(InputError, match="look at the safe side first"):
        desk.answer(token, safe_is_safe="yes")
    for what in ("unsafe image", "safe text"):
        with pytest.raises(InputError, match=f"has no {what}"):
            desk.mark_broken(token, what)
    assert events(database) == ["image could not be shown", "image uncovered", "consent"]
    with database.read() as connection:
        assert connection.scalar(sa.select(tables.session.c.reveals)) == 1
