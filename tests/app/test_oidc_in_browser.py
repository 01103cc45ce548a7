"""People sign in at a real OIDC provider, and only those whom a lead has linked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("authlib", reason="authlib is not installed")
pytest.importorskip("oidc_provider_mock", reason="oidc-provider-mock is not installed")

from chromium import LONGEST_S, Person, browser
from handshake import ask
from oidc_provider_mock import run_server_in_thread
from playwright.sync_api import expect
from served import Server, free_port
from test_review_in_browser import added, logins_kept, opened, write_data_set

from nsfwcaps.review.people import accounts, identities
from nsfwcaps.review.people.accounts import Role

AT_PROVIDER = "Sign in with the identity provider"


@pytest.fixture
def issuer() -> Iterator[str]:
    with run_server_in_thread() as provider:
        yield f"http://localhost:{provider.server_port}"


@pytest.fixture
def server(tmp_path: Path, issuer: str) -> Iterator[Server]:
    with contextlib.closing(served(tmp_path, issuer)) as made:
        yield made


def served(folder: Path, issuer: str) -> Server:
    """A review at which people can sign in at a provider."""
    write_data_set(folder, 2)
    port, path = free_port(), folder / "oidc.toml"
    path.write_text(
        f"""[auth]
redirect_uri = "http://localhost:{port}/oauth2callback"
cookie_secret = "{"0123456789abcdef" * 4}"
client_id = "review"
client_secret = "hush"
server_metadata_url = "{issuer}/.well-known/openid-configuration"
"""
    )
    path.chmod(0o600)
    return Server(folder, ("--oidc", str(path)), port).start()


def at_provider(person: Person, subject: str) -> Person:
    """Go to the provider, and say there who one is."""
    person.page.get_by_role("button", name=AT_PROVIDER).click()
    person.page.get_by_placeholder("sub").fill(subject)
    person.page.get_by_role("button", name="Authorize").click()
    return person


def left_provider(person: Person) -> Person:
    """Confirm at the provider that one signs out there."""
    person.page.wait_for_url("**/oauth2/end_session**")
    person.page.get_by_role("button").first.click()
    expect(person.page.get_by_role("button", name=AT_PROVIDER)).to_be_visible()
    return person


def test_only_linked_identities_enter_and_signing_out_ends_it(server: Server, issuer: str) -> None:
    added(server, "Lea", Role.LEAD)
    with opened(server) as database, browser() as chromium:
        identities.add(database, "Ann", f"{issuer} 00-ann", Role.ANNOTATOR, 0.0)
        ann = at_provider(Person(chromium, server, "Ann"), "00-eve")
        expect(ann.page.get_by_text("you are not in this review")).to_be_visible()
        expect(ann.page.get_by_test_id("stCode")).to_have_text(f"{issuer} 00-eve")
        expect(ann.page.get_by_test_id("stSidebar")).to_have_count(0)
        with database.read() as connection:
            assert [one.name for one in accounts.everyone(connection)] == ["Ann", "Lea"]
        ann.page.get_by_role("button", name="Sign out at the provider").click()
        left_provider(ann)

        at_provider(ann, "00-ann")
        expect(ann.heading("Before you begin")).to_be_visible()
        expect(ann.page.get_by_test_id("stSidebar")).to_contain_text("Ann (annotator)")
        ann.reload()
        expect(ann.heading("Before you begin")).to_be_visible()

        other = ann.context.new_page()
        other.goto(f"http://localhost:{server.port}")
        expect(other.get_by_role("button", name="Sign out")).to_be_visible()
        ann.page.get_by_role("button", name="Sign out").click()
        left_provider(ann)
        deadline = time.monotonic() + LONGEST_S
        while logins_kept(ann) and time.monotonic() < deadline:
            ann.page.wait_for_timeout(50)
        assert logins_kept(ann) == []
        # The other tab knew the identity: it does not sign in by itself.
        other.get_by_text("My record").click()
        expect(other.get_by_role("button", name=AT_PROVIDER)).to_be_visible()
        expect(other.get_by_role("button", name="Sign out")).to_have_count(0)

        Person(chromium, server, "Lea").sign_in()  # passwords are as good as before
    assert "hush" not in server.said
    assert "00-eve" not in server.said


def test_a_provider_that_refuses_or_is_down_is_said_on_the_form(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(run_server_in_thread())
        issuer = f"http://localhost:{provider.server_port}"
        server = stack.enter_context(contextlib.closing(served(tmp_path, issuer)))
        chromium = stack.enter_context(browser())
        added(server, "Ann", Role.ANNOTATOR)
        ann = Person(chromium, server, "Ann")
        ann.page.get_by_role("button", name=AT_PROVIDER).click()
        ann.page.get_by_placeholder("sub").fill("00-ann")
        ann.page.get_by_role("button", name="Deny").click()
        expect(ann.page.get_by_text("did not succeed")).to_be_visible()
        assert "OIDC" not in server.said  # she meant to

        ann.page.goto(f"{server.address}/oauth2callback?code=old&state=old")
        expect(ann.page.get_by_text("did not succeed")).to_be_visible()
        ann.page.goto(f"{server.address}/oauth2callback")  # after signing out there
        expect(ann.page.get_by_role("button", name=AT_PROVIDER)).to_be_visible()
        expect(ann.page.get_by_text("did not succeed")).to_have_count(0)

        forged = "/oauth2callback?error=forged&error_description=line%0A%1b%5b31mred"
        assert ask(server, forged).headers["location"] == "/?provider=failed"
        before = server.said
        assert "forged" not in before
        assert "\x1b" not in before

        provider.shutdown()
        provider.server_close()
        ann.page.get_by_role("button", name=AT_PROVIDER).click()
        expect(ann.page.get_by_text("could not be reached")).to_be_visible()
        (line,) = server.said.removeprefix(before).splitlines()
        assert line.endswith("signing in or out at the OIDC provider failed: ConnectError")
        ann.sign_in()
        expect(ann.heading("Before you begin")).to_be_visible()
        assert "provider=" not in ann.page.url
