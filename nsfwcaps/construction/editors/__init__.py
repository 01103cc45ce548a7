"""Editors: what writes the unsafe caption. One a file, all behind `editor.Editor`."""
