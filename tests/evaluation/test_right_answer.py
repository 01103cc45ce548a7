"""What a data set's right answers are, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.set_files import write_table

from nsfwcaps.evaluation.datasets.pair_set import PairSet
from nsfwcaps.evaluation.datasets.pairs import read_pairs
from nsfwcaps.evaluation.right_answer import notes, right_answer
from nsfwcaps.progress import Silent

MINED = "mined:inverted-softmax:mini"


def read(path: Path, *origins: str | None, partner: str | None = None) -> PairSet:
    rows: list[dict[str, Any]] = [
        {
            "unsafe_caption": f"A handgun, {number}.",
            "safe_caption": f"A cup, {number}.",
            "provenance": origin,
            "partner_caption": partner,
        }
        for number, origin in enumerate(origins)
    ]
    return read_pairs("some", str(write_table(path / "set.parquet", rows)), None, None, Silent())


def test_who_mined_them_is_said(tmp_path: Path) -> None:
    assert right_answer(read(tmp_path, MINED, MINED, partner="A mug.")) == (
        "the safe item of each pair, mined with mini (inverted-softmax); partner figures take the "
        "partner instead"
    )
    assert right_answer(read(tmp_path, "partner:mini")) == (
        "the safe item of each pair, the partner that its source gives"
    )
    assert right_answer(read(tmp_path, MINED, "partner:mini", "partner:mini", "by hand")) == (
        "the safe item of each pair, mined with mini (inverted-softmax) (1 of 4) or the partner "
        "that its source gives (2 of 4) or made by by hand (1 of 4)"
    )
    assert right_answer(read(tmp_path, None)) == (
        "the safe item of each row; the data set does not say how it was chosen"
    )


@pytest.mark.parametrize(
    ("origin", "base", "noted"),
    [
        (MINED, "mini", True),
        (MINED, "open_clip:ViT-B-32/openai", False),
        ("mined:cosine:open_clip:ViT-B-32/openai", "open_clip:ViT-B-32/openai", True),
        ("mined:cosine:local-dir:/home/me/tiny", "local-dir:/elsewhere/tiny", True),
        ("partner:mini", "mini", False),
    ],
)
def test_a_base_that_mined_the_set_is_noted(
    tmp_path: Path, origin: str, base: str, noted: bool
) -> None:
    found = notes(read(tmp_path, origin), base)
    assert len(found) == noted
    if noted:
        assert "is the base and also mined this data set" in found[0]
        assert "no pair has a partner" in found[0]
        assert "/home" not in found[0]
        beside = notes(read(tmp_path, origin, partner="A mug."), base)
        assert "read the partner figures beside it" in beside[0]
