"""Encoders: captions and pictures in, unit rows out."""
