from __future__ import annotations

import hashlib
from pathlib import Path

from nsfwcaps.delivery import contents
from nsfwcaps.delivery.own_section import EMPTY, fill

CARD = f"# Card\n\n{EMPTY}\n"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_users_section_and_line_ends_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    assert contents.sha256(path) is None
    for text in (CARD, fill(CARD, "Mine"), fill(CARD, "Mine").replace("\n", "\r\n")):
        path.write_bytes(text.encode())
        assert contents.sha256(path) == sha(CARD)
    path.write_text(CARD + "more")
    assert contents.sha256(path) == sha(CARD + "more")
    assert contents.is_edited(path, [sha(CARD)])
    (tmp_path / "card.txt").write_text(fill(CARD, "Mine"))
    assert contents.sha256(tmp_path / "card.txt") == sha(fill(CARD, "Mine"))


def test_what_is_no_text_has_its_own_digest(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_bytes(b"\xff\xfe card")
    assert contents.sha256(path) == hashlib.sha256(b"\xff\xfe card").hexdigest()
    (tmp_path / "folder.md").mkdir()
    assert contents.sha256(tmp_path / "folder.md") == ""
    (tmp_path / "dangling.md").symlink_to(tmp_path / "nowhere")
    assert contents.is_edited(tmp_path / "dangling.md", [sha(CARD)])


def test_the_users_part_of_a_card(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    assert contents.own_part(path) is None
    path.write_text(CARD)
    assert contents.own_part(path) is None
    path.write_bytes(fill(CARD, "Mine: ").encode() + b"\xff")
    assert contents.own_part(path) == "Mine: "


def test_changed_lines_of_the_head_are_named(tmp_path: Path) -> None:
    old, new = tmp_path / "old.md", tmp_path / "new.md"
    new.write_text("---\nlicense: other\nname: A\ntags:\n- a\n---\nlicense: text\n")
    old.write_text("---\nlicense: mit\nname: A\ntags:\n- b\nmore: 1\n---\nlicense: other text\n")
    assert contents.lost_keys(old, new) == ["license", "more"]
    old.write_text("license: mit\n")
    assert contents.lost_keys(old, new) == []
