"""A data set of pictures, and its review without the page."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from served import Server

from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.people import accounts
from nsfwcaps.review.people.accounts import Role
from nsfwcaps.world.captions import caption
from nsfwcaps.world.picture import draw, jpeg
from nsfwcaps.world.scene import KeyedChoices, Scene, Thing
from nsfwcaps.world.vocabulary import PHRASINGS

PASSWORD = "a long password"
# A hazard, what stands in its place, the thing beside it, and where.
SCENES = [
    ("white cigarette", "yellow pencil", "blue cup of coffee", "table", "smoking"),
    ("orange fire", "green tree", "red house", "snow", "accident"),
    ("black pair of handcuffs", "purple key", "brown book", "room", "crime"),
    ("green graffiti", "orange bell", "yellow bus", "street", "crime"),
    ("brown whiskey", "white egg", "pink birthday cake", "table", "alcohol"),
    ("red wreck", "blue bicycle", "white cloud", "street", "accident"),
]


def picture(things: tuple[str, str], place: str) -> tuple[str, bytes]:
    words = [item.partition(" ") for item in things]
    scene = Scene(
        things=tuple(Thing(noun=noun, colour=colour) for colour, _, noun in words),
        relations=("beside",),
        place=place,
    )
    return caption(scene, PHRASINGS[0]), jpeg(draw(scene, KeyedChoices(place)))


def write_data_set(folder: Path, count: int = len(SCENES), **changed: Any) -> None:
    """Write pairs of pictures, again from the first scene on; all but the first of them changed."""
    drawn = [
        [picture((thing, beside), place) for thing in (hazard, instead)]
        for hazard, instead, beside, place, _ in SCENES[:count]
    ]
    rows = []
    for number in range(count):
        (unsafe, safe), category = drawn[number % len(SCENES)], SCENES[number % len(SCENES)][-1]
        row: dict[str, Any] = {"pair_id": f"pair-{number}", "category": category}
        row |= {"unsafe_id": f"unsafe-{number}", "safe_id": f"safe-{number}"}
        row |= {"unsafe_caption": unsafe[0], "unsafe_image": unsafe[1]}
        row |= {"safe_caption": safe[0], "safe_image": safe[1]}
        row |= {"stage": ("easy", "medium", "hard")[number % 3], "split": "train"}
        row |= {"sim_text": 0.71 + number % 6 / 50, "difficulty": number % 6 / 6}
        rows.append({**row, **(changed if number else {})})
    (folder / "dataset" / "data").mkdir(parents=True, exist_ok=True)
    path = folder / "dataset" / "data" / "train-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)


@contextlib.contextmanager
def opened(server: Server) -> Iterator[Database]:
    database = Database(server.database)
    with contextlib.closing(database):
        yield database


def added(server: Server, name: str, role: Role = Role.ANNOTATOR) -> None:
    """Add somebody without the page."""
    with opened(server) as database:
        hashed = accounts.hash_password(name, PASSWORD)
        with database.write() as connection:
            accounts.create(connection, name, hashed, role, time.time())


def rows_of_log(server: Server) -> int:
    with opened(server) as database, database.read() as connection:
        return sum(link.pair_id != "" for link in verdicts.links(connection))
