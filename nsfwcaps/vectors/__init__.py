"""Vectors on disk or in memory: nearest neighbours, exact or approximate, near-duplicates."""
