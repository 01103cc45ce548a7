"""Evaluation: how safe a model is, and how much of its original ability it keeps."""
