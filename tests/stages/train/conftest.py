"""Fixtures that other folders share."""

from __future__ import annotations

from support.encoder_fixtures import clip_encoder, tiny_model
from support.training_fixtures import place, train_quickly

__all__ = ["clip_encoder", "place", "tiny_model", "train_quickly"]
