from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.delivery import own_section
from nsfwcaps.delivery.own_section import EMPTY, END, START, fill, is_written, split

texts = st.text(alphabet="ab\n# <>-!é", max_size=40)


def test_the_section_as_it_is_written_is_the_users_to_fill() -> None:
    assert EMPTY == (
        "<!-- Yours: nsfwcaps keeps what is between these two comments -->\n"
        "## Notes\n\n"
        "<!-- End of what nsfwcaps keeps -->"
    )
    assert split(EMPTY) == (EMPTY, "\n## Notes\n\n")
    assert not is_written("\n## Notes\n\n")
    assert not is_written(" \n")
    assert is_written("\n## Notes\n\nRead by two people.\n")
    assert is_written("\n## Changes\n")


@given(before=texts, own=texts, after=texts)
def test_what_is_put_in_comes_out(before: str, own: str, after: str) -> None:
    card = f"{before}{EMPTY}{after}"
    assert split(fill(card, own)) == (card, own)


def test_comments_that_are_not_there_once_and_in_order_mark_nothing() -> None:
    for card in ("", "# Card", START, END, END + START, START + START + END, START + END + END):
        assert own_section.split(card) is None
