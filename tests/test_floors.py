"""The house: which room may import which. CONTRIBUTING.md shows the same list."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import nsfwcaps

PACKAGE = Path(nsfwcaps.__file__).parent

FLOORS = (
    ("errors", "enums", "version", "c_messages", "observers"),
    ("cache", "config", "extras", "files", "pictures", "tables", "resources", "work"),
    ("schema", "progress", "delivery", "failures", "journals"),
    ("artifacts", "captions", "runtime", "world"),
    ("sharing",),
    ("stage", "stage_delivery", "cards", "encoders", "metrics", "vectors"),
    ("training",),
    ("mining", "models", "machine", "stores"),
    ("review", "review.tables", "review.pairs"),
    ("review.meta",),
    ("review.chain",),
    ("review.migrations",),
    ("review.database",),
    ("review.people",),
    ("review.log",),
    ("review.queue",),
    ("review.results",),
    ("review.export",),
    ("card_check", "detectors", "evaluation", "exports", "hub", "reports"),
    ("generation",),
    ("construction",),
    ("stages.kept", "stages.pace"),
    ("stages.ingest", "stages.embed", "stages.mine", "stages.grade", "stages.train"),
    ("stages.world", "stages.construct", "stages.publish"),
    ("stages.illustrate", "inspection"),
    ("stages", "changes"),
    ("foreseen", "freshness", "missing", "subjects"),
    ("sizes",),
    ("executors",),
    ("pipeline",),
    ("recipes",),
    ("api",),
    ("commands",),
    ("cli",),
)
"""Rooms from the ground up. A module imports its own room and lower floors, lazily or not."""

HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}


def rooms() -> Iterator[tuple[str, Path]]:
    """Every module's file with the room that it is in."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "_bundled" not in path.parts and path.parent / path.name != PACKAGE / "__main__.py":
            yield room_of(module_name(path)), path


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """The longest listed room that a module is in; of the package itself, the front door."""
    parts = module.split(".")[1:]
    named = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((room for room in named if room in HEIGHT), "" if not parts else parts[0])


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every import of ours in a file, lazy ones and those for types too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.split(".")[0] == "nsfwcaps")


def test_every_room_has_a_floor() -> None:
    assert sorted({room for room, _ in rooms()} - {""}) == sorted(HEIGHT)


def test_imports_go_down() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE.parent)}:{line}: {room} imports {room_of(name)}"
        for room, path in rooms()
        if room
        for line, name in imports(path)
        if room_of(name) != room and HEIGHT.get(room_of(name), len(FLOORS)) >= HEIGHT[room]
    ]
    assert not wrong, "\n".join(wrong)


def test_contributing_shows_the_same_floors() -> None:
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text()
    shown = [
        tuple(line.split())
        for line in text.partition("<!-- floors -->")[2].partition("<!-- end -->")[0].splitlines()
        if line and not line.startswith("```")
    ]
    assert shown == list(reversed(FLOORS))


def test_no_two_modules_import_each_other() -> None:
    files = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}

    def needs(path: Path) -> set[str]:
        found = {name for _, name in imports(path)}
        return {name if name in files else name.rpartition(".")[0] for name in found}

    graph = {name: needs(path) - {name} for name, path in files.items()}
    graphlib.TopologicalSorter(graph).prepare()  # raises where modules form a circle
