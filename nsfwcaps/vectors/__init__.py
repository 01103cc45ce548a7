"""Vectors: rows on disk or in memory, and their nearest neighbours."""
