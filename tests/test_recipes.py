from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nsfwcaps import config, recipes, resources
from nsfwcaps.config import field_names
from nsfwcaps.enums import Pairing, Rank, Targets
from nsfwcaps.errors import ConfigError
from nsfwcaps.stage import Stage
from nsfwcaps.stages import BUILD, STAGE
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.stages.publish.settings import PublishSettings
from nsfwcaps.stages.train.options import options_of
from nsfwcaps.stages.train.settings import TrainSettings
from nsfwcaps.training.curriculum import SCHEDULES, parse_schedule
from nsfwcaps.training.methods import METHODS

BUNDLED = sorted(resources.folder("pipelines").glob("*.yaml"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Return the path of a small recipe."""
    path = tmp_path / "small.yaml"
    path.write_text("mine:\n  k: 2\npublish:\n")
    return path


def errors(path: Path, text: str, *changes: str) -> list[str]:
    path.write_text(text)
    return recipes.problems(str(path), changes)


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_bundled_recipe_is_right_and_whole(path: Path) -> None:
    assert recipes.problems(str(path), []) == []
    named = list(recipes.load(path.stem, []))
    assert named == [name for name in STAGE if name in named]
    if path.stem not in ("finetune", "safe-clip"):
        assert {stage.name for stage in BUILD} <= set(named)


def test_bundled_fine_tuning_is_the_paper_s() -> None:
    (section,) = recipes.load("finetune", ["train.data=run:dataset"]).values()
    assert section == TrainSettings(
        data="run:dataset",
        model="open_clip:ViT-L-14-quickgelu/openai",
        targets=Targets.NEAREST,
        curriculum="easy/easy+medium/all",
        learning_rate=1e-4,
        scale=100,
    )
    assert (section.rank, section.learning_rate) == (16, 1e-4)
    assert (section.batch_size, section.epochs) == (48, 9)
    schedule = SCHEDULES[METHODS[section.method].curriculum]
    assert parse_schedule(section.curriculum) == schedule


def test_the_paper_s_recipe_builds_its_pairs_and_trains_as_the_other_does() -> None:
    recipe = recipes.load("paper", [])
    assert list(recipe) == ["ingest", "embed", "mine", "grade", "publish", "train"]
    assert (recipe["mine"].rank, recipe["mine"].pairing) == (Rank.COSINE, Pairing.NEAREST)
    assert (recipe["grade"].similarity_weight, recipe["grade"].margin_weight) == (1, 0)
    assert recipe["grade"].density_weight == 0
    assert recipe["train"] == recipes.load("finetune", ["train.data=run:dataset"])["train"]
    assert recipe["train"].model == recipe["embed"].model


def test_bundled_safe_clip_is_what_was_released() -> None:
    (section,) = recipes.load("safe-clip", ["train.data=run:dataset"]).values()
    options = options_of(section)
    assert (options.adaptation.rank, options.adaptation.alpha) == (16, 1)
    assert options.adaptation.dropout == 0.1
    how = options.optimisation
    assert (how.learning_rate, how.warmup_share, how.rate_decay) == (1e-3, 0, "none")
    assert (how.clip_norm, how.scale, how.weight_decay) == (None, 100, 0)
    assert (options.batch_size, how.epochs, options.patience) == (128, 50, 5)
    assert options.method.targets is Targets.FIXED


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_bundled_recipe_holds_values_only(path: Path) -> None:
    for section in yaml.safe_load(path.read_text()).values():
        for value in (section or {}).values():
            assert isinstance(value, str | int | float | list)


def test_section_becomes_settings(recipe: Path) -> None:
    assert recipes.load(str(recipe), []) == {
        "mine": MineSettings(k=2),
        "publish": PublishSettings(),
    }


def test_changes_win_and_may_add_a_stage(recipe: Path) -> None:
    loaded = recipes.load(str(recipe), ["mine.k=3", "mine.rank=csls", "grade.easy_share=0.2"])
    assert loaded["mine"] == MineSettings(k=3, rank=Rank.CSLS)
    assert loaded["grade"].easy_share == 0.2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("IVF4,Flat", "IVF4,Flat"),
        ("null", None),
        ("", None),
        ("'a=b'", "a=b"),
        ("a=b", "a=b"),
        ("[", "["),  # not YAML, so plain text
    ],
)
def test_value_of_a_change_is_yaml(recipe: Path, text: str, value: object) -> None:
    assert recipes.load(str(recipe), [f"mine.index={text}"])["mine"].index == value


def test_list_of_a_change(recipe: Path) -> None:
    changes = ["ingest.safe=[a.jsonl, b c.jsonl]", "ingest.unsafe=u.csv"]
    loaded = recipes.load(str(recipe), changes)
    assert loaded["ingest"].safe == ("a.jsonl", "b c.jsonl")
    assert loaded["ingest"].unsafe == ("u.csv",)


@pytest.mark.parametrize("change", ["garbage", "=", "mine", "mine=3", "mine.k", ".k=3", "mine.=3"])
def test_change_of_no_known_form_shows_the_form(recipe: Path, change: str) -> None:
    assert recipes.problems(str(recipe), [change]) == [
        f"--set {change}: expected STAGE.KEY=VALUE, for example mine.k=3"
    ]


def test_all_errors_at_once(tmp_path: Path) -> None:
    text = "mine: {k: 0, kk: 1}\ngrade: {easy_share: 2}\nminee: {}\n"
    found = errors(tmp_path / "r.yaml", text, "garbage", "grade.x=1")
    assert [line.partition(":")[0] for line in found].count("r.yaml") == len(found) - 1
    for part in (
        *("--set garbage", "mine.k: must be greater", "mine.kk: unknown key; did you mean 'k'?"),
        *("grade.easy_share", "grade.x", "unknown stage 'minee'; did you mean 'mine'?"),
    ):
        assert sum(part in line for line in found) == 1, part


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping of stages"),
        ("- mine", "expected a mapping of stages"),
        ("{}", "the recipe contains no stage"),
        ("mine: [1]", "mine must be a mapping of settings"),
        ("mine: 3", "mine must be a mapping of settings"),
        ("mine: {\n", "line 2: expected the node content"),
        ("mine: {k: true}", "mine.k: must be a number, got True"),
        ("mine: {k: 1.5}", "mine.k"),
        ("mine: {k: }", "mine.k: must be a valid integer, got None"),
        ("mine: {beta: .nan}", "mine.beta"),
        ("mine: {beta: .inf}", "mine.beta: must be a finite number, got inf"),
        ("mine: {memory: lots}", "mine: memory: invalid size 'lots'"),
        ("mine: {1: 2}", "mine.1"),
        ("1: {}", "unknown stage '1'"),
        ("x: !!python/object:os.system {}", "line 1: could not determine a constructor"),
        ("grade: {easy_share: 2020-01-01}", "grade.easy_share: must be a valid number"),
        ("ingest: {safe: [1]}", "ingest.safe.0: must be a valid string, got 1"),
        ("ingest: {pool: a.csv}", "ingest: a mixed pool needs label_column"),
    ],
)
def test_error_names_the_place(tmp_path: Path, text: str, message: str) -> None:
    (found,) = errors(tmp_path / "r.yaml", text)
    assert "r.yaml: " in found
    assert message in found


def test_change_of_a_section_that_is_none_is_reported_not_made(tmp_path: Path) -> None:
    assert errors(tmp_path / "r.yaml", "mine: [1]", "mine.k=3") == [
        "r.yaml: mine must be a mapping of settings"
    ]


def test_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert recipes.problems(str(path), []) == [f"{path}: not a YAML text file"]


@pytest.mark.parametrize("side", ["safe", "unsafe"])
def test_mining_with_one_pool_is_refused_before_any_work(tmp_path: Path, side: str) -> None:
    other = {"safe": "unsafe", "unsafe": "safe"}[side]
    (found,) = errors(tmp_path / "r.yaml", f"ingest: {{{side}: a.csv}}\nmine:\n")
    assert f"ingest.{other}: no pool, and mine needs one" in found
    assert errors(tmp_path / "r.yaml", f"ingest: {{{side}: a.csv}}") == []
    mixed = "ingest: {pool: a.csv, label_column: x}\nmine:\n"
    assert errors(tmp_path / "r.yaml", mixed) == []


def test_load_raises_what_problems_lists(recipe: Path) -> None:
    changes = ["mine.k=0", "x.y=1"]
    with pytest.raises(ConfigError) as error:
        recipes.load(str(recipe), changes)
    assert str(error.value).splitlines() == recipes.problems(str(recipe), changes)


@pytest.mark.parametrize("stage", STAGE.values(), ids=lambda stage: stage.name)
def test_every_setting_can_stand_in_a_recipe(stage: Stage, tmp_path: Path) -> None:
    plain = config.as_dict(stage.settings())
    assert list(plain) == field_names(stage.settings)
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump({stage.name: plain}))
    assert recipes.load(str(path), []) == {stage.name: stage.settings()}


@pytest.mark.parametrize(
    ("change", "miner"),
    [("embed.model=mini", "mini"), ("embed={}", "mini"), ("train.model=mini", "open_clip:ViT-L")],
)
def test_a_model_that_does_not_mine_its_own_pairs_is_refused_at_once(
    tmp_path: Path, change: str, miner: str
) -> None:
    paper = yaml.safe_load(resources.recipe("paper").read_text())
    changes = [change]
    if change == "embed={}":
        paper["embed"], changes = None, []
    (said,) = errors(tmp_path / "own.yaml", yaml.safe_dump(paper), *changes)
    assert f"embed.model is '{miner}" in said
    assert "train.model is '" in said
    both = ["embed.model=mini", "train.model=mini"]
    assert errors(tmp_path / "own.yaml", yaml.safe_dump(paper), *both) == []


def test_a_model_may_train_on_pairs_of_another_run(tmp_path: Path) -> None:
    paper = yaml.safe_load(resources.recipe("paper").read_text())
    paper["train"]["data"] = str(tmp_path)
    assert errors(tmp_path / "own.yaml", yaml.safe_dump(paper), "embed.model=mini") == []
