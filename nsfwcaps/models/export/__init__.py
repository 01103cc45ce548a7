"""Export of trained models to the formats of other libraries; `export.py` is the entry point."""
