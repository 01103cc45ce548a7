"""The real command, and people who use its page in a real browser, by keyboard."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from handshake import cookie, signed_in
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from served import LONGEST_S, Server

__all__ = ["FOUND", "LONGEST_S", "PASSWORD", "Person", "Server", "browser"]

PASSWORD = "a long password"
FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
# A key that comes just after the page was drawn anew can be lost.
AGAIN_S = 1.0

# A page opens within seconds, but not always within five where other processes use the machine.
expect.set_options(timeout=LONGEST_S * 1_000)

if not FOUND:
    pytest.skip("no chromium or google-chrome is installed", allow_module_level=True)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """The system's browser."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=FOUND, args=sandbox)
        try:
            yield opened
        finally:
            opened.close()


class Person:
    """Somebody in a browser of their own."""

    def __init__(self, browser: Browser, server: Server, name: str, page: str | None = "") -> None:
        """Open a page, or none yet."""
        self.context: BrowserContext = browser.new_context(
            viewport={"width": 1200, "height": 900}, accept_downloads=True, ignore_https_errors=True
        )
        self.context.set_default_timeout(LONGEST_S * 1_000)
        self.page: Page = self.context.new_page()
        self.name = name
        self._server, self._address = server, server.address
        self.since = 0  # rows of the log up to this one are of no interest
        self.refused: list[str] = []  # by the rules that the server sends with each page
        self.asked: set[str] = set()  # servers
        self.page.on("console", self._noted)
        self.page.on("request", lambda one: self.asked.add("/".join(one.url.split("/")[:3])))
        if page is not None:
            self.page.goto(f"{self._address}/{page}")

    def sign_in(self, code: str | None = None) -> Person:
        if code is not None:
            self.page.get_by_label("Setup code from the terminal").fill(code)
        self.page.get_by_label("Name").fill(self.name)
        password = self.page.get_by_role("textbox", name="Password")
        password.fill(PASSWORD)
        password.press("Enter")
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()
        return self

    def come_in(self) -> Person:
        """Open the page with a new login, which sets off no form and no second page."""
        value = cookie(self._server, signed_in(self._server, self.name))
        name, _, token = value.partition("=")
        self.context.add_cookies(
            [
                {"name": name, "value": token, "domain": "localhost", "path": path}
                for path in ("/_review", "/_stcore/stream", "/media")
            ]
        )
        self.page.goto(f"{self._address}/")
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()
        return self

    def change_password(self) -> Person:
        """Change the password that a lead gave, and go on to the page asked for."""
        new = f"{PASSWORD} of my own"
        for label, text in (
            ("Current password", PASSWORD),
            ("New password", new),
            ("Repeat the new password", new),
        ):
            self.page.get_by_role("textbox", name=label, exact=True).fill(text)
        self.page.get_by_role("button", name="Change password").click()
        expect(self.heading("My password")).to_have_count(0)
        return self

    def press(self, key: str, heading: str) -> Person:
        """Press a key until a heading is there."""
        return self.until(key, lambda: self.heading(heading).is_visible())

    def until(self, key: str, there: Callable[[], bool]) -> Person:
        """Press a key until something is there; again only where the page has come to rest."""
        self.settled()
        deadline = time.monotonic() + LONGEST_S
        while time.monotonic() < deadline:
            self.page.keyboard.press(key)
            seen, since = self.words, time.monotonic()
            while time.monotonic() - since < AGAIN_S:
                if there():
                    return self
                self.page.wait_for_timeout(20)
                if self.words != seen or not self._is_settled:
                    seen, since = self.words, time.monotonic()
        raise AssertionError(f"nothing came of {key}")

    def keys(self, keys: str) -> Person:
        """Press keys on the judging page, each one once it is at rest: `s y Shift+D`."""
        for key in keys.split():
            self.rested().page.keyboard.press(key)
        return self

    def rested(self) -> Person:
        """Wait until the judging page is drawn and saved, and takes keys."""
        expect(self.saved().judging).to_have_attribute("data-ready", "true")
        expect(self.judging).to_have_attribute("data-locked", "false")
        return self

    def at(self, question: str) -> Person:
        """Wait until the judging page asks a question, and everything is saved."""
        expect(self.judging.get_by_role("heading", name=question)).to_be_visible()
        return self.saved()

    def saved(self) -> Person:
        """Wait until the server has acknowledged every action."""
        expect(self.judging).to_have_attribute("data-pending", "0")
        return self

    @property
    def judging(self) -> Any:
        """The judging page."""
        return self.page.locator(".judging")

    def settled(self) -> Person:
        """Wait until the page is drawn: before, parts of the last drawing may be there."""
        app = self.page.get_by_test_id("stApp")
        expect(app).to_have_attribute("data-test-script-state", "notRunning")
        return self

    def heading(self, text: str) -> Any:
        return self.page.get_by_role("heading", name=text)

    def go(self, page: str) -> Person:
        """Open a page by the menu."""
        self.page.get_by_test_id("stSidebar").get_by_text(page, exact=True).click()
        expect(self.heading(page).first).to_be_visible()
        return self

    @property
    def address(self) -> str:
        """Which page the address names."""
        return self.page.url.removeprefix(f"{self._address}/")

    def reload(self) -> Person:
        self.page.reload()
        expect(self.page.get_by_test_id("stSidebar")).to_be_visible()
        return self

    def _noted(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.refused.append(message.text)

    @property
    def words(self) -> str:
        main = self.page.get_by_test_id("stMain").inner_text()
        return "\n".join([main, *self.judging.all_inner_texts()])

    @property
    def _is_settled(self) -> bool:
        app = self.page.get_by_test_id("stApp")
        return app.get_attribute("data-test-script-state") == "notRunning"
