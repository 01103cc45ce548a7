"""Mine, grade and publish safe-unsafe caption pairs for the safety fine-tuning of CLIP models."""

__version__ = "0.1.0"
