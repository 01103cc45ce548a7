"""Fixtures that other folders share."""

from __future__ import annotations

from support.training_fixtures import place, train_quickly

__all__ = ["place", "train_quickly"]
