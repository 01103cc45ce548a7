"""What a browser does for the page, without one: it keeps a login, and its tabs run the script."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from PIL import Image
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
from support import small_review

from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.pairs import Pair, ReviewPairs
from nsfwcaps.review.people import accounts
from nsfwcaps.review.people.accounts import Role
from nsfwcaps.review.queue import queue
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.opening import open_review
from review_access import tickets

ADDRESSES = {
    "Judge": "judge",
    "My verdicts": "verdicts",
    "My record": "record",
    "My keys": "keys",
    "My password": "password",
    "Progress": "progress",
    "Disputes": "disputes",
    "Comments": "comments",
    "People": "people",
    "Export": "export",
}
"""Pages by title, and the last part of their address."""

SCRIPT = Path(__file__).parents[2] / "app" / "review.py"
PASSWORD = "a long password"
LOGIN, JUDGING = "nsfwcaps_login", "nsfwcaps_judging"
PEOPLE = {"Ann": Role.ANNOTATOR, "Bob": Role.ANNOTATOR, "Lea": Role.LEAD, "Leo": Role.LEAD}

TOKEN_HEADER = "X-Nsfwcaps-Token"

sending: dict[str, str] = {}
"""Headers with which the tab that runs has connected."""


@dataclass
class Browser:
    """The login that its cookie holds."""

    token: str | None = None

    def open(self, page: str | None = None) -> Tab:
        """Open a tab, or reload one: nothing but cookies and the address goes with it."""
        tab = Tab(self, AppTest.from_file(SCRIPT, default_timeout=30))
        return tab.choose(page) if page else tab.run()


@dataclass
class Tab:
    """An open page."""

    browser: Browser
    app: AppTest
    brought: str | None = None
    client: str = field(default_factory=lambda: secrets.token_hex(8))
    epoch: int = 0
    acted: int = 0
    outbox: list[dict[str, Any]] = field(default_factory=list)
    again: bool = False

    def __post_init__(self) -> None:
        self.brought = self.browser.token

    def run(self) -> Tab:
        self._prepare()
        self.app.run()
        return self._after()

    def _prepare(self) -> None:
        sending.clear()
        if self.brought:
            sending[TOKEN_HEADER] = self.brought

    def _after(self) -> Tab:
        self.app._page_hash = ""  # from here on the page that was shown, as a browser does
        assert not self.app.exception, self.app.exception[0].stack_trace
        for element in self.app.main:
            if element.type == "bidi_component" and element.proto.component_name == LOGIN:
                return self._cookie(json.loads(element.proto.json))
        return self

    def _cookie(self, asked: dict[str, Any]) -> Tab:
        """Do what the script for the login's cookie does, with the server."""
        if asked["task"] == "sign-in":
            self.browser.token = tickets.redeem(asked["ticket"], time.time())
        else:
            self.browser.token = None
        if asked["stays"]:
            return self
        page = self.app._finished_page_script_hash
        self.app = AppTest.from_file(SCRIPT, default_timeout=30)
        self.app._page_hash, self.brought = page, self.browser.token
        return self.run()

    def press(self, label: str, at: int = 0) -> Tab:
        """Press the button of a label: the first one, or another."""
        self.buttons_of(label)[at].click()
        return self.run()

    def go(self, *labels: str) -> Tab:
        """Press one button after another."""
        for label in labels:
            self.press(label)
        return self

    @property
    def judging(self) -> dict[str, Any]:
        """What the component of the judging page is sent; empty where it is not on the page."""
        for element in self.app.main:
            if element.type == "bidi_component" and element.proto.component_name == JUDGING:
                return dict(json.loads(element.proto.json))
        return {}

    def send(self, *actions: dict[str, Any], token: str | None = None) -> Tab:
        """Send actions on the open pair, or on that of a token, as the component does."""
        token = token or self.judging["task"]["token"]
        for action in actions:
            self.acted += 1
            self.outbox.append({"n": self.acted, "token": token, **action})
        return self.post()

    def post(self) -> Tab:
        """Send every action that was not acknowledged."""
        (element,) = [
            one
            for one in self.app.main
            if one.type == "bidi_component" and one.proto.component_name == JUDGING
        ]
        message: dict[str, Any] = {
            "client": self.client,
            "epoch": self.epoch,
            "actions": self.outbox,
            "have": [],
        }
        message["again"] = self.again
        states = self.app._tree.get_widget_states()
        states.widgets.add(id=element.proto.id, json_value=json.dumps({"outbox": message}))
        self._prepare()
        self.app._run(states)
        self._after()
        answer = self.judging
        acked = answer.get("acked", self.acted) if answer.get("client") == self.client else 0
        self.outbox = [action for action in self.outbox if action["n"] > acked]
        return self

    def look(self, *items: str) -> Tab:
        """Uncover texts and images."""
        return self.send(*({"do": "uncover", "what": what} for what in items))

    def answer(self, **values: Any) -> Tab:
        """Answer questions, and look at what they are about before."""
        self.look("safe text", "unsafe text")
        return self.send({"do": "answer", "values": values})

    def decide(self, choice: str, **values: Any) -> Tab:
        """Decide on the open pair, with the answers that it has."""
        return self.send({"do": "decide", "choice": choice, "values": values})

    def reject(self) -> Tab:
        """Look at the safe side, say that it is not safe, and reject the pair."""
        return self.look("safe text").decide("reject", safe_is_safe="no")

    def fill(self, **values: str) -> Tab:
        """Write into fields, by key or the beginning of it; the next button sends that."""
        for name, value in values.items():
            key = name.replace("_", "-")
            fields = [*self.app.text_input, *self.app.text_area]
            found = [one for one in fields if one.key.startswith(key)]
            assert len(found) == 1, f"{len(found)} fields begin with {key}"
            found[0].set_value(value)
        return self

    def choose(self, page: str) -> Tab:
        """Open a page by its address: `AppTest.switch_page` knows pages that are files only."""
        self.app._page_hash = calc_hash(ADDRESSES[page])
        return self.run()

    def buttons_of(self, label: str) -> list[Any]:
        return [button for button in self.app.button if button.label == label]

    @property
    def labels(self) -> list[str]:
        """What the buttons of the page say, but for that which signs out."""
        return [button.label for button in self.app.button if button.key != "sign-out"]

    @property
    def heading(self) -> str:
        """The last heading: what is asked now."""
        return str([*self.app.header, *self.app.subheader][-1].value)

    @property
    def texts(self) -> list[str]:
        """What stands there as plain text."""
        return [element.value for element in self.app.text]

    @property
    def said(self) -> list[str]:
        """Messages, without the marks that keep them from being read as Markdown."""
        found = [*self.app.info, *self.app.success, *self.app.warning, *self.app.error]
        return [element.value.replace("\\", "").replace("\u2060", "") for element in found]

    @property
    def pages(self) -> list[str]:
        """Titles of the pages that can be opened."""
        return [found["page_name"] for found in self.app._registered_pages.values()]

    @property
    def page(self) -> str:
        """Title of the page that is shown."""
        return str(self.app._registered_pages[self.app._finished_page_script_hash]["page_name"])

    @property
    def tabs(self) -> list[str]:
        return [tab.label for tab in self.app.tabs]

    @property
    def sent(self) -> bytes:
        """Everything that the server sends for this page."""
        return b"\n".join(proto.SerializeToString() for proto in self._protos())

    @property
    def images(self) -> int:
        return sum(proto.DESCRIPTOR.name == "ImageList" for proto in self._protos())

    @property
    def scrolling(self) -> int:
        """How many boxes have a height of their own."""
        boxes = [proto for proto in self._protos() if proto.DESCRIPTOR.name == "Block"]
        return sum(box.height_config.pixel_height > 0 for box in boxes)

    def _protos(self) -> list[Any]:
        found = (getattr(node, "proto", None) for node in self.app._tree)
        return [proto for proto in found if proto is not None]


@dataclass
class Review:
    """A review that is open, in a folder."""

    folder: Path

    @functools.cached_property
    def database(self) -> Database:
        return Database(str(self.folder / "review.sqlite"), create=True)

    @functools.cached_property
    def pairs(self) -> ReviewPairs:
        return ReviewPairs(self.folder / "dataset")

    def begin(
        self, rows: Sequence[dict[str, Any]] | None = None, people: bool = True, **policy: Any
    ) -> Review:
        """Write a data set, begin its review without known answers, and let the page find it."""
        data = self.folder / "dataset" / "data"
        data.mkdir(parents=True)
        table = pa.Table.from_pylist(list(rows or small_review.rows()))
        pq.write_table(table, data / "train-00000-of-00001.parquet")
        open_review(self.database, self.pairs, {"gold_share": 0.0, **policy})
        os.environ["NSFWCAPS_REVIEW_DB"] = self.database.name
        os.environ["NSFWCAPS_REVIEW_DATA"] = str(self.folder / "dataset")
        with self.database.write() as connection:
            for name, role in PEOPLE.items() if people else ():
                accounts.create(connection, name, _hash(), role, time.time())
        return self

    def browser(self, name: str) -> Browser:
        """Return a browser in which somebody is signed in."""
        token, now = secrets.token_urlsafe(32), time.time()
        with self.database.write() as connection:
            row = {
                "token_hash": hashlib.sha256(token.encode()).hexdigest(),
                "account_id": accounts.find(connection, name).account_id,
                "created": now,
                "last_seen": now,
            }
            connection.execute(sa.insert(tables.login).values(row))
        return Browser(token)

    def desk(self, name: str) -> Desk:
        """The desk of somebody, without a page."""
        return Desk(self.database, self.pairs, self.id_of(name))

    def id_of(self, name: str) -> str:
        with self.database.read() as connection:
            return accounts.find(connection, name).account_id

    def before(self, name: str) -> Pair:
        """The pair that somebody has before them."""
        with self.database.read() as connection:
            held = queue.holding(connection, accounts.find(connection, name).account_id)
        assert held is not None
        return self.pairs.pair(held.pair_id)

    def log(self, kind: str = "judge") -> list[dict[str, Any]]:
        """Rows of the log of one kind, what was said among them."""
        table = tables.verdict
        query = sa.select(table).where(table.c.kind == kind).order_by(table.c.seq)
        with self.database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [{**row, **json.loads(row["body"])} for row in rows]


def with_images(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add a plain picture on each side."""
    return [{**row, "unsafe_image": _png("brown"), "safe_image": _png("green")} for row in rows]


def _png(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (48, 32), colour).save(out, "PNG")
    return out.getvalue()


@functools.cache
def _hash() -> accounts.PasswordHash:
    return accounts.hash_password("anybody", PASSWORD)
