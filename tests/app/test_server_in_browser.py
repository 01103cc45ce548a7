"""A browser and the server: behind nginx, beside another review, and over a restart."""

from __future__ import annotations

import contextlib
import signal
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from chromium import LONGEST_S, PASSWORD, Person, Server, browser
from handshake import signed_in
from playwright.sync_api import Browser, Page, expect
from proxy import nginx
from served import free_port
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from support import small_review

from nsfwcaps.review.people.accounts import Role


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with contextlib.closing(served(tmp_path_factory.mktemp("shared"))) as server:
        yield server


def served(folder: Path, *options: str) -> Server:
    small_review.pair_set(folder / "dataset")
    return Server(folder, options).start()


@pytest.mark.parametrize("base", ["", "/team/review"])
def test_the_documented_nginx_serves_a_review(tmp_path: Path, chromium: Browser, base: str) -> None:
    server = served(tmp_path, *(("--base-path", base) if base else ()))
    ports = free_port(), free_port()
    server.proxy = f"https://localhost:{ports[0]}{base}"
    with contextlib.closing(server), nginx(tmp_path, server, ports, base):
        signed_in(server, "Lea", Role.LEAD)
        lea = Person(chromium, server, "Lea", "progress").sign_in()
        expect(lea.heading("Progress").first).to_be_visible()
        lea.reload()
        expect(lea.heading("Progress").first).to_be_visible()
        kept = {one["name"]: one for one in lea.context.cookies()}
        assert all(one["secure"] for one in kept.values())
        (name,) = (one for one in kept if "nsfwcaps" in one)
        assert name.startswith("__Secure-")
        assert kept[name]["httpOnly"]
        assert kept[name]["path"].startswith(f"{base}/")
        assert lea.refused == []
        assert {one for one in lea.asked if one.startswith("http")} == {
            server.proxy[: -len(base) or None]
        }
        lea.page.get_by_role("button", name="Sign out").click()
        expect(lea.heading("Pair review")).to_be_visible()
        assert [one for one in lea.context.cookies() if "nsfwcaps" in one["name"]] == []

        trust = ssl.create_default_context(cafile=tmp_path / "review.pem")
        with urllib.request.urlopen(f"{server.proxy}/_stcore/health", context=trust) as reply:
            assert reply.headers["Strict-Transport-Security"] == "max-age=31536000"
            assert reply.headers["X-Frame-Options"] == "DENY"


def test_two_reviews_on_one_host_name_keep_their_logins(tmp_path: Path, chromium: Browser) -> None:
    with contextlib.ExitStack() as running:
        servers = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            servers.append(running.enter_context(contextlib.closing(served(tmp_path / name))))
            signed_in(servers[-1], "Ann")
        ann = Person(chromium, servers[0], "Ann").sign_in()
        there = another_tab(ann, servers[1])
        for page in ("", "/progress", "/favicon.png"):  # what a page of another port gets
            sent = ann.context.cookies([f"{servers[1].address}{page}"])
            assert [one for one in sent if "nsfwcaps" in one["name"]] == []
        there.get_by_label("Name").fill("Ann")
        there.get_by_role("textbox", name="Password").fill(PASSWORD)
        there.keyboard.press("Enter")
        expect(there.get_by_role("button", name="Sign out")).to_be_visible()
        ann.reload()  # still signed in
        there.get_by_role("button", name="Sign out").click()
        expect(there.get_by_role("heading", name="Pair review")).to_be_visible()
        ann.reload()


def another_tab(person: Person, server: Server) -> Page:
    page = person.context.new_page()
    page.goto(server.address)
    return page


def test_signing_out_in_one_tab_shows_the_form_in_the_other(
    shared: Server, chromium: Browser
) -> None:
    for name in ("Ann", "Bob"):
        signed_in(shared, name)
    ann = Person(chromium, shared, "Ann").sign_in()
    other = another_tab(ann, shared)
    expect(other.get_by_role("button", name="Sign out")).to_be_visible()
    ann.page.get_by_role("button", name="Sign out").click()
    # Its login ends there too, without a click.
    form = other.get_by_role("heading", name="Pair review")
    expect(form).to_be_visible(timeout=LONGEST_S * 1_000)
    ann.name = "Bob"
    expect(ann.heading("Pair review")).to_be_visible()
    ann.sign_in()
    ann.reload()
    other.reload()
    expect(other.get_by_text("Bob (annotator)")).to_be_visible()


def test_a_new_password_gives_a_new_login_without_signing_in(
    shared: Server, chromium: Browser
) -> None:
    signed_in(shared, "Cy")
    cy = Person(chromium, shared, "Cy").sign_in().go("My password")
    before = login_of(cy)
    for label, text in (
        ("Current password", PASSWORD),
        ("New password", "another password"),
        ("Repeat the new password", "another password"),
    ):
        cy.page.get_by_label(label, exact=True).fill(text)
    cy.page.get_by_role("button", name="Change password").click()
    cy.page.wait_for_event("load")
    expect(cy.heading("My password").first).to_be_visible()
    cy.reload()
    assert login_of(cy) != before


def login_of(person: Person) -> set[str]:
    return {one["value"] for one in person.context.cookies() if "nsfwcaps" in one["name"]}


def test_a_browser_that_keeps_no_cookie_is_told_so(shared: Server, chromium: Browser) -> None:
    signed_in(shared, "Ann")
    ann = Person(chromium, shared, "Ann")
    ann.page.route("**/_review/kept", lambda route: route.fulfill(status=403))
    ann.page.get_by_label("Name").fill("Ann")
    ann.page.get_by_role("textbox", name="Password").fill(PASSWORD)
    ann.page.keyboard.press("Enter")
    expect(ann.page.get_by_text("This browser did not keep the login.")).to_be_visible()


def finished_drawings(page: Page) -> list[ForwardMsg]:
    """Return a list that will hold what servers say at the end of each drawing, from now on."""
    found: list[ForwardMsg] = []

    def hear(data: bytes | str) -> None:
        message = ForwardMsg.FromString(data if isinstance(data, bytes) else b"")
        if message.WhichOneof("type") == "script_finished":
            found.append(message)

    page.on("websocket", lambda socket: socket.on("framereceived", hear))
    return found


def until(page: Page, there: Callable[[], object]) -> None:
    """Wait until something is there, while the page goes on."""
    deadline = time.monotonic() + LONGEST_S
    while not there():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


def test_what_was_typed_survives_a_restart_of_the_server(tmp_path: Path, chromium: Browser) -> None:
    with contextlib.closing(served(tmp_path)) as server:
        signed_in(server, "Lea", Role.LEAD)
        lea = Person(chromium, server, "Lea").sign_in().go("People")
        name = lea.page.get_by_label("Name").first
        name.fill("somebody new")
        drawings = finished_drawings(lea.page)
        server.end(signal.SIGKILL)
        server.start()
        # Before Streamlit has drawn its new session, it drops clicks.
        until(lea.page, lambda: drawings)
        expect(lea.page.get_by_role("button", name="Sign out")).to_be_visible()
        expect(name).to_have_value("somebody new")
        lea.page.get_by_role("textbox", name="Initial password").fill(PASSWORD)
        lea.page.get_by_role("button", name="Add", exact=True).click()
        expect(name).to_have_value("")
        expect(lea.page.get_by_text("'somebody new' was added")).to_be_visible()
