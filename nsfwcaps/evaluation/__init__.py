"""Evaluation: how safe a model is, and how much of what it could do is left."""
