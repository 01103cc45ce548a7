"""Inspection of a pool: what it is, before it is used."""
