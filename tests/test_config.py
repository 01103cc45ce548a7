from __future__ import annotations

import dataclasses
import enum
import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps import config
from nsfwcaps.config import STRICT_KEYS, setting
from nsfwcaps.enums import RENAMED
from nsfwcaps.errors import ConfigError
from nsfwcaps.stages import STAGES
from nsfwcaps.stages.ingest.settings import IngestSettings
from nsfwcaps.stages.train.settings import TrainSettings

JSON = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())


class Wood(enum.StrEnum):
    OAK = "oak"
    ASH = "ash"


@dataclass(frozen=True, kw_only=True)
class Table:
    __pydantic_config__ = STRICT_KEYS

    legs: Annotated[int, Ge(1)] = setting(4, "Legs.")
    wood: Wood = setting(Wood.OAK, "Wood.")
    vases: tuple[str, ...] = setting((), "Vases on it.")
    gloss: Annotated[float, Ge(0), Le(1)] | None = setting(None, "Gloss.")
    carriers: int = setting(2, "Who carries it.", affects_output=False)

    def __post_init__(self) -> None:
        if self.legs == 13:
            raise ValueError("13 legs bring bad luck")


def problems(**values: object) -> list[str]:
    with pytest.raises(ConfigError) as error:
        config.parse(Table, values, where="table")
    return str(error.value).splitlines()


def test_plain_values_become_typed_ones() -> None:
    values = {"legs": 3, "wood": "ash", "vases": ["a", "b"], "gloss": 1}
    assert config.parse(Table, values, where="table") == Table(
        legs=3, wood=Wood.ASH, vases=("a", "b"), gloss=1.0
    )


def test_list_setting_takes_a_single_string() -> None:
    assert config.parse(Table, {"vases": "blue.jsonl"}, where="table").vases == ("blue.jsonl",)


def test_unknown_key_is_answered_with_a_close_name() -> None:
    assert problems(leg=3) == ["table.leg: unknown key; did you mean 'legs'?"]


def test_unknown_key_without_a_close_name_lists_the_keys() -> None:
    assert problems(zzz=3) == [
        "table.zzz: unknown key; known keys: legs, wood, vases, gloss, carriers"
    ]


def test_every_problem_is_told_at_once() -> None:
    assert problems(legs=0, wood="tin", gloss=2, leg=1) == [
        "table.legs: must be greater than or equal to 1, got 0",
        "table.wood: must be 'oak' or 'ash', got 'tin'",
        "table.gloss: must be less than or equal to 1, got 2",
        "table.leg: unknown key; did you mean 'legs'?",
    ]


def test_rule_over_several_settings_is_told_in_its_own_words() -> None:
    assert problems(legs=13) == ["table: 13 legs bring bad luck"]


def test_check_returns_the_problems_instead_of_raising() -> None:
    assert config.check(Table, {"legs": 3}, where="table") == (Table(legs=3), [])
    assert config.check(Table, {"leg": 3}, where="t") == (
        None,
        ["t.leg: unknown key; did you mean 'legs'?"],
    )


def test_output_settings_leave_out_how_the_work_is_done() -> None:
    assert config.output_settings(Table(vases=("a",))) == {
        "legs": 4,
        "wood": "oak",
        "vases": ["a"],
        "gloss": None,
    }


def test_every_setting_as_plain_values_reads_back() -> None:
    table = Table(legs=3, wood=Wood.ASH, vases=("a", "b"), gloss=0.5, carriers=4)
    plain = config.as_dict(table)
    assert plain == {
        "legs": 3,
        "wood": "ash",
        "vases": ["a", "b"],
        "gloss": 0.5,
        "carriers": 4,
    }
    assert config.parse(Table, plain, where="table") == table


def test_digest_is_the_hash_of_canonical_json() -> None:
    expected = hashlib.sha256(b'{"a":[1,null],"b":"oak"}').hexdigest()
    assert config.digest({"b": Wood.OAK, "a": (1, None)}) == expected


@given(st.dictionaries(st.text(), JSON, min_size=2))
def test_digest_ignores_the_order_of_keys(value: dict[str, object]) -> None:
    assert config.digest(value) == config.digest(dict(reversed(value.items())))


@pytest.mark.parametrize(
    ("left", "right"),
    [([1, 2], [2, 1]), (["ab", "c"], ["a", "bc"]), (1, "1"), (None, "None"), ([], {}), (0, False)],
)
def test_digest_tells_values_apart(left: object, right: object) -> None:
    assert config.digest(left) != config.digest(right)


def test_digest_refuses_what_is_no_json_number() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        config.digest(float("nan"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1000000", 10**6), ("16G", 16 * 10**9), ("512MiB", 512 * 2**20), ("2gib", 2 * 2**30)],
)
def test_sizes_in_bytes(text: str, expected: int) -> None:
    assert config.parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "lots", "16Q"])
def test_what_is_no_size_is_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError, match=f"'{text}'; expected for example 512MiB"):
        config.parse_bytes(text)


@pytest.mark.parametrize(
    ("hint", "expected"),
    [(int, int), (int | None, int), (Annotated[int, Ge(1)] | None, int), (Wood, Wood)],
)
def test_base_type_strips_bounds_and_none(hint: object, expected: type) -> None:
    assert config.base_type(hint) is expected


@dataclass(frozen=True, kw_only=True)
class Lamp:
    __pydantic_config__ = STRICT_KEYS

    watts: Annotated[float, Ge(0)] | Literal["own"] = setting(40.0, "Watts; own: the bulb's.")


@pytest.mark.parametrize(("value", "kept"), [("own", "own"), (60, 60.0), ("60", 60.0)])
def test_setting_may_be_a_number_or_a_word(value: object, kept: object) -> None:
    assert config.parse(Lamp, {"watts": value}, where="lamp").watts == kept


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, "must be greater than or equal to 0, or 'own', got -1"),
        (None, "must be a valid number, or 'own', got None"),
        (float("nan"), "must be a finite number, or 'own', got nan"),
        (True, "must be a number, got True"),
    ],
)
def test_what_is_neither_is_told_once(value: object, message: str) -> None:
    config_or_none, found = config.check(Lamp, {"watts": value}, where="lamp")
    assert (config_or_none, found) == (None, [f"lamp.watts: {message}"])


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("method", "subspace", "'subspace' is now 'contrastive-subspace'"),
        ("adapter_inputs", "difference", "'difference' is now 'contrast'"),
        ("adapter_inputs", "subspace", "must be 'any' or 'contrast', got 'subspace'"),
    ],
)
def test_a_former_value_is_told_its_name(key: str, value: str, told: str) -> None:
    found = config.check(TrainSettings, {key: value}, where="train")
    assert found == (None, [f"train.{key}: {told}"])


def test_former_values_lead_to_present_ones() -> None:
    for kind, former in RENAMED.items():
        present = {item.value for item in kind}
        assert {*former.values()} <= present
        assert present.isdisjoint(former)


def test_alternatives_leave_none_apart() -> None:
    number = Annotated[int, Ge(1)]
    assert config.alternatives(number | str | None) == [number, str]
    assert config.alternatives(int | None) == config.alternatives(int) == [int]


def test_mixed_pool_needs_a_label_column() -> None:
    with pytest.raises(ConfigError, match="a mixed pool needs label_column"):
        config.parse(IngestSettings, {"pool": "mixed.csv"}, where="ingest")


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_setting_has_a_default_and_a_help_line(stage: object) -> None:
    fields = dataclasses.fields(stage.settings)  # type: ignore[attr-defined]
    assert [f.name for f in fields if f.default is dataclasses.MISSING] == []
    assert [f.name for f in fields if not f.metadata.get("help", "").endswith(".")] == []


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_defaults_of_every_stage_read_back(stage: object) -> None:
    cls = stage.settings  # type: ignore[attr-defined]
    assert config.parse(cls, config.as_dict(cls()), where="stage") == cls()
