"""Fixtures that other folders share."""

from __future__ import annotations

from support.encoder_fixtures import clip_encoder, tiny_model

__all__ = ["clip_encoder", "tiny_model"]
