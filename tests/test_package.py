"""What is built and handed on: the wheel, its exports, the version."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.shell import environment

import nsfwcaps
from nsfwcaps import errors

ROOT = Path(nsfwcaps.__file__).parent.parent
CHANGELOG = ROOT / "CHANGELOG.md"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from this clone, without the network."""
    pytest.importorskip("hatchling", reason="the wheel needs its build back-end")
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", out],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = out.glob("nsfwcaps-*.whl")
    return path


def test_wheel_contains_what_the_commands_need(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    bundled = {
        f"nsfwcaps/_bundled/{path.relative_to(ROOT).as_posix()}"
        for folder in ("pipelines", "app", "data_cards")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {item.split("/")[2] for item in bundled} == {"pipelines", "app", "data_cards"}
    assert bundled <= names
    assert {"nsfwcaps/demo_pool/safe.jsonl", "nsfwcaps/demo_pool/unsafe.csv"} <= names
    assert "nsfwcaps/encoders/mini/heads.safetensors" in names
    assert f"nsfwcaps-{nsfwcaps.__version__}.dist-info/licenses/LICENSE" in names


def test_wheel_contains_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"nsfwcaps"}
    assert not [name for name in names if {"tests", "__pycache__"} & set(name.split("/"))]


def test_wheel_declares_the_command(wheel: Path) -> None:
    info = f"nsfwcaps-{nsfwcaps.__version__}.dist-info"
    entry = zipfile.ZipFile(wheel).read(f"{info}/entry_points.txt").decode()
    assert "nsfwcaps = nsfwcaps.cli:main" in entry


Installed = Callable[..., Any]


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Installed:
    """What a command of the wheel says as JSON; unpacked as pip does, away from the clone."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "cwd").mkdir()

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "nsfwcaps", *arguments, "--json"],
            cwd=tmp_path / "cwd",
            env={**environment(), "PYTHONPATH": str(tmp_path / "site")},
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    return run


def test_installed_wheel_finds_its_recipes(installed: Installed, tmp_path: Path) -> None:
    plan = installed("run", "mine", "--workdir", "w", "--dry-run")["plan"]
    assert plan["ingest"]["pool_files"] == 2
    for recipe in ("demo", "finetune", "mine", "paper", "safe-clip"):
        assert installed("validate", recipe)["errors"] == []
    assert [*(tmp_path / "cwd").iterdir()] == []


def test_installed_wheel_plans_and_draws_its_world(installed: Installed, tmp_path: Path) -> None:
    plan = installed("demo", "--out", "w", "--dry-run")["plan"]
    assert plan["world"]["safe scenes"] + plan["world"]["unsafe scenes"] == 1200
    assert [*(tmp_path / "cwd").iterdir()] == []
    installed("world", "--out", "w", "--scenes", "4")
    # Its card is rendered from a template of the wheel.
    assert "2 safe and 2 unsafe" in (tmp_path / "cwd" / "w" / "pools" / "README.md").read_text()


def test_every_module_imports_and_says_what_it_is() -> None:
    for module in pkgutil.walk_packages(nsfwcaps.__path__, "nsfwcaps."):
        if module.name != "nsfwcaps.__main__":
            assert importlib.import_module(module.name).__doc__, module.name


def test_only_the_index_imports_faiss_and_no_module_streamlit() -> None:
    importers: dict[str, set[str]] = {"faiss": set(), "streamlit": set()}
    for path in sorted((ROOT / "nsfwcaps").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                if (top := name.partition(".")[0]) in importers:
                    importers[top].add(path.relative_to(ROOT).as_posix())
    assert importers == {"faiss": {"nsfwcaps/vectors/index.py"}, "streamlit": set()}


def test_libraries_never_import_stages_or_commands() -> None:
    for folder in ("captions", "vectors", "cards"):
        for path in (ROOT / "nsfwcaps" / folder).rglob("*.py"):
            assert not re.search(r"nsfwcaps\.(stages|commands|cli)\b", path.read_text()), path


def test_errors_are_one_tree() -> None:
    kinds = [item for item in vars(errors).values() if isinstance(item, type)]
    assert len({kind.exit_code for kind in kinds}) == len(kinds)
    assert all(issubclass(kind, errors.NsfwcapsError) for kind in kinds)


@pytest.mark.skipif(not CHANGELOG.is_file(), reason="no CHANGELOG.md in an installed package")
def test_changelog_starts_with_this_version() -> None:
    latest = re.search(r"^## \[?(\d+\.\d+\.\d+)", CHANGELOG.read_text(), re.MULTILINE)
    assert latest is not None
    assert latest[1] == nsfwcaps.__version__


def test_public_class_names_are_defined_once() -> None:
    places: dict[str, set[str]] = {}
    for path in sorted((ROOT / "nsfwcaps").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found = places.setdefault(node.name, set())
                where = path.relative_to(ROOT).as_posix()
                assert where not in found, f"{node.name} twice in {where}"
                found.add(where)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
