"""Models of transformers (`hf:`) with open_clip's interface; `load.py` is the entry point."""
