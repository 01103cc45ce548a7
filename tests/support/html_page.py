"""A page as a reader gets it: what shows before any click, and what the page would load."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"meta", "img", "br", "link", "input"}
_UNSEEN = {"template", "script", "style", "title", "noscript"}


class Shown(HTMLParser):
    """Collects texts and elements of a page, apart from those inside templates."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.covered: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.covered_tags: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if "template" in self.open:
            self.covered_tags.append(tag)
        else:
            self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if "template" in self.open:
            self.covered.append(data)
        elif not _UNSEEN & set(self.open):
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All that shows, in one line."""
        return " ".join(" ".join(self.texts).split())

    @property
    def attributes(self) -> list[str]:
        """Values of all attributes outside templates: alternative texts, labels, addresses."""
        return [value for _, given in self.tags for value in given.values() if value]
