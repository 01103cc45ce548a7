"""Readers of pool files, one for each format."""
