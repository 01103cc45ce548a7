"""Mine, grade and publish safe-unsafe caption pairs for the safety fine-tuning of CLIP models."""

from nsfwcaps.version import __version__ as __version__
