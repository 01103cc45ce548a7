"""Tables of the page in Chromium: no download, in which a name could be a formula."""

from __future__ import annotations

import contextlib
from pathlib import Path

from chromium import Person, browser
from playwright.sync_api import expect
from served import Server
from support.small_review import pair_set


def test_no_table_can_be_downloaded(tmp_path: Path) -> None:
    pair_set(tmp_path / "dataset")
    with contextlib.closing(Server(tmp_path)) as server, browser() as chromium:
        server.start()
        lead = Person(chromium, server, "Lea").sign_in(server.code).go("People")
        table = lead.page.get_by_test_id("stDataFrame")
        expect(table.locator("canvas").first).to_be_visible()
        table.hover()
        toolbar = table.get_by_test_id("stElementToolbar")
        expect(toolbar).to_have_count(1)  # if it were elsewhere, the rule would hide nothing
        expect(toolbar).to_be_hidden()
        expect(lead.page.get_by_role("button", name="Download as CSV")).to_have_count(0)
