"""Relative links of Markdown files: each must lead to a file, and to a heading where it names one.

python -m tools.docs.links README.md docs
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tools.docs.prose import markdown_files

_PARSER = MarkdownIt("commonmark").enable("table")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def broken_links(path: Path) -> Iterator[tuple[str, str]]:
    """Target and fault of every relative link or picture of a file that leads nowhere."""
    for target in targets(path.read_text(encoding="utf-8")):
        if _ELSEWHERE.match(target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = path.parent / name if name else path
        if not file.exists():
            yield target, "no such file"
        elif anchor and anchor not in anchors(file.read_text(encoding="utf-8")):
            yield target, "no such heading"


def targets(markdown: str) -> list[str]:
    """Addresses of all links and pictures, in order."""
    found = []
    for token in _inline(_PARSER.parse(markdown)):
        address = token.attrs.get("href" if token.type == "link_open" else "src")
        if token.type in ("link_open", "image") and address is not None:
            found.append(str(address))
    return found


def anchors(markdown: str) -> set[str]:
    """Anchors of the headings as GitHub makes them: lower case, hyphens for spaces, no signs."""
    tokens = _PARSER.parse(markdown)
    titles = [
        "".join(child.content for child in after.children or ())
        for token, after in itertools.pairwise(tokens)
        if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def _inline(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from token.children or ()


def main(arguments: list[str]) -> int:
    """Report every broken link; the exit code is 1 if there is any."""
    files = markdown_files(arguments)
    found = [f"{path}: {target}: {fault}" for path in files for target, fault in broken_links(path)]
    sys.stdout.write("".join(f"{item}\n" for item in found))
    sys.stdout.write(f"{len(files)} files, {len(found)} broken links\n")
    return int(bool(found) or not files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
