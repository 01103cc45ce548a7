"""Exports of a review: written here, and read back by `publish`."""
