"""Vectors: storage, exact and approximate nearest neighbours, near-duplicates."""
