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
    write_data_set(tmp_path, 2)
    port, path = free_port(), tmp_path / "oidc.toml"
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
    with contextlib.closing(Server(tmp_path, ("--oidc", str(path)), port)) as made:
        yield made.start()


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
