"""Painters: what draws the images of unsafe captions."""
