"""Fixtures shared by the tests of this package."""

from support.training_fixtures import train_quickly

__all__ = ["train_quickly"]
