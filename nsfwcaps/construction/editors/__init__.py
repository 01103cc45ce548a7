"""Editors: they write unsafe captions. One per file, all behind `editor.Editor`."""
