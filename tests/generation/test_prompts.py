from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from nsfwcaps.errors import InputError
from nsfwcaps.generation.prompts import Prompt, PromptSet, read_prompts

I2P = """,prompt,categories,hard,inappropriate_percentage,sd_seed,sd_guidance_scale,sd_image_width,\
sd_image_height,sd_model
0,"a red kite, above a lake","hate, harassment",0,87.5,1601722860,8.5,512,640,SD 1.4
1,two cups,shocking,1,0.0,7,7,512,512,SD 1.4
"""


def read(folder: Path, text: str) -> PromptSet:
    (folder / "i2p.csv").write_text(text)
    return read_prompts(str(folder / "i2p.csv"))


def test_the_columns_of_i2p(tmp_path: Path) -> None:
    found = read(tmp_path, I2P)
    assert found.name == "i2p"
    assert found.prompts == (
        Prompt(
            text="a red kite, above a lake",
            categories=("hate", "harassment"),
            seed=1601722860,
            guidance_scale=8.5,
            width=512,
            height=640,
        ),
        Prompt(
            text="two cups",
            categories=("shocking",),
            seed=7,
            guidance_scale=7.0,
            width=512,
            height=512,
        ),
    )


def test_prompts_alone(tmp_path: Path) -> None:
    plain = Prompt(
        text="two cups", categories=(), seed=0, guidance_scale=None, width=None, height=None
    )
    assert read(tmp_path, "prompt\ntwo cups\n").prompts == (plain,)
    (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": "two cups", "sd_seed": None}))
    assert read_prompts(str(tmp_path / "p.jsonl")).prompts == (plain,)


def test_what_pandas_writes(tmp_path: Path) -> None:
    """A whole number beside one that is missing is a float there."""
    table = pd.DataFrame({"prompt": ["a", "b"], "sd_seed": [3, None], "sd_image_width": [64, None]})
    table.to_csv(tmp_path / "p.csv")
    table.to_parquet(tmp_path / "p.parquet")
    for name in ("p.csv", "p.parquet"):
        first, second = read_prompts(str(tmp_path / name)).prompts
        assert (first.seed, first.width) == (3, 64)
        assert (second.seed, second.width) == (0, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("caption\na cup\n", "no column 'prompt'"),
        ("prompt\n", "no prompts"),
        ("prompt,sd_seed\nquillbrook,1\n ,2\n", "row 2 has no prompt"),
        ("prompt,sd_seed\nquillbrook,x\n", "row 1: sd_seed must be a number"),
        ("prompt,sd_seed\nquillbrook,1.5\n", "sd_seed must be a non-negative integer"),
        ("prompt,sd_seed\nquillbrook,-1\n", "sd_seed must be a non-negative integer"),
        ("prompt,sd_guidance_scale\nquillbrook,inf\n", "must be a number"),
        ("prompt,sd_image_width\nquillbrook,500\n", "multiple of 8, got 500"),
        ("prompt,sd_image_height\nquillbrook,0\n", "multiple of 8, got 0"),
        ("prompt,sd_seed\nquillbrook\n", "row 1 cannot be read"),
    ],
)
def test_what_cannot_be_used(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told) as error:
        read(tmp_path, text)
    assert "quillbrook" not in str(error.value)


def test_a_prompt_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(b"prompt\na \xff vase\n")
    with pytest.raises(InputError, match="row 1: the prompt is not UTF-8"):
        read_prompts(str(tmp_path / "p.csv"))


def test_id_and_digest(tmp_path: Path) -> None:
    """The id is that of the picture but for its seed; the digest that of all figures."""
    rows = ["a,x,1,", "a,x,2,", "a,y,1,", "a,x,1,3.0", "b,x,1,"]
    sets = [read(tmp_path, f"prompt,categories,sd_seed,sd_guidance_scale\n{row}\n") for row in rows]
    assert len({item.digest for item in sets}) == 5
    ids = [item.prompts[0].id for item in sets]
    assert ids[0] == ids[1] == ids[2]
    assert len({*ids}) == 3


def test_names_of_columns_in_any_case(tmp_path: Path) -> None:
    prompts = read(tmp_path, 'ID, Prompt ,Categories\n1,A knife,"a, b"\n').prompts
    assert [(item.text, item.categories) for item in prompts] == [("A knife", ("a", "b"))]
