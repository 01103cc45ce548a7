"""Card templates: location and rendering."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps import resources
from nsfwcaps.delivery import own_section

if TYPE_CHECKING:
    import jinja2


def path(name: str) -> Path:
    """Return the path of a template."""
    return resources.folder("data_cards") / name


def fill(name: str, **values: Any) -> str:
    """Fill a template."""
    template = _environment(path(name).parent).get_template(name)
    return template.render(**values, own_section=own_section.EMPTY)


@functools.cache
def _environment(folder: Path) -> jinja2.Environment:
    """Compile each template of a folder once."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,  # a missing fact must not become an empty cell
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML; pool content is escaped by `code`
    )
    environment.filters["code"] = _code
    environment.filters["percent"] = lambda share: f"{share:.1%}"
    return environment


def _code(text: object) -> str:
    """Format text from a pool as Markdown code, whatever it contains."""
    one_line = " ".join(str(text).split())
    return "`" + one_line.replace("`", "'").replace("|", "/") + "`"
