"""Painters: they draw images of unsafe captions."""
