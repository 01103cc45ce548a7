"""Sphinx, MyST and Furo make the site; `make docs` runs them.

Sphinx was chosen over mkdocs-material, whose support ended in November 2026, and over its
successor Zensical, which is at 0.1. It builds offline, and `-W` fails on a broken link, a missing
anchor, a page that no contents list names, or a docstring that cannot be read.
"""

from __future__ import annotations

import sys
from pathlib import Path

_DOCS = Path(__file__).parent
sys.path.insert(0, str(_DOCS.parent))

import nsfwcaps  # noqa: E402  (found by the path that was added above, as the next one)
from tools.docs import reference  # noqa: E402

reference.write(_DOCS / "_generated")

project = "nsfwcaps"
author = "the nsfwcaps authors"
project_copyright = author
version = release = nsfwcaps.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_generated"]
# Docstrings write code in single backticks, as Markdown does.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

# Links to headings use GitHub's anchors, so that they work there as well.
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"nsfwcaps {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
# A block without a language is a shell line or output, not Python.
highlight_language = "none"
# Options and quotes stay as they are typed.
smartquotes = False
