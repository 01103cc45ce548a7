"""Long sentences in Markdown: the documentation keeps every sentence to 30 words.

python -m tools.docs.prose README.md docs
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

MOST_WORDS = 30

# A full stop after these ends no sentence.
_ABBREVIATIONS = ("e.g.", "i.e.", "et al.", "cf.", "vs.", "No.")
_END = re.compile(r"[.!?…][)\"”*]*\s+")
_PARSER = MarkdownIt("commonmark").enable("table")


def long_sentences(markdown: str, most: int = MOST_WORDS) -> Iterator[tuple[int, int, str]]:
    """Line of the block, number of words, and text of every sentence above `most` words."""
    for line, block in blocks(markdown):
        for sentence in sentences(block):
            words = count_words(sentence)
            if words > most:
                yield line, words, sentence


def blocks(markdown: str) -> Iterator[tuple[int, str]]:
    """Line and plain text of every heading, paragraph, list item and table cell; code is left out.

    A link counts by its text, a picture by its description, and inline code as one word.
    """
    line = 0
    for token in _PARSER.parse(markdown):
        if token.map is not None:
            line = token.map[0] + 1
        if token.type == "inline":
            yield line, "".join(map(_plain, token.children or ()))


def sentences(block: str) -> list[str]:
    """Split a block at full stops, question marks and exclamation marks that a space follows."""
    found, start = [], 0
    for end in _END.finditer(block):
        upto = block[start : end.end()].rstrip()
        if not upto.endswith(_ABBREVIATIONS):
            found.append(upto)
            start = end.end()
    return [*found, block[start:].strip()] if block[start:].strip() else found


def count_words(sentence: str) -> int:
    """Count what has a letter or digit in it, between spaces: a dash or a bracket is no word."""
    return sum(any(map(str.isalnum, word)) for word in sentence.split())


def markdown_files(arguments: list[str]) -> list[Path]:
    """List the Markdown files that are named, and those in the folders that are named."""
    found: list[Path] = []
    for path in map(Path, arguments):
        found += sorted(path.rglob("*.md")) if path.is_dir() else [path]
    return [path for path in found if "_generated" not in path.parts]


def main(arguments: list[str]) -> int:
    """Report every long sentence; the exit code is 1 if there is any."""
    files = markdown_files(arguments)
    found = [
        f"{path}:{line}: {words} words: {sentence}"
        for path in files
        for line, words, sentence in long_sentences(path.read_text(encoding="utf-8"))
    ]
    sys.stdout.write("".join(f"{item}\n" for item in found))
    sys.stdout.write(
        f"{len(files)} files, {len(found)} sentences with more than {MOST_WORDS} words\n"
    )
    return int(bool(found) or not files)


def _plain(token: Token) -> str:
    if token.type == "code_inline":
        return "_".join(token.content.split())
    if token.type in ("softbreak", "hardbreak"):
        return " "
    return token.content


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
