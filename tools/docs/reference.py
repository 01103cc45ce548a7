"""Pages of the reference that are made from the code: commands, columns, the Python API.

python -m tools.docs.reference FOLDER
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

import nsfwcaps
from nsfwcaps import schema

# Typer cuts the help of commands short in these lists; a section with the whole help follows.
_COMMAND_LIST = re.compile(r"\*\*Commands\*\*:\n\n(?:\* .*\n)+\n?")


def commands() -> str:
    """Every command and option, as Typer documents the live app."""
    made = subprocess.run(
        [sys.executable, "-m", "typer", "nsfwcaps.cli", "utils", "docs", "--name", "nsfwcaps"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    _, _, below_title = _COMMAND_LIST.sub("", made).partition("\n## ")
    return "## " + below_title.strip() + "\n"


def columns() -> str:
    """Tables of the columns of published data sets, with their types."""
    everything = schema.published(
        with_pictures=True,
        with_partners=True,
        with_nsfwcaps=True,
        with_review=True,
        with_labels=True,
        with_flags=True,
    )
    groups = {
        "In every data set": schema.PUBLISHED_HELP,
        "With images": schema.PICTURES_HELP,
        "Where unsafe captions came with a partner": schema.PARTNERS_HELP,
        "Where a pair has a flag": schema.FLAGS_HELP,
        "Where a review was joined": schema.REVIEW_HELP,
        "Where the unsafe images were drawn": schema.LABELS_HELP,
        "With `--columns nsfwcaps`": schema.NSFWCAPS_HELP,
    }
    missing = set(everything.names) - {name for texts in groups.values() for name in texts}
    if missing:
        raise ValueError(f"published columns without a description: {sorted(missing)}")
    parts = [f"### {title}\n\n{_table(texts, everything)}" for title, texts in groups.items()]
    return "\n\n".join(parts) + "\n"


def python_api() -> str:
    """One directive for each public name, functions first; Sphinx adds signature and docstring."""
    names = sorted(nsfwcaps.__all__, key=lambda name: inspect.isclass(getattr(nsfwcaps, name)))
    return "\n".join(map(_directive, names))


def write(folder: Path) -> None:
    """Write the three pages, each only where its text has changed."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"commands.md": commands(), "columns.md": columns(), "python.md": python_api()}
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _table(texts: Mapping[str, str], everything: pa.Schema) -> str:
    rows = [
        f"| `{name}` | {_type(everything.field(name).type)} | {_cell(text)} |"
        for name, text in texts.items()
    ]
    return "\n".join(["| column | type | what it holds |", "|---|---|---|", *rows])


def _type(kind: pa.DataType) -> str:
    if kind == schema.PICTURE:
        return "image"
    if kind == pa.float32():
        return "float32"
    if pa.types.is_list(kind):
        return f"list of {'struct' if pa.types.is_struct(kind.value_type) else kind.value_type}"
    return str(kind)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _directive(name: str) -> str:
    value = getattr(nsfwcaps, name)
    if inspect.isclass(value):
        kind, options = "autoclass", ":members:\n   :undoc-members:"
    elif callable(value):
        kind, options = "autofunction", ""
    else:  # autodata would print the docstring of the type
        kind, options = "py:data", f":type: {type(value).__name__}"
    return f"```{{eval-rst}}\n.. {kind}:: nsfwcaps.{name}\n   {options}\n```\n"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
