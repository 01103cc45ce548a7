"""Encoders: captions and pictures in, unit rows out. `load.py` is where a name becomes one."""
