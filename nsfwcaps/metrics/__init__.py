"""Figures of an evaluation: numpy in, floats out; no model, no file."""
