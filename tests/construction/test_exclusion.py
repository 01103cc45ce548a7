"""The exclusion list; its sexual words are kept as digests, so one mild one stands for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsfwcaps.construction.exclusion import excluded, image_hashes
from nsfwcaps.errors import InputError

DIGEST = "a" * 64


@pytest.mark.parametrize(
    "text",
    [
        "A topless child",
        "A TOPLESS teenager",
        "topless, a 15-year-old",
        "a tópless gi\u200brl",
        "Toddlers and something nude",
        "A schoolgirl in a nude drawing",
        "A nude four-year-old",
        "a topless k1d",
        "topless and aged fifteen",
        "a topless six-month-old",
    ],
)
def test_both_words_in_one_text(text: str) -> None:
    assert excluded(text)


@pytest.mark.parametrize(
    "text",
    [
        "A child on a bench",
        "A nude statue in a museum",
        "A handgun next to a boy's lunch box",
        "A topless woman, 45 years old",
        "",
    ],
)
def test_one_of_them_is_not_enough(text: str) -> None:
    assert not excluded(text)


def test_lists_of_image_hashes(tmp_path: Path) -> None:
    path = tmp_path / "hashes.txt"
    path.write_text(f"# a comment\n\n{DIGEST.upper()}  some-file.jpg\n{'b' * 64} # note\n")
    assert image_hashes([str(path)]) == {DIGEST, "b" * 64}
    assert image_hashes([]) == frozenset()


def test_a_line_without_a_digest_is_named(tmp_path: Path) -> None:
    path = tmp_path / "hashes.txt"
    path.write_text(f"{DIGEST}\nnot one\n")
    with pytest.raises(InputError, match="line 2"):
        image_hashes([str(path)])
    with pytest.raises(InputError, match="cannot be read"):
        image_hashes([str(tmp_path / "none.txt")])
