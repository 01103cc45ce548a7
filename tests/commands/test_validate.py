from __future__ import annotations

from pathlib import Path

import pytest
from support.shell import call

EVERYTHING_WRONG = """
ingest:
  safe: 3
  max_char: 100
embed:
  device: tpu
mine:
  k: many
  beta: .inf
  reciprocal: true
  memory: lots
grade: [1]
publsh:
  title: x
"""


@pytest.mark.parametrize(
    "name", ["demo", "finetune", "mine", "paper", "safe-clip", "mine.yaml", "pipelines/mine.yaml"]
)
def test_bundled_recipes_are_right(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # found wherever the command is called
    said = call("validate", name)
    assert (said.code, said.out, said.err) == (0, f"{name}: no errors\n", "")


def test_all_errors_are_listed_at_once(tmp_path: Path) -> None:
    recipe = tmp_path / "wrong.yaml"
    recipe.write_text(EVERYTHING_WRONG)
    said = call("validate", recipe, "--set", "garbage", "--set", "mine.x=1")
    assert (said.code, said.out) == (2, "")
    lines = said.err.splitlines()
    for part in (
        *("ingest.safe", "ingest.max_char: unknown key; did you mean 'max_chars'?"),
        *("embed.device", "mine.k:", "mine.beta", "mine.reciprocal", "mine.x"),
        *("grade must be a mapping", "unknown stage 'publsh'; did you mean 'publish'?"),
        "--set garbage",
    ):
        assert sum(part in line for line in lines) == 1, part


def test_json_lists_the_errors(tmp_path: Path) -> None:
    recipe = tmp_path / "wrong.yaml"
    recipe.write_text(EVERYTHING_WRONG)
    said = call("validate", recipe, "--json")
    assert said.code == 2
    assert said.err == f"error: {said.json['error']['message']}\n"
    assert said.json["error"]["message"].splitlines() == said.json["errors"]
    assert said.json["recipe"] == str(recipe)
    assert len(said.json["errors"]) >= 8
    assert call("validate", "mine", "--json").json == {
        "recipe": "mine",
        "errors": [],
        "needs": {},
    }


def test_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("validate", "mine", "--set", "ingest.safe=nowhere.jsonl").code == 0
    assert not list(tmp_path.iterdir())


def test_unknown_recipe_names_the_bundled_ones() -> None:
    said = call("validate", "nowhere")
    assert said.code == 2
    assert "nowhere: no such file or bundled recipe" in said.err
    assert "demo, finetune, mine, paper, safe-clip" in said.err
