"""Encoders: captions and images in, unit rows out."""
