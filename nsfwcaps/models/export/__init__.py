"""Trained models in the formats of others. `export.py` is where a run becomes a folder."""
