"""What one would do next, as commands to paste: the last lines of a command."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ONE_STAGE = {"ingest": "embed", "embed": "mine", "mine": "grade", "grade": "publish"}
"""What comes after a stage that was run alone."""

Step = tuple[Sequence[object], str]
"""Arguments of a command, and what it is for."""


def program() -> str:
    """How to call nsfwcaps here: as it was called, or by its name where that finds the same.

    In an environment that is not active, such as the one of `make demo`, the name alone is not
    found.
    """
    called = Path(sys.argv[0])
    if (called.parent.name, called.name) == ("nsfwcaps", "__main__.py"):
        return f"{_shown(Path(sys.executable))} -m nsfwcaps"
    if called.name != "nsfwcaps":  # a program of its own, such as a test
        return "nsfwcaps"
    return _shown(called)


def lines(steps: Sequence[Step]) -> str:
    """Write commands, each with what it is for."""
    commands = [f"{program()} {shlex.join(str(word) for word in words)}" for words, _ in steps]
    whats = [what for _, what in steps]
    if len(steps) == 1:
        return f"Next, to {whats[0]}: {commands[0]}"
    rows = [f"  {command}  # {what}" for command, what in zip(commands, whats, strict=True)]
    return "\n".join(["Next:", *rows])


def after_stages(recipe: Mapping[str, Any], workdir: Path) -> str:
    """Say what comes after the stages of a recipe; empty if their results say so themselves."""
    if "train" in recipe:
        report = (("report", _beside(workdir, "eval")), "write the report of that")
        return lines([_show(recipe, workdir), _evaluate(recipe["train"], workdir), report])
    if "publish" in recipe:
        return lines([_use(workdir)])  # the paragraph on quality names `show`
    last = list(recipe)[-1]
    if last == "world" and recipe["world"].unsafe_scenes:
        pools = ("--safe", workdir / "pools" / "safe", "--unsafe", workdir / "pools" / "unsafe")
        return lines([(("build", *pools, "--out", "RUN"), "mine pairs of them")])
    if last in _ONE_STAGE:
        step = _ONE_STAGE[last]
        return lines([((step, "--out", workdir), "go on")])
    return ""


def name_show(recipe: Mapping[str, Any]) -> bool:
    """Whether `after_stages` names the command that shows pairs."""
    return "train" in recipe


def after_evaluation(out: Path) -> str:
    """Say what comes after an evaluation."""
    return lines([(("report", out), "write the report")])


def _evaluate(train: Any, workdir: Path) -> Step:
    models = ("--model", f"base={train.model}", "--model", f"ours={workdir}")
    out = ("--out", _beside(workdir, "eval"))
    return ("eval", *models, "--data", train.data, *out), "compare it with the base"


def _show(recipe: Mapping[str, Any], workdir: Path) -> Step:
    place = workdir if "publish" in recipe else recipe["train"].data
    return ("show", place, "--n", 20), "look at pairs, covered"


def _use(workdir: Path) -> Step:
    """Training needs images; captions alone are reviewed."""
    data = workdir / "dataset"
    if not _has_images(data):
        return ("review", "--data", data), "let people judge the pairs"
    model = _model(workdir)
    out = ("--out", _beside(workdir, "model"))
    return ("train", "--data", data, "--model", model, *out), "train on them"


def _beside(workdir: Path, what: str) -> Path:
    """Return a folder beside that of a run, for what is made of it."""
    named = workdir if workdir.name not in ("", "..") else workdir.resolve()
    return named.with_name(f"{named.name}-{what}")


def _model(workdir: Path) -> str:
    """Name of the model that mined the pairs, which is the one to train."""
    from nsfwcaps.artifacts import StageFolder

    record = StageFolder(workdir / "embed").record()
    return str((record.settings.get("model") if record else None) or "mini")


def _has_images(data: Path) -> bool:
    import pyarrow.parquet as pq

    return any(
        {"unsafe_image", "safe_image"} <= {*pq.read_schema(path).names}
        for path in sorted((data / "data").glob("train-*.parquet"))[:1]
    )


def _shown(called: Path) -> str:
    """Write a program's path as short as it works from the current folder."""
    found = shutil.which(called.name)
    if found is not None and Path(found).absolute() == Path(called).absolute():
        return called.name
    path = called.absolute()
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return shlex.quote(str(path))
